"""The host's own ports, for the projects that asked: TCP from one virtual IP to the loopback."""

from collections.abc import Iterable

from spacecloud.mesh.envoy.clusters import CONNECT_TIMEOUT, NO_LIMITS
from spacecloud.mesh.envoy.listeners import connections_to, virtual_listener
from spacecloud.mesh.envoy.resources import Resources, typed
from spacecloud.model.json import Json
from spacecloud.model.refs import HOST
from spacecloud.model.traffic import HostPortAccess, SourceRanges


def host_port_resources(host_ports: Iterable[HostPortAccess], host_vip: str) -> Resources:
    every = tuple(host_ports)
    return Resources(
        clusters=tuple(_cluster(access) for access in every),
        listeners=tuple(_listener(access, host_vip) for access in every),
    )


def host_port_listener(name: str) -> int:
    """Of a host port's listener or cluster."""
    return int(name.rpartition("|")[2])


def _cluster(access: HostPortAccess) -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": access.port}}
    name = f"{HOST}|{access.port}"
    return typed(
        "clusters",
        {
            "name": name,
            "type": "STATIC",
            "connect_timeout": CONNECT_TIMEOUT,
            "circuit_breakers": NO_LIMITS,
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        },
    )


def _listener(access: HostPortAccess, host_vip: str) -> Json:
    name = f"{HOST}|{access.port}"
    chains = connections_to(name, SourceRanges(blocks=access.blocks))
    return virtual_listener(name, host_vip, access.port, chains)
