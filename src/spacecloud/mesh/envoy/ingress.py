"""What the outside reaches: the public listener, its routes, and the API on loopback."""

import json
import re
from collections.abc import Iterable, Sequence

from spacecloud.mesh.envoy.http import forward, ingress_connections
from spacecloud.mesh.envoy.listeners import bound
from spacecloud.mesh.envoy.names import API_CLUSTER, cluster_name
from spacecloud.mesh.envoy.resources import Json, Resources, typed
from spacecloud.mesh.envoy.routes import ENVOYS_MARKS, absences, sentences
from spacecloud.model.api import CALLER_HEADER
from spacecloud.model.refs import INGRESS
from spacecloud.model.traffic import HeaderEdit, IngressRule, IngressTable, IngressTarget

OUTSIDE = f"{INGRESS}|outside"
LOOPBACK = f"{INGRESS}|loopback"

ANY_HOST = "*"


def ingress_resources(
    table: IngressTable, http_port: int, api_paths: Sequence[str], exposed_paths: Sequence[str] = ()
) -> Resources:
    """
    ``api_paths`` lead to the API for callers on loopback, ``exposed_paths`` for all others.

    Loopback means that both ends of the connection are: a forwarded port is the outside.
    """
    return Resources(
        listeners=(_listener(http_port),),
        routes=(_routes(LOOPBACK, table, api_paths), _routes(OUTSIDE, table, exposed_paths)),
    )


def _listener(http_port: int) -> Json:
    loopback = [{"address_prefix": "127.0.0.0", "prefix_len": 8}]
    return typed(
        "listeners",
        {
            "name": f"{INGRESS}|http",
            "stat_prefix": "ingress",
            **bound(http_port),
            "filter_chains": [
                {
                    "name": "loopback",
                    "filter_chain_match": {
                        "prefix_ranges": loopback,
                        "source_prefix_ranges": loopback,
                    },
                    "filters": [ingress_connections(LOOPBACK)],
                }
            ],
            "default_filter_chain": {"name": "outside", "filters": [ingress_connections(OUTSIDE)]},
        },
    )


def _routes(name: str, table: IngressTable, api_paths: Sequence[str]) -> Json:
    api = [_api_route(path) for path in api_paths]
    hosts = {ANY_HOST, *(host for rule in table.rules for host in rule.hosts)}
    return typed(
        "routes",
        {
            "name": name,
            "ignore_port_in_host_matching": True,
            "request_headers_to_remove": ENVOYS_MARKS,
            "virtual_hosts": [
                {
                    "name": host,
                    "domains": [host],
                    "routes": [*api, *(_route(rule) for rule in _rules_for(host, table.rules))],
                }
                for host in sorted(hosts)
            ],
        },
    )


def _rules_for(host: str, rules: Iterable[IngressRule]) -> Iterable[IngressRule]:
    """Envoy looks at one host's routes only, so each holds those for wider hosts too."""
    return (r for r in rules if any(_covers(wide, host) for wide in r.hosts))


def _covers(wide: str, host: str) -> bool:
    if wide in (ANY_HOST, host):
        return True
    return wide.startswith("*.") and host.endswith(wide[1:])


def _api_route(path: str) -> Json:
    down = "the control plane does not answer: is it running? `space-cloud start` starts it"
    return {
        "name": f"api{path}",
        "match": _prefix(path),
        "route": forward({"cluster": API_CLUSTER}),
        # X-Forwarded-For does not tell: Envoy writes its own address there for loopback.
        "request_headers_to_add": [
            {
                "header": {
                    "key": CALLER_HEADER,
                    "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                },
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "metadata": sentences(unavailable=down, broken=down),
    }


def _route(rule: IngressRule) -> Json:
    return {
        "name": rule.id,
        "match": {**_path(rule), **_methods(rule.methods)},
        "request_headers_to_add": _added(rule.request_headers),
        "request_headers_to_remove": _removed(rule.request_headers),
        "response_headers_to_add": _added(rule.response_headers),
        "response_headers_to_remove": _removed(rule.response_headers),
        **_action(rule),
    }


def _path(rule: IngressRule) -> Json:
    return _prefix(rule.url) if rule.match == "prefix" else {"path": rule.url}


def _prefix(url: str) -> Json:
    return {"prefix": "/"} if url == "/" else {"path_separated_prefix": url}


def _methods(methods: tuple[str, ...]) -> Json:
    if not methods:
        return {}
    one_of = "|".join(re.escape(method) for method in methods)
    return {"headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": one_of}}}]}


def _action(rule: IngressRule) -> Json:
    if rule.refuse:
        return _answer(403, rule.refuse)
    targets = [target for target in rule.targets if target.weight]
    if not targets:
        return _answer(503, f"the ingress route {rule.id} leads to no service that is declared")
    callees = " or ".join(sorted({f"{t.key}@{t.version}" for t in targets}))
    return {
        "route": {**forward(_clusters(targets)), **_rewrite(rule)},
        "metadata": sentences(**absences(callees)),
    }


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


def _rewrite(rule: IngressRule) -> Json:
    """
    | match        | rewrite | request  | callee sees |
    |--------------|---------|----------|-------------|
    | prefix /api  | /       | /api/x   | /x          |
    | prefix /api  | /v2     | /api/x   | /v2/x       |
    | prefix /api  | /v2     | /api     | /v2         |
    | prefix /     | /v2     | /x       | /v2/x       |
    | exact /a     | /b      | /a       | /b          |
    """
    if not rule.rewrite:
        return {}
    if rule.match == "exact" or not (rule.url == "/" or rule.rewrite.endswith("/")):
        return {"prefix_rewrite": rule.rewrite}
    base = rule.rewrite.rstrip("/").replace("\\", "\\\\")
    matched = re.escape(rule.url.rstrip("/"))
    return {"regex_rewrite": {"pattern": {"regex": f"^{matched}/?"}, "substitution": f"{base}/"}}


def _added(edits: Iterable[HeaderEdit]) -> list[Json]:
    actions = {"set": "OVERWRITE_IF_EXISTS_OR_ADD", "add": "APPEND_IF_EXISTS_OR_ADD"}
    return [_header(e.name, e.value, actions[e.op]) for e in edits if e.op in actions]


def _removed(edits: Iterable[HeaderEdit]) -> list[str]:
    return sorted({edit.name for edit in edits if edit.op == "del"})


def _header(name: str, value: str, action: str) -> Json:
    # Percent signs would be read as Envoy's own placeholders.
    header = {"key": name, "value": value.replace("%", "%%")}
    return {"header": header, "append_action": action, "keep_empty_value": True}
