"""RDS: the ingress route table. The listener that it serves is in ``public.py``."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spacecloud.mesh.envoy.escaped_slashes import FILTER, KEEP_BELOW
from spacecloud.mesh.envoy.names import cluster_name
from spacecloud.mesh.envoy.public import CALLER, NOT_FORWARDED, ONE_HOST, TABLE, written
from spacecloud.mesh.envoy.resources import Resources, typed
from spacecloud.mesh.envoy.retries import (
    IDEMPOTENT,
    REPEATABLE,
    UNANSWERED,
    UNSEEN,
    WITHOUT_BODY,
    forward,
)
from spacecloud.mesh.envoy.routes import absences, sentences
from spacecloud.model.api import API_PATHS
from spacecloud.model.json import Json
from spacecloud.model.traffic import ANY_HOST, HeaderEdit, IngressRule, IngressTable, IngressTarget


def ingress_resources(table: IngressTable, private_paths: Sequence[str] = ()) -> Resources:
    """
    The table as the live one, which the public listener's scope of that name refers to.

    ``private_paths`` are the API's that no route leads to a service but one that is for them.
    """
    return Resources(routes=(table_routes(TABLE, table, private_paths),))


def table_routes(name: str, table: IngressTable, private_paths: Sequence[str] = ()) -> Json:
    hosts = {ANY_HOST, *(host for rule in table.rules for host in rule.hosts)}
    return typed(
        "routes",
        {
            "name": name,
            "ignore_port_in_host_matching": True,
            "request_headers_to_remove": NOT_FORWARDED,
            "request_headers_to_add": [written("x-forwarded-for", CALLER)],
            # What a route says of a header is more than what is said of it for all.
            "most_specific_header_mutations_wins": True,
            "virtual_hosts": [
                {
                    "name": host,
                    "domains": [host],
                    "routes": [
                        ONE_HOST,
                        *_routes_of(list(_rules_for(host, table.rules)), private_paths),
                    ],
                }
                for host in sorted(hosts)
            ],
        },
    )


def _rules_for(host: str, rules: Iterable[IngressRule]) -> Iterable[IngressRule]:
    """Envoy looks at one host's routes only, so each holds those for wider hosts too."""
    return (rule for rule in rules if rule.is_for(host))


def _routes_of(rules: Sequence[IngressRule], private_paths: Sequence[str]) -> Iterable[Json]:
    """
    A rule below the API's paths goes first, which changes no order: of two rules for one path,
    the one with fewer segments is not below them, or both are.
    """
    own = [rule for rule in rules if _is_below_the_api(rule.url)]
    yield from (route for rule in own for route in _routes(rule))
    yield from map(_private, private_paths)
    yield from (r for rule in rules if rule not in own for r in _routes(rule))


def _is_below_the_api(url: str) -> bool:
    return any(url == path or url.startswith(f"{path}/") for path in API_PATHS)


def _private(path: str) -> Json:
    sentence = (
        "a path of the control plane's API, which answers callers on its own machine only: "
        "`space-cloud start --expose-api` lets others in, and an ingress route whose url is this "
        "path leads it to a service"
    )
    return {"name": "api", "match": {"path_separated_prefix": path}, **_answer(403, sentence)}


def _routes(rule: IngressRule) -> Iterable[Json]:
    """
    One for each way to match it. Nothing is matched by an expression, whose size has a limit.
    """
    for path in _paths(rule):
        for requests in _requests(rule):
            yield {
                "name": rule.id,
                "match": {**path.match, "headers": requests.headers},
                "request_headers_to_add": _added(rule.request_headers),
                "request_headers_to_remove": _removed(rule.request_headers),
                "response_headers_to_add": _added(rule.response_headers),
                "response_headers_to_remove": _removed(rule.response_headers),
                **_action(rule, path.rewrite, requests.retried),
            }


@dataclass(frozen=True, slots=True)
class _Path:
    match: Json
    rewrite: str = ""
    """Takes the place of what was matched; empty: nothing does."""


