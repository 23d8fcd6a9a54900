"""LDS: one listener for each entry of a service. Its chains change with its protocol alone."""

from spacecloud.mesh.envoy.access_log import FLUSH_INTERVAL, connection_log
from spacecloud.mesh.envoy.http import mesh_connections
from spacecloud.mesh.envoy.limits import NOT_SHED
from spacecloud.mesh.envoy.names import NOWHERE_CLUSTER, entry_cluster, entry_name
from spacecloud.mesh.envoy.resources import typed
from spacecloud.mesh.envoy.source_ranges import ALLOWED, DENIED, connection_matcher
from spacecloud.model.json import Json
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import Entry, SourceRanges


def entry_listener(key: ServiceKey, entry: Entry, sources: SourceRanges) -> Json:
    name = entry_name(key, entry)
    if entry.protocol == "http":
        chains: Json = {
            "filter_chains": [{"name": "requests", "filters": [mesh_connections(name)]}]
        }
    else:
        chains = connections_to(entry_cluster(key, entry), sources)
    return virtual_listener(name, entry.vip, entry.port, chains)


def virtual_listener(name: str, address: str, port: int, chains: Json) -> Json:
    """Binds nothing: the mesh listener hands over what was dialled to this address."""
    return typed(
        "listeners",
        {
            "name": name,
            "stat_prefix": "virtual",
            "address": {"socket_address": {"address": address, "port_value": port}},
            "bind_to_port": False,
            **NOT_SHED,
            **chains,
        },
    )


def bound(port: int) -> Json:
    """On all addresses of the host. A port that is taken is an error and is never shared."""
    return {
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "enable_reuse_port": False,
        "socket_options": [
            {"level": level, "name": name, "int_value": value, "state": "STATE_PREBIND"}
            for level, name, value in _KEEPALIVE
        ],
    }


_SOL_SOCKET, _SO_KEEPALIVE = 1, 9
_TCP, _TCP_KEEPIDLE, _TCP_KEEPINTVL, _TCP_KEEPCNT = 6, 4, 5, 6

_KEEPALIVE = (
    (_SOL_SOCKET, _SO_KEEPALIVE, 1),
    (_TCP, _TCP_KEEPIDLE, 60),
    (_TCP, _TCP_KEEPINTVL, 15),
    (_TCP, _TCP_KEEPCNT, 4),
)
"""Connections may idle for ever, so peers that are gone without a word must be found out."""


def connections_to(cluster: str, sources: SourceRanges) -> Json:
    """
    One chain that leads to the callee and one that closes at once, chosen by the caller.

    Chosen before either side has said a byte, so a server that speaks first stays silent.
    """
    return {
        "filter_chains": [
            {"name": ALLOWED, "filters": [_proxy(cluster, {"max_connect_attempts": 3})]},
            {"name": DENIED, "filters": [deny()]},
        ],
        "filter_chain_matcher": connection_matcher(sources),
    }


def deny(flush_interval: str = FLUSH_INTERVAL) -> Json:
    return _proxy(NOWHERE_CLUSTER, {"access_log": [connection_log(flush_interval)]})


def _proxy(cluster: str, more: Json) -> Json:
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "mesh",
            "cluster": cluster,
            "idle_timeout": "0s",
            **more,
        },
    }
