"""Policy in sentences: who may call, whom one may call, and what is missing where a call fails."""

from collections.abc import Iterable

from spacecloud.mesh.authorization import (
    Authorization,
    has_differing_whitelists,
    named,
    whitelist_of,
)
from spacecloud.mesh.index import union
from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.refs import PLATFORM_PROJECT, ServiceKey
from spacecloud.model.service import ANY, Peer, callees_of
from spacecloud.reasons.notices import (
    Notice,
    PeerNotDeclared,
    PeerOneSided,
    UpstreamsUnited,
    WhitelistsDiffer,
)


def callers(
    key: ServiceKey, policy: Authorization, whitelist: tuple[Peer, ...] | None = None
) -> tuple[str, ...]:
    """
    Who may call it: ``billing/api``, or ``shop/*`` where all of the project may.

    ``whitelist``: of one version; else any of the service's.
    """
    if whitelist is None:
        return _summary(key, policy, policy.whitelist(key), policy.every_caller(key))
    return _summary(key, policy, whitelist, policy.every_caller_of(key, whitelist))


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


def why_refused(
    caller: ServiceKey, callee: ServiceKey, policy: Authorization, version: str = ""
) -> str:
    """
    Which of the two sides lacks the permission, and the line of YAML that gives it.

    ``version``: the callee's that was called; empty where nobody knows any more.
    """
    if callee.project == PLATFORM_PROJECT:
        return f"the project {caller.project} does not name this host port in its egress"
    if not policy.live(callee.project) & {callee}:
        return f"{callee} is not declared"
    whitelist, owner = _whitelist(callee, policy, version)
    is_let_in = caller == callee or any(peer.covers(*caller) for peer in whitelist)
    if is_let_in and policy.allowed(caller, callee):
        return "it is allowed by now: policy has changed since"
    missing = []
    if not is_let_in:
        missing.append(_missing("whitelists", callee, caller, whitelist, owner))
    upstreams = policy.upstreams(caller)
    if not any(peer.covers(*callee) for peer in upstreams):
        missing.append(_missing("upstreams", caller, callee, upstreams, str(caller)))
    return "; ".join(missing)


def _whitelist(
    callee: ServiceKey, policy: Authorization, version: str
) -> tuple[tuple[Peer, ...], str]:
    """The one that decides, and whose it is."""
    service = policy.services.get(callee)
    if service is not None and has_differing_whitelists(service):
        for declared in service.versions:
            if declared.ref.version == version:
                return whitelist_of(declared), str(declared.ref)
    return policy.whitelist(callee), str(callee)


def warnings(key: ServiceKey, policy: Authorization) -> tuple[Notice, ...]:
    """Where policy does something else than its author may think."""
    service = policy.services.get(key)
    if service is None or not service.versions:
        return ()
    return (*differing(service), *_one_sided(key, policy, service.versions))


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


def _missing(
    side: str, owner: ServiceKey, other: ServiceKey, written: tuple[Peer, ...], named_owner: str
) -> str:
    line = f"- {{projectId: {other.project}, service: {other.service}}}"
    default = (Peer.model_validate({"projectId": owner.project, "service": ANY}),)
    keep = (
        f" (where none are written, \"- {{projectId: {owner.project}, service: '*'}}\" is in "
        "force: keep it)"
        if written == default
        else ""
    )
    return (
        f"the {side} of {named_owner} name {named(written)} and not {other}: "
        f'add "{line}" to {side} of {named_owner}{keep}'
    )


def differing(service: DeclaredService) -> Iterable[Notice]:
    """Where its versions say different things of who may call whom."""
    key, versions = service.key, service.versions
    ids = tuple(v.ref.version for v in versions)
    if len({union([callees_of(v.spec, key.project)]) for v in versions}) > 1:
        yield UpstreamsUnited(str(key), ids)
    if has_differing_whitelists(service):
        first = min(versions, key=lambda v: v.order)
        yield WhitelistsDiffer(str(key), ids, key.domain, first.ref.version)


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
