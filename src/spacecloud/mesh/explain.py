"""Policy in sentences: who may call, whom one may call, and what is missing where a call fails."""

from collections.abc import Iterable

from spacecloud.mesh.authorization import Authorization, named
from spacecloud.mesh.index import union
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import PLATFORM_PROJECT, ServiceKey
from spacecloud.model.service import ANY, Peer, callees_of, callers_of
from spacecloud.reasons.notices import Notice, PeerNotDeclared, PeerOneSided, PolicyUnited


def callers(key: ServiceKey, policy: Authorization) -> tuple[str, ...]:
    """Who may call it: ``billing/api``, or ``shop/*`` where all of the project may."""
    return _summary(key, policy, policy.whitelist(key), policy.every_caller(key))


def callees(key: ServiceKey, policy: Authorization) -> tuple[str, ...]:
    """Whom it may call, in the same words."""
    upstreams = policy.upstreams(key)
    named_by_us = (
        callee
        for project in policy.projects()
        for callee in policy.live(project)
        if any(peer.covers(*callee) for peer in upstreams)
    )
    return _summary(key, policy, upstreams, {c for c in named_by_us if policy.whitelisted(key, c)})


def why_refused(caller: ServiceKey, callee: ServiceKey, policy: Authorization) -> str:
    """Which of the two sides lacks the permission, and the line of YAML that gives it."""
    if callee.project == PLATFORM_PROJECT:
        return f"the project {caller.project} does not name this host port in its egress"
    if policy.allowed(caller, callee):
        return "it is allowed by now: policy has changed since"
    if not policy.live(callee.project) & {callee}:
        return f"{callee} is not declared"
    missing = []
    if not policy.whitelisted(caller, callee):
        missing.append(_missing("whitelists", callee, caller, policy.whitelist(callee)))
    upstreams = policy.upstreams(caller)
    if not any(peer.covers(*callee) for peer in upstreams):
        missing.append(_missing("upstreams", caller, callee, upstreams))
    return "; ".join(missing)


def warnings(key: ServiceKey, policy: Authorization) -> tuple[Notice, ...]:
    """Where policy does something else than its author may think."""
    service = policy.services.get(key)
    if service is None or not service.versions:
        return ()
    return (
        *_differing(key, service.versions),
        *_one_sided(key, policy, service.versions),
    )


def _summary(
    key: ServiceKey, policy: Authorization, written: Iterable[Peer], others: Iterable[ServiceKey]
) -> tuple[str, ...]:
    peers = tuple(written)
    by_project: dict[str, set[ServiceKey]] = {}
    for other in others:
        if other != key:
            by_project.setdefault(other.project, set()).add(other)
    lines: list[str] = []
    for project, some in sorted(by_project.items()):
        left_out = policy.live(project) - some - {key}
        whole = any(p.service == ANY and p.project_id in (ANY, project) for p in peers)
        if whole and not left_out:
            lines.append(f"{project}/*")
        elif whole and len(left_out) < len(some):
            lines.append(f"{project}/* except {', '.join(map(str, sorted(left_out)))}")
        else:
            lines.extend(map(str, sorted(some)))
    return tuple(lines)


def _missing(side: str, owner: ServiceKey, other: ServiceKey, written: tuple[Peer, ...]) -> str:
    line = f"- {{projectId: {other.project}, service: {other.service}}}"
    default = (Peer.model_validate({"projectId": owner.project, "service": ANY}),)
    keep = (
        f" (where none are written, \"- {{projectId: {owner.project}, service: '*'}}\" is in "
        "force: keep it)"
        if written == default
        else ""
    )
    return (
        f"the {side} of {owner} name {named(written)} and not {other}: "
        f'add "{line}" to {side} of {owner}{keep}'
    )


def _differing(key: ServiceKey, versions: tuple[DeclaredVersion, ...]) -> Iterable[Notice]:
    ids = tuple(v.ref.version for v in versions)
    if len({union([callees_of(v.spec, key.project)]) for v in versions}) > 1:
        yield PolicyUnited(str(key), ids, "upstreams")
    if len({union([callers_of(v.spec, key.project)]) for v in versions}) > 1:
        yield PolicyUnited(str(key), ids, "whitelists")


def _one_sided(
    key: ServiceKey, policy: Authorization, versions: tuple[DeclaredVersion, ...]
) -> Iterable[Notice]:
    """Of what is written by name: a default that leads nowhere surprises nobody."""
    upstreams = union(v.spec.upstreams or () for v in versions)
    for callee in _named(upstreams):
        if callee not in policy.live(callee.project):
            yield PeerNotDeclared(str(key), "upstreams", str(callee))
        elif not policy.whitelisted(key, callee) and callee != key:
            yield PeerOneSided(str(key), "upstreams", str(callee))
    whitelists = union(v.spec.whitelists or () for v in versions)
    for caller in _named(whitelists):
        if caller not in policy.live(caller.project):
            yield PeerNotDeclared(str(key), "whitelists", str(caller))
        elif not policy.allowed(caller, key):
            yield PeerOneSided(str(key), "whitelists", str(caller))


def _named(peers: Iterable[Peer]) -> Iterable[ServiceKey]:
    for peer in peers:
        if ANY not in (peer.project_id, peer.service) and peer.project_id != PLATFORM_PROJECT:
            yield ServiceKey(peer.project_id, peer.service)
