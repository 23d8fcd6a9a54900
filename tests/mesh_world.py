"""Builders of declared worlds, for tests of policy, ingress and what Envoy is told."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from spacecloud.model.addresses import Addresses, Allocation, Pools, next_subnet
from spacecloud.model.declared import Declarations, DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.service import Service

POOLS = Pools(IPv4Network("10.120.0.0/16"), 25, IPv4Network("10.121.0.0/16"))


def a_spec(*ports: int | str, **fields: Any) -> Service:
    """Ports are numbers for http and ``tcp:5432`` for tcp; 8080 where none is given."""
    return Service.model_validate(
        {
            "tasks": [
                {
                    "id": "main",
                    "docker": {"image": "example"},
                    "ports": [_port(port) for port in ports or (8080,)],
                }
            ],
            **fields,
        }
    )


def peers(*names: str) -> list[dict[str, str]]:
    """From ``shop/api`` and ``shop/*``."""
    return [{"projectId": n.split("/")[0], "service": n.split("/")[1]} for n in names]


def a_world(
    services: dict[str, Service | dict[str, Service] | None], pools: Pools = POOLS
) -> Declarations:
    """``project/service`` to its spec, its versions, or None for one on its way out."""
    found: dict[ServiceKey, DeclaredService] = {}
    allocations: dict[ServiceKey, Allocation] = {}
    blocks: dict[str, list[IPv4Network]] = {}
    taken: dict[str, set[IPv4Network]] = {}
    vip = pools.first_vip
    for name, given in services.items():
        key = ServiceKey.parse(name)
        foreign = [b for project, own in blocks.items() if project != key.project for b in own]
        own = blocks.setdefault(key.project, [])
        used = taken.setdefault(key.project, set())
        subnet, block = next_subnet(pools, own, foreign, used)
        used.add(subnet)
        own.extend([block] if block else [])
        own_vip, vip = IPv4Address(vip), vip + 1
        versions, vips = list[DeclaredVersion](), dict[str, IPv4Address]()
        specs = {"v1": given} if isinstance(given, Service) else given or {}
        for order, (version, spec) in enumerate(specs.items()):
            ref = ServiceRef(key.project, key.service, version)
            versions.append(DeclaredVersion(ref, spec, vip, order))
            vips[version], vip = IPv4Address(vip), vip + 1
        found[key] = DeclaredService(key, tuple(versions))
        allocations[key] = Allocation(subnet, own_vip, vips)
    given_out = {project: tuple(own) for project, own in blocks.items()}
    return Declarations(found, Addresses(allocations, given_out))


def _port(given: int | str) -> dict[str, Any]:
    if isinstance(given, int):
        return {"port": given}
    protocol, number = given.split(":")
    return {"port": int(number), "protocol": protocol}
