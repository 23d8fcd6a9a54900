"""
What resources are called. Every name begins with its owner, so that whoever lists what Envoy
holds can tell whose it is.
"""

from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.traffic import Entry

CONTROL_CLUSTER = "control"
"""The control plane's socket for xDS and logs; in the bootstrap."""

API_CLUSTER = "api"
"""The API's socket; in the bootstrap."""

NOWHERE_CLUSTER = "nowhere"
"""Has no endpoint: a connection sent there is closed at once; in the bootstrap."""

_GATE = "gate"


def cluster_name(key: ServiceKey, version: str, port: int) -> str:
    """``version`` empty: of the service's own domain."""
    return f"{key}|{version}|{port}"


def entry_cluster(key: ServiceKey, entry: Entry) -> str:
    """Where an entry leads. A TCP connection to the service's own domain outlives its version."""
    version = "" if entry.of_service and entry.protocol == "tcp" else entry.version
    return cluster_name(key, version, entry.port)


def entry_name(key: ServiceKey, entry: Entry) -> str:
    """Of an entry's listener, and of its routes."""
    return f"{key}|{entry.vip}:{entry.port}"


def gate_name(key: ServiceKey, version: str, port: int) -> str:
    """Of a gate's listener and routes, and of the cluster behind it."""
    return f"{key}|{_GATE}|{version}|{port}"


def gate_of(name: str) -> tuple[ServiceRef, int] | None:
    """Whose gate has this name; None for a name that is no gate's."""
    match name.split("|"):
        case [owner, kind, version, port] if kind == _GATE:
            return ServiceRef(*ServiceKey.parse(owner), version), int(port)
        case _:
            return None


def owner_of(name: str) -> ServiceKey | None:
    """None for a name that is not one of ours."""
    owner, bar, _ = name.partition("|")
    return ServiceKey.parse(owner) if bar and "/" in owner else None
