"""One bridge network per service: its subnet is the caller's identity."""

import hashlib
from typing import Any

from spacecloud.drivers.docker import labels, ownership
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import CONFLICT, EngineError, meaning
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.errors import Terminal
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.platform import NameTaken

INTERFACE_HASH_DIGITS = 9


def interface(networking: Networking, key: ServiceKey) -> str:
    """Name of the bridge: ours by its prefix, at most 15 characters."""
    digest = hashlib.sha256(str(key).encode()).hexdigest()
    return networking.interface_prefix + digest[:INTERFACE_HASH_DIGITS]


class Networks:
    def __init__(self, engine: Engine, networking: Networking, owner: Ownership) -> None:
        self._engine = engine
        self._networking = networking
        self._owner = owner

    async def subnet(self, key: ServiceKey) -> str | None:
        """Of our network of the service. ``Terminal`` when its name is somebody else's."""
        name = labels.network_name(self._networking.instance, key)
        network = await self._engine.find(f"networks/{name}")
        if network is None:
            return None
        if not ownership.belongs(self._owner, network, key):
            raise Terminal(NameTaken("network", name))
        return subnet_of(network)

    async def all(self) -> dict[ServiceKey, str]:
        filters = {"label": labels.of_instance(self._networking.instance)}
        networks = await self._engine.get("networks", filters=filters)
        return {
            key: subnet_of(network)
            for network in networks
            if self._owner.has("network", network)
            and (key := labels.read_key(ownership.labels_of(network))) is not None
        }

    async def create(self, key: ServiceKey, subnet: str) -> None:
        instance = self._networking.instance
        name = labels.network_name(instance, key)
        first = subnet.rpartition("/")[0].rpartition(".")
        body = {
            "Name": name,
            "CheckDuplicate": True,
            "Driver": "bridge",
            "EnableIPv6": False,
            "IPAM": {
                "Driver": "default",
                "Config": [{"Subnet": subnet, "Gateway": f"{first[0]}.{int(first[2]) + 1}"}],
            },
            "Options": {"com.docker.network.bridge.name": interface(self._networking, key)},
            "Labels": self._owner.marked("network", name, labels.network_labels(instance, key)),
        }
        try:
            await self._engine.post("networks/create", body)
        except EngineError as error:
            # There already, from a crash between the call and its answer: the next look says.
            if error.status == CONFLICT and await self.subnet(key) == subnet:
                return
            raise meaning(f"create network {subnet} of {key}", error, "create network") from error

    async def remove(self, key: ServiceKey) -> None:
        name = labels.network_name(self._networking.instance, key)
        if await self.subnet(key) is None:
            return
        try:
            await self._engine.delete(f"networks/{name}")
        except EngineError as error:
            raise meaning(f"remove network {name}", error) from error


def subnet_of(network: dict[str, Any]) -> str:
    """Empty where it has none, as one that the engine has half removed."""
    configs = (network.get("IPAM") or {}).get("Config") or [{}]
    return str(configs[0].get("Subnet", ""))
