"""
Which addresses belong to whom.

A service has a subnet (its identity) and virtual IPs (what callers dial). Subnets of one
project come from *blocks*: aligned runs that belong to the project alone, so that "all of
project shop" is a handful of CIDRs and not one per service. Each further block of a project
is twice as large as its last, which keeps that handful small.
"""

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from spacecloud.errors import Conflict
from spacecloud.model.refs import ServiceKey

FIRST_BLOCK = 16
"""Subnets in a project's first block."""


@dataclass(frozen=True, slots=True)
class Pools:
    subnets: IPv4Network = IPv4Network("10.180.0.0/14")
    """Service networks are cut from it."""

    subnet_prefix: int = 25
    """Length of one service's subnet: 25 holds 125 replicas."""

    vips: IPv4Network = IPv4Network("10.184.0.0/16")
    """Virtual IPs. The first addresses are the platform's own."""

    @property
    def dns_vip(self) -> IPv4Address:
        """What pods have as their nameserver."""
        return self.vips[10]

    @property
    def host_vip(self) -> IPv4Address:
        """The host, for projects with ``egress``."""
        return self.vips[11]

    @property
    def platform_vip(self) -> IPv4Address:
        """What replicas ask of the platform itself."""
        return self.vips[12]

    @property
    def first_vip(self) -> int:
        return int(self.vips[256])


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one service holds from its creation to its deletion."""

    subnet: IPv4Network
    vip: IPv4Address
    """Of its own domain."""

    versions: Mapping[str, IPv4Address] = field(default_factory=dict)
    """Version to the virtual IP of the version's domain."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """All that is given out. Empty where the platform gives addresses by itself."""

    services: Mapping[ServiceKey, Allocation] = field(default_factory=dict)
    """Of every declared service, those on their way out included."""

    blocks: Mapping[str, tuple[IPv4Network, ...]] = field(default_factory=dict)
    """Project to its blocks of subnets."""

    def cidrs(self, project: str) -> tuple[str, ...]:
        """The project's blocks as text."""
        return tuple(map(str, self.blocks.get(project, ())))


@dataclass(frozen=True, slots=True)
class GivenOut:
    """What is given out already, as far as the next allocation depends on it."""

    service: Allocation | None
    """The service's own; None for a new one."""

    blocks: Collection[IPv4Network]
    """The project's."""

    foreign: Iterable[IPv4Network]
    """All other projects'."""

    subnets: Container[IPv4Network]
    """Of the project's services."""

    vips: Container[IPv4Address]
    """Everybody's."""

    last_vip: IPv4Address | None
    """The one that was given last."""

    lowest_subnet: int = 0
    """Below this address the project's blocks are full."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a new version gets."""

    service: Allocation
    """What the service held already, or its first; the version's virtual IP with it."""

    vip: IPv4Address
    """The version's."""

    block: IPv4Network | None = None
    """A new one for the project."""


class PoolAllocator:
    """Fulfils ``store.port.Allocator`` from pools of addresses."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    def allocate(self, version: str, held: GivenOut) -> Grant:
        if held.service is not None:
            vip = next_vip(self._pools, held.last_vip, held.vips)
            versions = {**held.service.versions, version: vip}
            return Grant(replace(held.service, versions=versions), vip)
        subnet, block = next_subnet(
            self._pools, held.blocks, held.foreign, held.subnets, held.lowest_subnet
        )
        own = next_vip(self._pools, held.last_vip, held.vips)
        vip = next_vip(self._pools, own, _And(own, held.vips))
        return Grant(Allocation(subnet, own, {version: vip}), vip, block)


@dataclass(frozen=True, slots=True)
class _And:
    one: IPv4Address
    others: Container[IPv4Address]

    def __contains__(self, vip: object) -> bool:
        return vip == self.one or vip in self.others


def next_subnet(
    pools: Pools,
    blocks: Collection[IPv4Network],
    foreign: Iterable[IPv4Network],
    taken: Container[IPv4Network],
    lowest: int = 0,
) -> tuple[IPv4Network, IPv4Network | None]:
    """
    The first free subnet for a project, and the new block where it needed one.

    ``blocks`` are the project's, ``foreign`` all other projects', ``taken`` every subnet in
    use; none below ``lowest`` is free. Raises ``Conflict`` when the pool is used up.
    """
    for block in sorted(blocks):
        first, end = _bounds(block)
        for start in range(max(first, lowest), end, 1 << (32 - pools.subnet_prefix)):
            subnet = IPv4Network((start, pools.subnet_prefix))
            if subnet not in taken:
                return subnet, None
    block = _next_block(pools, blocks, foreign)
    return IPv4Network((int(block.network_address), pools.subnet_prefix)), block


def _next_block(
    pools: Pools, blocks: Collection[IPv4Network], foreign: Iterable[IPv4Network]
) -> IPv4Network:
    one = 1 << (32 - pools.subnet_prefix)
    wanted = max((block.num_addresses * 2 for block in blocks), default=FIRST_BLOCK * one)
    wanted = min(wanted, pools.subnets.num_addresses)
    used = sorted(_bounds(block) for block in (*blocks, *foreign))
    while wanted >= one:
        start = _first_gap(_bounds(pools.subnets), wanted, used)
        if start is not None:
            return IPv4Network((start, 33 - wanted.bit_length()))
        wanted //= 2
    raise Conflict(
        f"the address pool {pools.subnets} is used up: delete services, or configure a larger pool"
    )


def _bounds(network: IPv4Network) -> tuple[int, int]:
    """Its first address, and the first one after it."""
    start = int(network.network_address)
    return start, start + network.num_addresses


def _first_gap(pool: tuple[int, int], wanted: int, used: Iterable[tuple[int, int]]) -> int | None:
    """The first multiple of ``wanted`` with so many free addresses. ``used`` is sorted."""
    candidate, end = pool
    for start, after in used:
        if candidate + wanted <= start:
            break
        candidate = max(candidate, -(-after // wanted) * wanted)
    return candidate if candidate + wanted <= end else None


def next_vip(pools: Pools, last: IPv4Address | None, taken: Container[IPv4Address]) -> IPv4Address:
    """The next free virtual IP after ``last``, round the pool: an old one is not soon reused."""
    first, end = pools.first_vip, int(pools.vips.broadcast_address)
    start = first if last is None or not first <= int(last) < end else int(last) + 1
    for candidate in _round(start, first, end):
        if IPv4Address(candidate) not in taken:
            return IPv4Address(candidate)
    raise Conflict(
        f"the pool of virtual IPs {pools.vips} is used up: delete services, or configure a larger"
    )


def _round(start: int, first: int, end: int) -> Iterable[int]:
    yield from range(start, end)
    yield from range(first, start)


def free_address(subnet: IPv4Network, taken: Collection[str]) -> str | None:
    """The lowest address of a subnet that no replica has; None when it is full."""
    hosts = iter(subnet.hosts())
    next(hosts)
    return next((str(address) for address in hosts if str(address) not in taken), None)


def room_of(subnet: IPv4Network) -> int:
    """How many replicas a subnet holds: not its own address, the gateway's and the broadcast."""
    return subnet.num_addresses - 3
