"""
The document that Envoy starts with, and its arguments. Pure.

It holds what must be there before the control plane has spoken: where it is, the listener
that all calls to virtual IPs pass, and clusters for the sockets. All else comes by xDS.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.mesh.envoy.clusters import NO_LIMITS, POOL_IDLE
from spacecloud.mesh.envoy.limits import (
    NOT_SHED,
    STATISTICS,
    overload_manager,
)
from spacecloud.mesh.envoy.listeners import bound, deny
from spacecloud.mesh.envoy.names import API_CLUSTER, CONTROL_CLUSTER, NOWHERE_CLUSTER
from spacecloud.model.json import Json


def arguments(
    networking: Networking,
    run: RunDirectory,
    drain_seconds: int,
    log_level: str,
    heap_bytes: int | None = None,
) -> list[str]:
    """For the envoy binary. The run directory has the same path inside."""
    return [
        "--config-yaml",
        json.dumps(document(networking, run, heap_bytes), sort_keys=True, separators=(",", ":")),
        "--drain-time-s",
        str(drain_seconds),
        "--disable-hot-restart",
        "--log-level",
        "debug" if log_level == "debug" else "warning",
    ]


def reports_load(arguments: Iterable[str]) -> bool:
    """Does a gateway that was started with these? One of an earlier release does not."""
    return any('"load_stats_config"' in argument for argument in arguments)


def document(networking: Networking, run: RunDirectory, heap_bytes: int | None = None) -> Json:
    """``heap_bytes``: at which the outside is shed; None: as it was in the first releases."""
    base = _document(networking, run)
    return base if heap_bytes is None else _with_limits(base, heap_bytes)


def _with_limits(base: Json, heap_bytes: int) -> Json:
    """
    A gateway that an earlier release made goes on without these: to make it anew would cost every
    call that is under way. So nothing may need them that a running gateway is told.
    """
    static, stats = base["static_resources"], base["stats_config"]["stats_matcher"]
    mesh, (control, api, nowhere) = static["listeners"][0], static["clusters"]
    patterns = stats["inclusion_list"]["patterns"]
    return {
        **base,
        "static_resources": {
            "listeners": [{**mesh, "filter_chains": [_nobody_listens(deny())], **NOT_SHED}],
            "clusters": [control, _with_pool_idle(api), nowhere],
        },
        "cluster_manager": {"load_stats_config": _LOAD_STATS},
        "overload_manager": overload_manager(heap_bytes),
        "watchdogs": {"main_thread_watchdog": _WATCHDOG, "worker_watchdog": _WATCHDOG},
        "stats_flush_interval": "60s",
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _RUNTIME}]},
        "stats_config": {
            "stats_matcher": {
                "inclusion_list": {"patterns": [*patterns, *({"prefix": p} for p in STATISTICS)]}
            }
        },
    }


def _with_pool_idle(cluster: Json) -> Json:
    ((name, options),) = cluster["typed_extension_protocol_options"].items()
    idle = {**options, "common_http_protocol_options": {"idle_timeout": POOL_IDLE}}
    return {**cluster, "typed_extension_protocol_options": {name: idle}}


def _document(networking: Networking, run: RunDirectory) -> Json:
    """Byte for byte that of the first releases: what is added or changed is ``_with_limits``'s."""
    return {
        "node": {"id": networking.instance, "cluster": "space-cloud"},
        "admin": {
            "address": {"pipe": {"path": str(run.admin_socket), "mode": 0o600}},
            "profile_path": "/dev/null",
        },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [
                    {
                        "envoy_grpc": {
                            "cluster_name": CONTROL_CLUSTER,
                            # A control plane that comes back is found again within a second.
                            "retry_policy": {
                                "retry_back_off": {
                                    "base_interval": "0.1s",
                                    "max_interval": "1s",
                                }
                            },
                        }
                    }
                ],
            },
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {
            "listeners": [_mesh_listener(networking.mesh_port)],
            "clusters": [
                _socket_cluster(CONTROL_CLUSTER, run.xds_socket, _HTTP2),
                _socket_cluster(API_CLUSTER, run.api_socket, _HTTP1),
                {"name": NOWHERE_CLUSTER, "type": "STATIC", "connect_timeout": "1s"},
            ],
        },
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": _STATS}}},
    }


def _mesh_listener(port: int) -> Json:
    """Every redirected call arrives here and goes on to the listener of what it dialled."""
    return {
        "name": "mesh",
        "stat_prefix": "mesh",
        **bound(port),
        "listener_filters": [
            {
                "name": "envoy.filters.listener.original_dst",
                "typed_config": {
                    "@type": "type.googleapis.com/"
                    "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
                },
            }
        ],
        "use_original_dst": True,
        "filter_chains": [_nobody_listens(deny(_FIRST_FLUSH_INTERVAL))],
    }


def _nobody_listens(denial: Json) -> Json:
    return {"name": "nobody-listens", "filters": [denial]}


def _socket_cluster(name: str, path: Path, protocol: Json) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(path)}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": NO_LIMITS,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/"
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


_FIRST_FLUSH_INTERVAL = "0.2s"
"""Of the refused connections that the first releases told, by which their gateways are known."""

_RUNTIME: Json = {
    # Of compiled expressions. All are our own: none is made of what is declared.
    "re2.max_program_size.error_level": 10_000
}

_WATCHDOG: Json = {"miss_timeout": "60s", "megamiss_timeout": "60s"}
"""
It only counts what hangs for longer. Each thread shows itself twice in the shorter of these, which
by default is ten times a second: a third of what a gateway costs that nobody calls.
"""

_LOAD_STATS: Json = {
    "api_type": "GRPC",
    "transport_api_version": "V3",
    "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_CLUSTER}}],
}

_HTTP1: Json = {"http_protocol_options": {}}
_HTTP2: Json = {"http2_protocol_options": {}}

_STATS: list[Json] = [
    {"prefix": prefix}
    for prefix in (
        "cluster_manager.",
        "control_plane.",
        "http.ingress.",
        "http.mesh.",
        "listener_manager.",
        "server.",
        "tcp.mesh.",
    )
]
"""A service adds no statistic of its own: a thousand of them must stay small."""
