"""
The public listener and the API's routes, which no document changes.

Each request has a scope, found from its path alone: the API's paths lead to the API, all others
to the ingress route table. A table that Envoy refuses is the trouble of the table's scope.
"""

from collections.abc import Sequence

from spacecloud.mesh.envoy.http import forward, ingress_connections
from spacecloud.mesh.envoy.listeners import bound
from spacecloud.mesh.envoy.names import API_CLUSTER
from spacecloud.mesh.envoy.resources import Resources, typed
from spacecloud.mesh.envoy.routes import ENVOYS_MARKS, sentences
from spacecloud.model.api import CALLER_HEADER
from spacecloud.model.json import Json
from spacecloud.model.refs import INGRESS, INGRESS_TABLE

SCOPE = "x-space-cloud-scope"
"""Names a request's scope inside Envoy; it is never forwarded."""

TABLE = f"{INGRESS_TABLE}|table"
"""The ingress route table that answers requests."""

TRIAL = f"{INGRESS_TABLE}|trial"
"""A table that answers none: what Envoy says of it is known before the live one is changed."""

NOT_FORWARDED = [*ENVOYS_MARKS, SCOPE]


def public_resources(
    http_port: int, api_paths: Sequence[str], exposed_paths: Sequence[str] = ()
) -> Resources:
    """
    ``api_paths`` lead to the API for callers on loopback, ``exposed_paths`` for all others.

    Loopback means that both ends of the connection are: a forwarded port is the outside.
    """
    return Resources(
        listeners=(_listener(http_port, api_paths, exposed_paths),),
        scopes=(
            _scope("api", route_configuration=_api_routes()),
            _scope("table", route_configuration_name=TABLE),
            _scope("trial", route_configuration_name=TRIAL),
        ),
    )


def _listener(http_port: int, api_paths: Sequence[str], exposed_paths: Sequence[str]) -> Json:
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
                    "filters": [ingress_connections(SCOPE, _scope_of(api_paths))],
                }
            ],
            "default_filter_chain": {
                "name": "outside",
                "filters": [ingress_connections(SCOPE, _scope_of(exposed_paths))],
            },
        },
    )


def _scope_of(api_paths: Sequence[str]) -> str:
    """A format in which Envoy tells the scope of a request: a path means whole segments."""
    if not api_paths:
        return "table"
    path = "request.url_path"
    is_api = " || ".join(f"{path} == '{p}' || {path}.startsWith('{p}/')" for p in api_paths)
    return f"%CEL(({is_api}) ? 'api' : 'table')%"


def _scope(name: str, **routes: str | Json) -> Json:
    key = {"fragments": [{"string_key": name}]}
    return typed("scopes", {"name": f"{INGRESS}|{name}", "key": key, **routes})


def _api_routes() -> Json:
    down = "the control plane does not answer: is it running? `space-cloud start` starts it"
    route = {
        "name": "api",
        "match": {"prefix": "/"},
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
    return {
        "name": f"{INGRESS}|api",
        "request_headers_to_remove": NOT_FORWARDED,
        "virtual_hosts": [{"name": "api", "domains": ["*"], "routes": [route]}],
    }
