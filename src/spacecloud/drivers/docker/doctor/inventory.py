"""What there is of an instance on this machine, told by the engine and the kernel."""

import json
from collections.abc import Mapping
from typing import Any

from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.host import firewall_rules as rules
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership, labels_of, names_of
from spacecloud.drivers.docker.process import run
from spacecloud.errors import Transient
from spacecloud.settings import Settings


async def inventory(
    engine: Engine, settings: Settings, networking: Networking
) -> Mapping[str, Any]:
    """Raises ``Transient`` where engine or kernel cannot be asked."""
    owner = Ownership.of(settings)
    try:
        version = await engine.get("version")
        everybody = await engine.get("containers/json", all=True, filters=_of(labels.INSTANCE))
        ours = _of(f"{labels.INSTANCE}={settings.instance}")
        networks = await engine.get("networks", filters=ours)
    except EngineError as error:
        raise Transient(f"the Docker Engine refuses to tell what it has: {error}") from error
    instances: dict[str, int] = {}
    for container in everybody:
        name = labels_of(container).get(labels.INSTANCE, "")
        instances[name] = instances.get(name, 0) + 1
    return {
        "engine": {"version": version.get("Version"), "api": version.get("ApiVersion")},
        "instances": dict(sorted(instances.items())),
        "containers": [
            {"name": name, "state": c.get("State"), "status": c.get("Status")}
            for c in sorted(everybody, key=names_of)
            if owner.has_container(c)
            for name in names_of(c)[:1]
        ],
        "networks": sorted(n["Name"] for n in networks if owner.has("network", n)),
        "bridges": await _bridges(networking),
        "chains": await _chains(networking),
        "route": (await run("ip", "route", "show", "exact", str(networking.pools.vips))).strip(),
    }


async def _bridges(networking: Networking) -> list[str]:
    shown = json.loads(await run("ip", "-json", "link", "show", "type", "bridge") or "[]")
    names = (str(link.get("ifname", "")) for link in shown)
    return sorted(name for name in names if name.startswith(networking.interface_prefix))


async def _chains(networking: Networking) -> dict[str, int]:
    """Name, as in ``nat SC-…-NAT``, to the number of its rules."""
    tables = rules.parse(await run("iptables-save"))
    return {
        f"{table} {chain}": len(its)
        for table, chains in tables.items()
        for chain, its in chains.items()
        if chain.startswith(f"{networking.chain_prefix}-")
    }


def _of(label: str) -> dict[str, list[str]]:
    return {"label": [label]}
