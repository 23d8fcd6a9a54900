"""
Sockets as the kernel lists them in ``/proc/<pid>/net``: ``tcp``, ``tcp6``, ``udp`` and ``udp6``.

https://docs.kernel.org/networking/proc_net_tcp.html
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

PROC = Path("/proc")

_LISTEN, _CLOSE = "0A", "07"
"""``TCP_LISTEN``; ``TCP_CLOSE``, which is what a UDP socket says that is not connected."""

_INODE = 9


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """One that takes whatever comes to its port."""

    address: IPv4Address | IPv6Address
    port: int
    inode: int


def bound_sockets(
    port: int | None, kind: socket.SocketKind, process: str = "self"
) -> Iterator[BoundSocket]:
    """In that process' network namespace, of any port for None. None of a table without access."""
    protocol, state = ("tcp", _LISTEN) if kind == socket.SOCK_STREAM else ("udp", _CLOSE)
    for table in (protocol, f"{protocol}6"):
        try:
            text = (PROC / process / "net" / table).read_text("ascii")
        except OSError:
            continue
        yield from (found for found in read_table(text, state) if port in (None, found.port))


def read_table(text: str, state: str) -> Iterator[BoundSocket]:
    """The sockets of one state."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if fields[3] == state:
            address, _, port = fields[1].partition(":")
            yield BoundSocket(_address(address), int(port, 16), int(fields[_INODE]))


def _address(text: str) -> IPv4Address | IPv6Address:
    """The kernel writes 32-bit words in the machine's own byte order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address
