"""
The public listener and the API's routes, which no document changes.

Each request has a scope, found from its path alone: the API's paths lead to the API, all others
to the ingress route table. A table that Envoy refuses concerns the table's scope alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from spacecloud.mesh.envoy import limits, spoofable_headers
from spacecloud.mesh.envoy.http import ingress_connections
from spacecloud.mesh.envoy.listeners import bound
from spacecloud.mesh.envoy.names import API_CLUSTER
from spacecloud.mesh.envoy.resources import Resources, typed
from spacecloud.mesh.envoy.retries import REPEATABLE, UNANSWERED, UNSEEN, forward
from spacecloud.mesh.envoy.routes import ENVOYS_MARKS, sentences
from spacecloud.mesh.envoy.spoofable_headers import Believed
from spacecloud.model.api import CALLER_HEADER
from spacecloud.model.json import Json
from spacecloud.model.refs import INGRESS, INGRESS_TABLE

SCOPE = "x-space-cloud-scope"
"""Names a request's scope inside Envoy; it is never forwarded."""

TABLE = f"{INGRESS_TABLE}|table"
"""The ingress route table that answers requests."""

SCRATCH_TABLE = f"{INGRESS_TABLE}|trial"
"""A table that answers none: what Envoy says of it is known before the live one is changed."""

NOT_FORWARDED = [*ENVOYS_MARKS, SCOPE]


LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class PublicListener:
    """What the public listener is made from: settings, and nothing that is declared."""

    http_port: int
    api_paths: Sequence[str]
    """Lead to the API for callers on loopback: both ends of the connection are."""

    exposed_paths: Sequence[str] = ()
    """Lead to the API for all others; a forwarded port is the outside."""

    trusted_proxies: tuple[IPv4Network, ...] = ()
    most_connections: int = 1_000
    """Of strangers; as many again of trusted proxies, and as many of the host itself."""

    dropped: Callable[[Believed], list[Json]] = spoofable_headers.dropped
    """How headers that claim something are left out."""


def public_resources(public: PublicListener) -> Resources:
    return Resources(
        listeners=(_listener(public),),
        scopes=(
            _scope("api", route_configuration=_api_routes()),
            _scope("table", route_configuration_name=TABLE),
            _scope("trial", route_configuration_name=SCRATCH_TABLE),
        ),
    )


def _listener(public: PublicListener) -> Json:
    return typed(
        "listeners",
        {
            "name": f"{INGRESS}|http",
            "stat_prefix": "ingress",
            **bound(public.http_port),
            "per_connection_buffer_limit_bytes": limits.BUFFER_BYTES,
            "filter_chains": list(_chains(public)),
            "default_filter_chain": _chain("outside", _scope_of(public.exposed_paths), public, ()),
        },
    )


def _chains(public: PublicListener) -> Iterable[Json]:
    """By the address at the other end, which nobody can forge."""
    trusted = public.trusted_proxies
    loopback = {"prefix_ranges": _ranges([LOOPBACK]), "source_prefix_ranges": _ranges([LOOPBACK])}
    is_proxy = any(network.overlaps(LOOPBACK) for network in trusted)
    yield {
        **_chain(
            "loopback",
            _scope_here(public, trusted if is_proxy else ()),
            public,
            (*trusted, LOOPBACK) if is_proxy else (),
        ),
        "filter_chain_match": loopback,
    }
    if trusted:
        yield {
            **_chain("proxies", _scope_of(public.exposed_paths), public, trusted),
            "filter_chain_match": {"source_prefix_ranges": _ranges(trusted)},
        }


def _chain(name: str, scope: str, public: PublicListener, trusted: Sequence[IPv4Network]) -> Json:
    limit = limits.connection_limit(name, public.most_connections)
    return {
        "name": name,
        "filters": [limit, ingress_connections(SCOPE, scope, trusted, public.dropped)],
    }


def _ranges(networks: Iterable[IPv4Network]) -> list[Json]:
    return [
        {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
        for network in networks
    ]


def _scope_here(public: PublicListener, trusted: Sequence[IPv4Network]) -> str:
    """On loopback, what a proxy passes on comes from the outside all the same."""
    if not trusted or public.exposed_paths:
        return _scope_of(public.api_paths)
    return _scope_of(public.api_paths, "!('x-forwarded-for' in request.headers) && ")


def _scope_of(api_paths: Sequence[str], only: str = "") -> str:
    """A format in which Envoy tells the scope of a request: a path means whole segments."""
    if not api_paths:
        return "table"
    path = "request.url_path"
    is_api = " || ".join(f"{path} == '{p}' || {path}.startsWith('{p}/')" for p in api_paths)
    return f"%CEL({only}({is_api}) ? 'api' : 'table')%"


def _scope(name: str, **routes: str | Json) -> Json:
    key = {"fragments": [{"string_key": name}]}
    return typed("scopes", {"name": f"{INGRESS}|{name}", "key": key, **routes})


def _api_routes() -> Json:
    down = "the control plane does not answer: is it running? `space-cloud start` starts it"
    route = {
        "name": "api",
        # The header that others write for applications may hold any address.
        "request_headers_to_add": [written(CALLER_HEADER, CALLER)],
        "metadata": sentences(unavailable=down, broken=down),
    }
    cluster = {"cluster": API_CLUSTER}
    routes = [
        {
            **route,
            "match": {"prefix": "/", "headers": REPEATABLE},
            "route": forward(cluster, UNANSWERED),
        },
        {**route, "match": {"prefix": "/"}, "route": forward(cluster, UNSEEN)},
    ]
    return {
        "name": f"{INGRESS}|api",
        "request_headers_to_remove": NOT_FORWARDED,
        "virtual_hosts": [{"name": "api", "domains": ["*"], "routes": [ONE_HOST, *routes]}],
    }


def written(header: str, value: str) -> Json:
    return {
        "header": {"key": header, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


CALLER = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
"""The address that is believed: of the connection, or what a trusted proxy says."""

ONE_HOST: Json = {
    "name": "one-host",
    # Envoy joins what was sent twice. No name has a comma.
    "match": {
        "prefix": "/",
        "headers": [{"name": ":authority", "string_match": {"contains": ","}}],
    },
    "direct_response": {
        "status": 400,
        "body": {"inline_string": '{"error": "a request has one Host header"}'},
    },
    "response_headers_to_add": [written("content-type", "application/json")],
}
"""The first route of each virtual host."""
