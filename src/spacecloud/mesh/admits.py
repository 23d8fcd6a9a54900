"""Whether an admission lets an address in: its truth table as a function."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from spacecloud.model.traffic import Admission


class Admits:
    def __init__(self, admission: Admission) -> None:
        self._callers = _networks(caller.subnet for caller in admission.callers)
        self._refused = _networks(caller.subnet for caller in admission.refused)
        self._blocks = _networks(admission.blocks)

    def __call__(self, address: str) -> bool:
        """
        | source address in   | outcome |
        |---------------------|---------|
        | a caller's subnet   | let in  |
        | a refused one's     | refused |
        | a block             | let in  |
        | anything else       | refused |
        """
        number = int(IPv4Address(address))
        if _holds(self._callers, number):
            return True
        return not _holds(self._refused, number) and _holds(self._blocks, number)


Networks = dict[int, set[int]]
"""Number of host bits to the networks of that size."""


def _networks(cidrs: Iterable[str]) -> Networks:
    found: Networks = {}
    for cidr in cidrs:
        network = IPv4Network(cidr)
        found.setdefault(32 - network.prefixlen, set()).add(
            int(network.network_address) >> (32 - network.prefixlen)
        )
    return found


def _holds(networks: Networks, number: int) -> bool:
    return any(number >> bits in of_length for bits, of_length in networks.items())
