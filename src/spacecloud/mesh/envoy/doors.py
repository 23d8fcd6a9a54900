"""The host's own ports, for the projects that asked: TCP from one virtual IP to the loopback."""

from collections.abc import Iterable

from spacecloud.mesh.envoy.clusters import CONNECT_TIMEOUT, NO_LIMITS
from spacecloud.mesh.envoy.listeners import connections_to, virtual_listener
from spacecloud.mesh.envoy.names import DOORS
from spacecloud.mesh.envoy.resources import Json, Resources, typed
from spacecloud.model.traffic import Admission, HostDoor


def door_resources(doors: Iterable[HostDoor], host_vip: str) -> Resources:
    every = tuple(doors)
    return Resources(
        clusters=tuple(_cluster(door) for door in every),
        listeners=tuple(_listener(door, host_vip) for door in every),
    )


def door_port(name: str) -> int:
    """Of a door's listener or cluster."""
    return int(name.rpartition("|")[2])


def _cluster(door: HostDoor) -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": door.port}}
    name = f"{DOORS}|{door.port}"
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


def _listener(door: HostDoor, host_vip: str) -> Json:
    name = f"{DOORS}|{door.port}"
    chains = connections_to(name, Admission(blocks=door.blocks))
    return virtual_listener(name, host_vip, door.port, chains)
