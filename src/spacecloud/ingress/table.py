"""
One ordered table from all ingress routes: the first line that matches a request wins.

The most specific comes first: more path segments, then exact before prefix, then routes for
named hosts before those for all, then those for some methods before those for any, then in
the order of creation. A prefix matches whole segments: ``/api`` leads to ``/api/x`` and not
to ``/apix``.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from spacecloud.ingress.mistakes import mistakes
from spacecloud.model.api import API_PATHS
from spacecloud.model.declared import Declarations, DeclaredService, StoredDocument
from spacecloud.model.refs import MESH_DOMAIN, VERSION_SUFFIX, ServiceKey
from spacecloud.model.routing import HeaderChange, IngressRoute
from spacecloud.model.routing import IngressTarget as WrittenTarget
from spacecloud.model.traffic import ANY_HOST, HeaderEdit, IngressRule, IngressTable, IngressTarget
from spacecloud.reasons.notices import (
    EscapedSlashesNotKept,
    FieldIgnored,
    Notice,
    RouteBehindApi,
    RouteNeverReached,
    RouteNotServed,
    RoutePortMissing,
    RoutePortNotHttp,
    RouteRuleUnsupported,
    RouteTargetMissing,
    RouteTargetOutside,
    RouteVersionMissing,
    RouteWithoutHosts,
    TargetNotice,
)

_ESCAPED_SLASH = re.compile(r"%(2f|5c)", re.IGNORECASE)

_SHOWN = 100
"""Characters of a rule's name that are repeated in the gateway's answers."""


@dataclass(frozen=True, slots=True)
class KnownRoute:
    id: str
    """``project/route id``."""

    route: IngressRoute


@dataclass(frozen=True, slots=True)
class RouteWarning:
    routes: tuple[str, ...]
    """Ids of those that it is about: the one that surprises first."""

    notice: Notice


def read(documents: Iterable[StoredDocument]) -> tuple[KnownRoute, ...]:
    """
    Kept documents as routes, in the order given: the order of creation.

    One that cannot be read, as another release may have kept it, is left out: ``unreadable``.
    """
    read = ((f"{d.project}/{d.id}", _parsed(d)) for d in documents)
    return tuple(KnownRoute(id, route) for id, route in read if isinstance(route, IngressRoute))


def unreadable(documents: Iterable[StoredDocument]) -> Mapping[str, str]:
    """The ids of those that ``read`` leaves out, with the reason."""
    read = ((f"{d.project}/{d.id}", _parsed(d)) for d in documents)
    return {id: reason for id, reason in read if isinstance(reason, str)}


def _parsed(document: StoredDocument) -> IngressRoute | str:
    try:
        return IngressRoute.model_validate(document.document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"its document cannot be read: {place}: {first['msg']}"


def table(routes: Sequence[KnownRoute], declared: Declarations) -> IngressTable:
    """A route with a mistake is not in it, and holds up no other."""
    finder = _Finder(declared)
    rules = [_rule(known, finder) for known in routes if not mistakes(known.route)]
    safe = [_with_safe_slashes(rule, rules) for rule in rules]
    return IngressTable(tuple(sorted(safe, key=_specificity)))


def warnings(routes: Sequence[KnownRoute], declared: Declarations) -> tuple[Notice, ...]:
    """What will surprise: dead targets, dead routes, what is not acted on."""
    return tuple(warning.notice for warning in _warnings(routes, declared))


def warnings_by_route(
    routes: Sequence[KnownRoute], declared: Declarations
) -> Mapping[str, tuple[Notice, ...]]:
    """Of each that has any: its own, and those of a route that it puts out of reach."""
    found: dict[str, tuple[Notice, ...]] = {}
    for warning in _warnings(routes, declared):
        for id in warning.routes:
            found[id] = (*found.get(id, ()), warning.notice)
    return found


def _warnings(routes: Sequence[KnownRoute], declared: Declarations) -> Iterable[RouteWarning]:
    finder = _Finder(declared)
    for known in routes:
        for notice in _route_warnings(known, finder):
            yield RouteWarning((known.id,), notice)
    rules = [_rule(known, finder) for known in routes if not mistakes(known.route)]
    for rule in rules:
        for denied in _opened_by(rule, rules) if rule.escaped_slashes == "keep" else ():
            notice = EscapedSlashesNotKept(rule.id, denied.id, denied.url)
            yield RouteWarning((rule.id, denied.id), notice)
    for rule, earlier in _never_reached(table(routes, declared).rules):
        yield RouteWarning((rule.id, earlier.id), _unreached(rule, earlier))


def urls_of(
    key: ServiceKey, table: IngressTable, http_port: int, version: str = ""
) -> tuple[str, ...]:
    """Where the outside reaches a service, or one version of it; ``localhost`` for any host."""
    return tuple(
        f"http://{'localhost' if host == ANY_HOST else host}:{http_port}{rule.url}"
        for rule in table.rules
        if not rule.refuse
        and any(t.key == key and version in ("", t.version) and t.weight for t in rule.targets)
        for host in rule.hosts
    )


def unserved(
    key: ServiceKey,
    routes: Sequence[KnownRoute],
    declared: Declarations,
    refused: Mapping[str, str],
) -> tuple[RouteNotServed, ...]:
    """
    Of the routes that lead to a service, those that are left out.

    ``refused`` are those that the gateway refuses, by id, with its words.
    """
    finder = _Finder(declared)
    return tuple(
        left_out
        for known in routes
        if any(_leads_to(key, finder.target(known.id, written)) for written in known.route.targets)
        for left_out in _left_out(known, refused)
    )


def _leads_to(key: ServiceKey, found: IngressTarget | TargetNotice) -> bool:
    return isinstance(found, IngressTarget) and found.key == key


def _left_out(known: KnownRoute, refused: Mapping[str, str]) -> Iterable[RouteNotServed]:
    for mistake in mistakes(known.route):
        yield RouteNotServed(known.id, str(mistake))
    if known.id in refused:
        yield RouteNotServed(known.id, refused[known.id])


def without(table: IngressTable, ids: Container[str]) -> IngressTable:
    return IngressTable(tuple(rule for rule in table.rules if rule.id not in ids))


def unreached(key: ServiceKey, table: IngressTable) -> tuple[RouteNeverReached, ...]:
    """Of the routes that lead to a service, those that never answer."""
    return tuple(
        _unreached(rule, earlier)
        for rule, earlier in _never_reached(table.rules)
        if any(target.key == key for target in rule.targets)
    )


class _Finder:
    """Domains to services and versions."""

    def __init__(self, declared: Declarations) -> None:
        self._services = declared.services

    def target(self, route: str, written: WrittenTarget) -> IngressTarget | TargetNotice:
        """The target, or why there is none."""
        found = self._service(route, written)
        if not isinstance(found, tuple):
            return found
        service, version = found
        for declared in sorted(service.versions, key=lambda v: v.order):
            if version not in ("", declared.ref.version):
                continue
            for port in declared.running.ports:
                if port.port == written.port and port.protocol == "http":
                    chosen = declared.ref.version
                    return IngressTarget(service.key, chosen, port.port, written.weight)
                if port.port == written.port:
                    return RoutePortNotHttp(route, str(service.key), port.port)
        offered = sorted({p.port for v in service.versions for p in v.running.ports})
        return RoutePortMissing(route, str(service.key), written.port, tuple(offered))

    def _service(
        self, route: str, written: WrittenTarget
    ) -> tuple[DeclaredService, str] | TargetNotice:
        label, _, rest = written.host.lower().rstrip(".").partition(".")
        project, _, domain = rest.partition(".")
        service = self._services.get(ServiceKey(project, label))
        if domain == MESH_DOMAIN and (found := self._version(project, label)) is not None:
            return found
        if domain == MESH_DOMAIN and service is not None and service.versions:
            if written.version and all(v.ref.version != written.version for v in service.versions):
                return RouteVersionMissing(route, str(service.key), written.version)
            return service, written.version
        if domain != MESH_DOMAIN:
            return RouteTargetOutside(route, written.host)
        return RouteTargetMissing(route, written.host)

    def _version(self, project: str, label: str) -> tuple[DeclaredService, str] | None:
        """Looked for and not indexed: routes are few, and most lead to services."""
        if not label.endswith(VERSION_SUFFIX):
            return None
        return next(
            (
                (service, version.ref.version)
                for key, service in self._services.items()
                if key.project == project
                for version in service.versions
                if version.ref.label == label
            ),
            None,
        )


def _rule(known: KnownRoute, finder: _Finder) -> IngressRule:
    source, modify = known.route.source, known.route.modify
    found = [finder.target(known.id, written) for written in known.route.targets]
    return IngressRule(
        id=known.id,
        hosts=tuple(sorted({_host(host) for host in source.hosts})),
        methods=() if ANY_HOST in source.methods else tuple(sorted(set(_upper(source.methods)))),
        match=source.type,
        url=_path(source.url) if source.type == "prefix" else source.url,
        rewrite=source.rewrite,
        escaped_slashes=source.escaped_slashes,
        targets=tuple(target for target in found if isinstance(target, IngressTarget)),
        refuse=_refusal(known),
        request_headers=_edits(modify.headers) if modify else (),
        response_headers=_edits(modify.res_headers) if modify else (),
    )


def _with_safe_slashes(rule: IngressRule, rules: Iterable[IngressRule]) -> IngressRule:
    """
    A denied url with an escaped slash in it is met by no canonical path: where a path is kept as
    it was sent, the callee would read what is denied.
    """
    if rule.escaped_slashes == "keep" and _opened_by(rule, rules):
        return replace(rule, escaped_slashes="unescape")
    return rule


def _opened_by(kept: IngressRule, rules: Iterable[IngressRule]) -> Sequence[IngressRule]:
    """The denied rules that a request could get round by it."""
    return [
        rule
        for rule in rules
        if rule.refuse and _ESCAPED_SLASH.search(rule.url) and _is_below(rule.url, kept.url)
    ]


def _is_below(url: str, prefix: str) -> bool:
    return prefix == "/" or url == prefix or url.startswith(f"{prefix}/")


def _specificity(rule: IngressRule) -> tuple[int, bool, bool, bool]:
    segments = len([part for part in rule.url.split("/") if part])
    return (-segments, rule.match == "prefix", ANY_HOST in rule.hosts, not rule.methods)


def _host(written: str) -> str:
    host, _, port = written.lower().rpartition(":")
    return host if host and port.isdigit() else written.lower()


def _upper(methods: Iterable[str]) -> Iterable[str]:
    return (method.upper() for method in methods)


def _path(url: str) -> str:
    return url.rstrip("/") or "/"


def _edits(changes: Iterable[HeaderChange]) -> tuple[HeaderEdit, ...]:
    return tuple(HeaderEdit(c.key, c.value, c.op or "set") for c in changes if c.key)


def _refusal(known: KnownRoute) -> str:
    match _rule_name(known):
        case "allow":
            return ""
        case "deny":
            return f"the ingress route {known.id} lets nobody in (rule: deny)"
        case rule:
            return str(RouteRuleUnsupported(known.id, rule))


def _rule_name(known: KnownRoute) -> str:
    """A rule that names none lets nobody in."""
    rule = known.route.rule
    return "allow" if rule is None else str(rule.get("rule", ""))[:_SHOWN]


def _route_warnings(known: KnownRoute, finder: _Finder) -> Iterable[Notice]:
    route = known.route
    yield from _left_out(known, {})
    for written in route.targets:
        found = finder.target(known.id, written)
        if not isinstance(found, IngressTarget):
            yield found
    if _rule_name(known) not in ("allow", "deny"):
        yield RouteRuleUnsupported(known.id, _rule_name(known))
    if not route.source.hosts:
        yield RouteWithoutHosts(known.id)
    if any(_covers_path(path, route.source.url) for path in API_PATHS):
        yield RouteBehindApi(known.id, route.source.url)
    yield from _ignored(known)


def _ignored(known: KnownRoute) -> Iterable[Notice]:
    route, name = known.route, f"ingress route {known.id}"
    for written in route.targets:
        if written.scheme == "https":
            yield FieldIgnored("scheme https", f"{written.host} is called by http", name)
    if route.is_route_cacheable:
        yield FieldIgnored("isRouteCacheable", "nothing is cached", name)
    modify = route.modify
    if modify and (modify.request_template or modify.response_template):
        yield FieldIgnored("a template of modify", "bodies are not changed", name)


def _unreached(rule: IngressRule, earlier: IngressRule) -> RouteNeverReached:
    return RouteNeverReached(rule.id, earlier.id, rule.url)


def _never_reached(rules: Sequence[IngressRule]) -> Iterable[tuple[IngressRule, IngressRule]]:
    """A rule that never answers, and the earlier one that covers it whole."""
    earlier: dict[tuple[str, str, str], list[tuple[int, IngressRule]]] = {}
    for number, later in enumerate(rules):
        path = (later.match, later.url)
        # Whoever covers it is for its first host, too.
        hosts = _patterns_for(later.hosts[0]) if later.hosts else ()
        candidates = [one for host in hosts for one in earlier.get((*path, host), ())]
        covering = min((n for n, rule in candidates if _covers(rule, later)), default=None)
        if covering is not None:
            yield later, rules[covering]
        for host in later.hosts:
            earlier.setdefault((*path, host), []).append((number, later))


def _patterns_for(host: str) -> Iterable[str]:
    """As hosts are written: those that match it."""
    yield host
    if host != ANY_HOST:
        yield ANY_HOST
        labels = host.split(".")
        yield from (f"*.{'.'.join(labels[n:])}" for n in range(1, len(labels)))


def _covers(earlier: IngressRule, later: IngressRule) -> bool:
    methods = not earlier.methods or (later.methods and set(later.methods) <= set(earlier.methods))
    hosts = all(earlier.is_for(host) for host in later.hosts)
    return bool(methods) and bool(later.hosts) and hosts


def _covers_path(prefix: str, url: str) -> bool:
    path = _path(url)
    return path == prefix or path.startswith(prefix + "/")
