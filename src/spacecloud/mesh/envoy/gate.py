"""
The gate: where calls to a version that sleeps wait until it is awake (ADR 41).

It is a listener of its own for each port of a version, with the version's replicas behind it.
Which calls pass it is a matter of the port's endpoints: the only healthy one is the gate then.
It asks about a request while its version is gated, by its own routes, and lets it pass otherwise.
Nothing else of a service changes when it falls asleep or wakes.
"""

import hashlib
from base64 import b32hexencode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from spacecloud.mesh.envoy.access_log import gate_log
from spacecloud.mesh.envoy.clusters import assigned, cluster_named, replica
from spacecloud.mesh.envoy.http import CALLEE_IS_SILENT, METADATA, said, untouched
from spacecloud.mesh.envoy.limits import BUFFER_BYTES, NOT_SHED, connection_limit
from spacecloud.mesh.envoy.names import CONTROL_CLUSTER, cluster_name, gate_name
from spacecloud.mesh.envoy.resources import Resources, typed
from spacecloud.mesh.envoy.routes import ENVOYS_MARKS, absences, forwarding, sentences
from spacecloud.model.gate_limits import (
    ANSWER_SECONDS,
    CONNECT_ATTEMPTS,
    CONNECT_BACKOFF_SECONDS,
    CONNECTIONS_PER_PORT,
    TOLD_AGAIN_SECONDS,
)
from spacecloud.model.json import Json
from spacecloud.model.refs import ServiceRef
from spacecloud.model.traffic import Endpoint, Face, VersionPort

WAKE_HEADER = "space-cloud-wake-ms"
"""Of an answer whose call was held. What a callee says under this name ends at the gate."""

GATE = "gate"
"""By which a question says at which gate the call is: the route's word, never the caller's."""

TOLD = ("accept", "content-length", "transfer-encoding")
"""Headers of a held request that the control plane is shown: nothing that is secret."""

_FILTER = "envoy.filters.http.ext_authz"

_ASKED = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"

_NO_ANSWER = 508
"""
Stands for "the control plane does not answer", and is 503 to the caller. The gate has no other
answer of its own with this status.
"""


@dataclass(frozen=True, slots=True)
class Gating:
    """Of one service, at one moment."""

    folder: str = ""
    """Where gates listen: it belongs to the gateway's user alone."""

    gated: frozenset[str] = frozenset()
    """Versions whose new calls pass the gate."""

    standing: frozenset[VersionPort] = frozenset()
    """Whose gates the gateway has: each stays as long as its port, for what came through it."""

    def ports(self, face: Face) -> tuple[VersionPort, ...]:
        """Those that have a gate."""
        return tuple(p for p in face.ports if p.version in face.gates or p in self.standing)

    def gate_of(self, face: Face, port: VersionPort) -> str | None:
        """The socket that new calls to this port are led to; None: to the replicas."""
        behind = VersionPort(port.version or _answering(face, port), port.port, port.protocol)
        if behind.version in self.gated and behind in self.ports(face):
            return gate_socket(self.folder, _name(face, behind))
        return None


NO_GATING = Gating()

_DIGITS = 9
"""Of 32: two of a million gates have the same ones once in seventy installations."""


@lru_cache(maxsize=1 << 14)
def gate_socket(folder: str, name: str) -> str:
    """
    Where the gate of this name listens.

    The path is not longer than the admin socket's, which is known to fit into an address.
    """
    digest = b32hexencode(hashlib.sha256(name.encode()).digest()).decode().lower()
    return f"{folder}/g{digest[:_DIGITS]}"


def gate_resources(face: Face, endpoints: Iterable[Endpoint], gating: Gating) -> Resources:
    replicas, ports = tuple(sorted(endpoints)), gating.ports(face)
    return Resources(
        clusters=tuple(cluster_named(_name(face, port), port.protocol) for port in ports),
        endpoints=tuple(
            assigned(
                _name(face, port),
                (replica(e, port.port) for e in replicas if e.version == port.version),
            )
            for port in ports
        ),
        listeners=tuple(_listener(face, port, gating.folder) for port in ports),
        routes=tuple(_routes(face, port, gating) for port in ports if port.protocol == "http"),
    )


