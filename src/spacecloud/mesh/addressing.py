"""Which source addresses the callers of a service have, and whose an address is."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from spacecloud.mesh.authorization import Callers
from spacecloud.mesh.index import changed
from spacecloud.model.addresses import Addresses
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import Caller, SourceRanges


class Addressing:
    """
    Everything allocated, ready to be asked.

    ``former``: of an earlier moment. What has not changed since is taken over from it.
    """

    def __init__(self, addresses: Addresses, former: "Addressing | None" = None) -> None:
        self.addresses = addresses
        self._by_subnet: dict[tuple[int, int], ServiceKey] = {}
        """By first address and length of prefix; of services on their way out, too."""

        self._callers: dict[ServiceKey, Caller] = {}
        self._blocks: dict[str, tuple[str, ...]] = {}
        if former is not None:
            self._by_subnet = former._by_subnet.copy()
            self._callers = former._callers.copy()
        self._follow(former.addresses if former is not None else Addresses())
        self._prefixes = sorted({prefix for _, prefix in self._by_subnet})

    def _follow(self, earlier: Addresses) -> None:
        was, now = earlier.services, self.addresses.services
        differing = changed(was, now)
        for key in differing & was.keys():
            self._by_subnet.pop(_place(was[key].subnet), None)
            self._callers.pop(key, None)
        for key in differing & now.keys():
            self._by_subnet[_place(now[key].subnet)] = key

    def ranges(self, callers: Callers) -> SourceRanges:
        """Where calls of these come from."""
        blocks = (block for project in callers.projects for block in self._blocks_of(project))
        return SourceRanges(
            named=tuple(map(self._caller, callers.named)),
            blocks=tuple(sorted(blocks)),
            except_=tuple(map(self._caller, callers.except_)),
        )

    def at(self, address: str) -> ServiceKey | None:
        """Whose replica has this address; None where no service has it."""
        number = int(IPv4Address(address))
        for prefix in self._prefixes:
            key = self._by_subnet.get((number >> (32 - prefix) << (32 - prefix), prefix))
            if key is not None:
                return key
        return None

    def _caller(self, key: ServiceKey) -> Caller:
        known = self._callers.get(key)
        if known is None:
            subnet = self.addresses.services[key].subnet
            known = self._callers[key] = Caller(str(key), str(subnet))
        return known

    def _blocks_of(self, project: str) -> tuple[str, ...]:
        known = self._blocks.get(project)
        if known is None:
            known = self._blocks[project] = self.addresses.cidrs(project)
        return known


class SourceMatcher:
    """Source ranges, ready to be asked."""

    def __init__(self, ranges: SourceRanges) -> None:
        self._named = _networks(caller.subnet for caller in ranges.named)
        self._except = _networks(caller.subnet for caller in ranges.except_)
        self._blocks = _networks(ranges.blocks)

    def allowed(self, address: str) -> bool:
        """By the table of ``SourceRanges``."""
        number = int(IPv4Address(address))
        if _holds(self._named, number):
            return True
        return not _holds(self._except, number) and _holds(self._blocks, number)


Networks = dict[int, set[int]]
"""Number of host bits to the networks of that size."""


def _networks(cidrs: Iterable[str]) -> Networks:
    networks: Networks = {}
    for cidr in cidrs:
        network = IPv4Network(cidr)
        networks.setdefault(32 - network.prefixlen, set()).add(
            int(network.network_address) >> (32 - network.prefixlen)
        )
    return networks


def _holds(networks: Networks, number: int) -> bool:
    return any(number >> bits in of_length for bits, of_length in networks.items())


def _place(subnet: IPv4Network) -> tuple[int, int]:
    return int(subnet.network_address), subnet.prefixlen
