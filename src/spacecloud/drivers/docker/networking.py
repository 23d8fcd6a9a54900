"""
What an installation has of the machine's network: pools, ports, names in the kernel. Pure.

One value, made of the settings once, for whoever writes rules, routes, bridges and listeners.
"""

import hashlib
from dataclasses import dataclass

from spacecloud.model.addresses import Pools


@dataclass(frozen=True, slots=True)
class Networking:
    instance: str
    pools: Pools
    http_port: int
    """Ingress, public."""

    mesh_port: int
    """Where NAT brings calls to virtual IPs."""

    dns_port: int
    """Where NAT brings the pods' DNS."""

    metrics_port: int = 0
    """On loopback alone; 0: nowhere."""

    upstream_dns: tuple[str, ...] = ()
    """Resolvers for outside names; empty: the host's own."""

    @property
    def interface_prefix(self) -> str:
        """Of our bridges: at most 15 characters with the hash that follows."""
        return f"sc{self._digest.hex()[:3]}-"

    @property
    def chain_prefix(self) -> str:
        """Of our iptables chains, at most 28 characters with what follows."""
        return f"SC-{self._digest.hex()[:6]}"

    @property
    def route_protocol(self) -> int:
        """The mark of our routes: a number that no routing daemon has, of the instance's own."""
        return 210 + self._digest[0] % 40

    @property
    def _digest(self) -> bytes:
        return hashlib.sha256(self.instance.encode()).digest()
