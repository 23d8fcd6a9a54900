"""Who holds a connection to what, as the kernel lists it: sockets, and what was dialled."""

from collections import Counter
from collections.abc import Iterable, Mapping

from spacecloud.drivers.docker import netlink
from spacecloud.drivers.docker.netlink import Connection, OpenNetlink
from spacecloud.errors import Transient
from spacecloud.model.load import OpenConnection
from spacecloud.reasons.platform import HostFailed

Peer = tuple[str, int]
Dialled = tuple[str, int]
"""Virtual IP and port."""


def count(mesh_port: int, open_netlink: OpenNetlink) -> Mapping[OpenConnection, int]:
    """
    Of those that calls between services hold open at the gateway, used or not.

    Blocks while the kernel lists them. Raises ``Transient`` where it cannot.
    """
    try:
        with open_netlink(netlink.SOCK_DIAG) as diagnosis:
            live = netlink.connections(diagnosis, mesh_port)
        found = dialled(live, mesh_port, open_netlink)
    except OSError as error:
        raise Transient(HostFailed("list live connections", str(error))) from error
    callees = ((one.peer, found.get((one.peer, one.peer_port))) for one in live)
    return Counter((peer, *callee) for peer, callee in callees if callee is not None)


def dialled(
    live: Iterable[Connection], mesh_port: int, open_netlink: OpenNetlink
) -> Mapping[Peer, Dialled]:
    """What each of them had called before it was redirected; raises ``OSError``."""
    if not live:
        return {}
    with open_netlink(netlink.NETFILTER) as tracking:
        return netlink.dialled(tracking, mesh_port)