def gated_clusters(face: Face, gating: Gating) -> Iterator[str]:
    """Those that no new call reaches but through the gate, and those behind it."""
    for port in face.ports:
        if gating.gate_of(face, port) is not None:
            yield cluster_name(face.key, port.version, port.port)
    for port in gating.ports(face):
        if port.version in gating.gated:
            yield _name(face, port)


def _answering(face: Face, port: VersionPort) -> str:
    """The version behind a port of the service's own domain."""
    return next((e.version for e in face.entries if e.of_service and e.port == port.port), "")


def _name(face: Face, port: VersionPort) -> str:
    return gate_name(face.key, port.version, port.port)


def _listener(face: Face, port: VersionPort, folder: str) -> Json:
    name = _name(face, port)
    filters = _requests(name) if port.protocol == "http" else _connections(name)
    path = gate_socket(folder, name)
    return typed(
        "listeners",
        {
            "name": name,
            "stat_prefix": "gate",
            "address": {"pipe": {"path": path, "mode": 0o600}},
            # Of a body that nobody reads yet.
            "per_connection_buffer_limit_bytes": BUFFER_BYTES,
            **NOT_SHED,
            "filter_chains": [{"name": "gate", "filters": filters}],
        },
    )


def _requests(name: str) -> list[Json]:
    return [untouched("gate", name, [_ASK], {}, [_UNANSWERED, *CALLEE_IS_SILENT])]


def _connections(name: str) -> list[Json]:
    """
    Told to the control plane when they begin, and again while nobody may have heard of it; tried
    until a replica listens.

    Which is when a server that speaks first is heard: nothing waits for the client's first byte.
    """
    first, most = CONNECT_BACKOFF_SECONDS
    return [
        connection_limit("gate", CONNECTIONS_PER_PORT),
        {
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                # The messages that the control plane has are older than the field for the log.
                "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
                "type_url": "type.googleapis.com/"
                "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "value": {
                    "stat_prefix": "gate",
                    "cluster": name,
                    "idle_timeout": "0s",
                    "max_connect_attempts": CONNECT_ATTEMPTS,
                    "backoff_options": {"base_interval": f"{first}s", "max_interval": f"{most}s"},
                    "access_log": [gate_log()],
                    "access_log_options": {
                        "flush_access_log_on_start": True,
                        "access_log_flush_interval": f"{TOLD_AGAIN_SECONDS}s",
                    },
                },
            },
        },
    ]


_ASK: Json = {
    "name": _FILTER,
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": {"cluster_name": CONTROL_CLUSTER},
            "timeout": f"{ANSWER_SECONDS}s",
        },
        "allowed_headers": {"patterns": [{"exact": header} for header in TOLD]},
        "failure_mode_allow": False,
        "status_on_error": {"code": _NO_ANSWER},
    },
}

_UNANSWERED: Json = {
    **said(
        {
            "status_code_filter": {
                "comparison": {
                    "op": "EQ",
                    "value": {"default_value": _NO_ANSWER, "runtime_key": "unused"},
                }
            }
        },
        f"%METADATA(ROUTE:{METADATA}:unanswered)%",
    ),
    "status_code": 503,
}


def _routes(face: Face, port: VersionPort, gating: Gating) -> Json:
    name, ref = _name(face, port), ServiceRef(*face.key, port.version)
    metadata = sentences(
        unanswered=f"{ref} is asleep, and the control plane, which would wake it, does not answer",
        **absences(str(ref)),
    )
    question: Json = {"check_settings": {"context_extensions": {GATE: name}}}
    # A call that is on its way here when the version wakes has nothing to ask.
    asked = question if port.version in gating.gated else {"disabled": True}
    return typed(
        "routes",
        {
            "name": name,
            "request_headers_to_remove": ENVOYS_MARKS,
            "response_headers_to_remove": [WAKE_HEADER],
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "typed_per_filter_config": {_FILTER: {"@type": _ASKED, **asked}},
                    "routes": forwarding({"name": name, "metadata": metadata}, name),
                }
            ],
        },
    )
