"""
What the kernel says of rules and routes without a program being started to ask it.

Looked at every few seconds for as long as the platform runs: a program costs ten times more.
"""

import socket
import struct
from contextlib import closing, suppress
from ipaddress import IPv4Network

from spacecloud.drivers.docker.netlink import (
    DUMP,
    NETFILTER,
    REQUEST,
    ask,
    attributes,
    open_netlink,
)

_GET_GENERATION = (10 << 8) | 16
_GENERATION = 1
_GET_ROUTE = 26
_DESTINATION = 1
_STRICT_ASKING = 270, 12
"""``SOL_NETLINK``, ``NETLINK_GET_STRICT_CHK``: only the routes asked for; since Linux 4.20."""

_MAIN_TABLE, _UNREACHABLE = 254, 7
_ROUTE = struct.Struct("=BBBBBBBBI")


def rules_generation() -> int | None:
    """
    Another number after every change of any rule that nftables holds; None where it has none.

    https://docs.kernel.org/networking/netlink_spec/nftables.html#getgen
    """
    try:
        with closing(open_netlink(NETFILTER)) as handle:
            for answer in ask(handle, _GET_GENERATION, REQUEST, struct.pack("!BBH", 0, 0, 0)):
                return int.from_bytes(dict(attributes(answer[4:]))[_GENERATION], "big")
    except (OSError, KeyError):
        pass
    return None


def unreachable_route(destination: IPv4Network) -> int | None:
    """Who made the route that makes it unreachable: its protocol. None: there is none."""
    question = _ROUTE.pack(socket.AF_INET, 0, 0, 0, _MAIN_TABLE, 0, 0, _UNREACHABLE, 0)
    with closing(open_netlink(socket.NETLINK_ROUTE)) as handle:
        with suppress(OSError):
            handle.setsockopt(*_STRICT_ASKING, 1)
        for answer in ask(handle, _GET_ROUTE, REQUEST | DUMP, question):
            _, length, _, _, table, protocol, _, kind, _ = _ROUTE.unpack_from(answer)
            address = dict(attributes(answer[_ROUTE.size :])).get(_DESTINATION, bytes(4))
            network = IPv4Network((address, length))
            if (table, kind, network) == (_MAIN_TABLE, _UNREACHABLE, destination):
                return int(protocol)
    return None
