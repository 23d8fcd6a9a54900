"""
CDS and EDS: one cluster for each port of each version, its replicas beside it.

A TCP port of the service's own domain has a cluster too: which version answers there is a matter
of its endpoints, so that no filter chain is rewritten when the oldest version goes.
"""

from collections.abc import Iterable
from dataclasses import replace

from spacecloud.mesh.envoy.names import cluster_name
from spacecloud.mesh.envoy.resources import typed
from spacecloud.model.json import Json
from spacecloud.model.refs import ServiceKey
from spacecloud.model.task import Protocol
from spacecloud.model.traffic import Endpoint, Face, VersionPort

CONNECT_TIMEOUT = "5s"
"""To a replica on the same host: slower than this means that it is gone."""

UNLIMITED = 4_294_967_295

POOL_IDLE = "1s"
"""
How long a connection to a replica waits for its next request: less than the usual application
does before it closes (gunicorn 2 s, Node 5 s), so that hardly any request meets the closing. A
new one costs a tenth of a millisecond on the same host.
"""

HEADERS_KIB = 96
"""Largest headers of a request or a response, in KiB: the most that Envoy can."""

FROM_XDS: Json = {"ads": {}, "resource_api_version": "V3"}


def cluster(key: ServiceKey, port: VersionPort) -> Json:
    return cluster_named(cluster_name(key, port.version, port.port), port.protocol)


def cluster_named(name: str, protocol: Protocol) -> Json:
    return typed(
        "clusters",
        {
            "name": name,
            "type": "EDS",
            "eds_cluster_config": {"eds_config": FROM_XDS},
            "connect_timeout": CONNECT_TIMEOUT,
            "lb_policy": "LEAST_REQUEST",
            "ignore_health_on_host_removal": True,
            # A draining replica gets nothing new, even when no other is left.
            "common_lb_config": {
                "healthy_panic_threshold": {"value": 0},
                # Draining takes effect with the acknowledgement, not a second later.
                "update_merge_window": "0s",
            },
            "circuit_breakers": NO_LIMITS,
            # Instead of a time limit: a replica whose namespace is gone sends no FIN.
            "upstream_connection_options": {"tcp_keepalive": _KEEPALIVE},
            "typed_extension_protocol_options": SAME_PROTOCOL if protocol == "http" else {},
        },
    )


def assignment(
    face: Face, port: VersionPort, endpoints: Iterable[Endpoint], gate: str | None = None
) -> Json:
    """
    ``gate`` is the socket that new calls are led to in place of the replicas, which finish what
    they have.
    """
    name = cluster_name(face.key, port.version, port.port)
    replicas = [e for e in sorted(endpoints) if _answers(e, port, face)]
    if gate is None:
        return assigned(name, (replica(e, port.port) for e in replicas))
    finishing = (replica(replace(e, draining=True), port.port) for e in replicas)
    return assigned(name, [_healthy({"pipe": {"path": gate}}), *finishing])


def assigned(name: str, endpoints: Iterable[Json]) -> Json:
    every = list(endpoints)
    return typed(
        "endpoints",
        {"cluster_name": name, "endpoints": [{"lb_endpoints": every}] if every else []},
    )


def _answers(endpoint: Endpoint, port: VersionPort, face: Face) -> bool:
    """
    At the service's own domain, every draining replica may have connections from when its version
    answered there: they are in flight for as long as the cluster holds it.
    """
    if port.version:
        return endpoint.version == port.version
    return endpoint.draining or any(
        (entry.port, entry.version) == (port.port, endpoint.version)
        for entry in face.entries
        if entry.of_service
    )


def replica(endpoint: Endpoint, port: int) -> Json:
    there = _healthy({"socket_address": {"address": endpoint.address, "port_value": port}})
    return {**there, "health_status": "DRAINING"} if endpoint.draining else there


def _healthy(address: Json) -> Json:
    return {"health_status": "HEALTHY", "endpoint": {"address": address}}


_KEEPALIVE: Json = {"keepalive_time": 30, "keepalive_interval": 10, "keepalive_probes": 3}

NO_LIMITS: Json = {
    "thresholds": [
        {
            "priority": priority,
            "max_connections": UNLIMITED,
            "max_pending_requests": UNLIMITED,
            "max_requests": UNLIMITED,
            "max_retries": UNLIMITED,
        }
        for priority in ("DEFAULT", "HIGH")
    ]
}

SAME_PROTOCOL: Json = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {
            "idle_timeout": POOL_IDLE,
            "max_headers_count": 1000,
            "max_response_headers_kb": HEADERS_KIB,
        },
        "use_downstream_protocol_config": {
            "http_protocol_options": {"enable_trailers": True},
            "http2_protocol_options": {"allow_connect": True},
        },
    }
}
"""HTTP/1.1 stays HTTP/1.1 and HTTP/2 stays HTTP/2: gRPC works, and nothing is guessed."""