def _paths(rule: IngressRule) -> tuple[_Path, ...]:
    """
    | match        | rewrite | request  | callee sees |
    |--------------|---------|----------|-------------|
    | prefix /api  | /       | /api/x   | /x          |
    | prefix /api  | /v2     | /api/x   | /v2/x       |
    | prefix /api  | /v2     | /api     | /v2         |
    | prefix /api  | /v2/    | /api     | /v2/        |
    | prefix /     | /v2     | /x       | /v2/x       |
    | exact /a     | /b      | /a       | /b          |
    """
    url, rewrite = rule.url, rule.rewrite
    if rule.refuse:
        return tuple(_denied(rule))
    if rule.match == "exact":
        return (_Path({"path": url}, rewrite),)
    if url == "/":
        return (_Path({"prefix": "/"}, rewrite and f"{rewrite.rstrip('/')}/"),)
    if not rewrite.endswith("/"):
        return (_Path({"path_separated_prefix": url}, rewrite),)
    # Together they match whole segments; the slash that follows must not be doubled.
    below = f"{rewrite.rstrip('/')}/"
    return (_Path({"path": url}, below), _Path({"prefix": f"{url}/"}, below))


def _denied(rule: IngressRule) -> Iterable[_Path]:
    """
    In any case and with whatever servers leave out at the end: parameters, a blank. Many servers
    (Express, IIS, Tomcat) answer all of these as the path that is denied.
    """
    exact = rule.match == "exact"
    whole = "path" if exact else "prefix" if rule.url == "/" else "path_separated_prefix"
    for match in ({whole: rule.url}, *({"prefix": f"{rule.url}{end}"} for end in _LEFT_OUT)):
        yield _Path({**match, "case_sensitive": False})


_LEFT_OUT = (";", "%3b", "%20")


@dataclass(frozen=True, slots=True)
class _Requests:
    headers: list[Json]
    retried: str = UNSEEN


def _requests(rule: IngressRule) -> Iterable[_Requests]:
    """Of any method, or of each that the rule is for: those first that may be answered twice."""
    if rule.refuse:
        yield from (_Requests(_method(method)) for method in rule.methods)
        yield from () if rule.methods else (_Requests([]),)
        return
    if not rule.methods:
        yield _Requests(REPEATABLE, UNANSWERED)
        yield _Requests([])
    for method in rule.methods:
        if method in IDEMPOTENT:
            yield _Requests([*_method(method), *WITHOUT_BODY], UNANSWERED)
        yield _Requests(_method(method))


def _method(method: str) -> list[Json]:
    return [{"name": ":method", "string_match": {"exact": method}}]


def _action(rule: IngressRule, rewrite: str, retried: str) -> Json:
    if rule.refuse:
        return _answer(403, rule.refuse)
    targets = [target for target in rule.targets if target.weight]
    if not targets:
        return _answer(503, f"the ingress route {rule.id} leads to no service that is declared")
    callees = " or ".join(sorted({f"{t.key}@{t.version}" for t in targets}))
    return {
        "route": {
            **forward(_clusters(targets), retried),
            **({"prefix_rewrite": rewrite} if rewrite else {}),
        },
        "metadata": _metadata(rule, callees),
    }


def _metadata(rule: IngressRule, callees: str) -> Json:
    said = sentences(**absences(callees))
    if rule.escaped_slashes == "keep":
        said["filter_metadata"][FILTER] = {KEEP_BELOW: rule.url}
    return said


def _clusters(targets: Sequence[IngressTarget]) -> Json:
    if len(targets) == 1:
        return {"cluster": cluster_name(targets[0].key, targets[0].version, targets[0].port)}
    weighted = [
        {"name": cluster_name(t.key, t.version, t.port), "weight": t.weight} for t in targets
    ]
    return {"weighted_clusters": {"clusters": weighted}}


def _answer(status: int, sentence: str) -> Json:
    return {
        "direct_response": {
            "status": status,
            "body": {"inline_string": json.dumps({"error": sentence})},
        },
        "response_headers_to_add": [
            _header("content-type", "application/json", "OVERWRITE_IF_EXISTS_OR_ADD")
        ],
        "response_headers_to_remove": [],
    }


def _added(edits: Iterable[HeaderEdit]) -> list[Json]:
    actions = {"set": "OVERWRITE_IF_EXISTS_OR_ADD", "add": "APPEND_IF_EXISTS_OR_ADD"}
    return [_header(e.name, e.value, actions[e.op]) for e in edits if e.op in actions]


def _removed(edits: Iterable[HeaderEdit]) -> list[str]:
    return sorted({edit.name for edit in edits if edit.op == "del"})


def _header(name: str, value: str, action: str) -> Json:
    # Percent signs would be read as Envoy's own placeholders.
    header = {"key": name, "value": value.replace("%", "%%")}
    return {"header": header, "append_action": action, "keep_empty_value": True}
