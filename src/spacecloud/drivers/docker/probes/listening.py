"""Who listens where in a task's namespace, as the kernel tells: for "why is it not ready"."""

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"


def only_on_loopback(pid: int, port: int) -> bool:
    """Something listens on the port, and none of it beyond loopback. False where it is unknown."""
    addresses = list(listeners(pid, port))
    return bool(addresses) and all(address.is_loopback for address in addresses)


def listeners(pid: int, port: int) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == LISTEN and int(number, 16) == port:
                yield _address(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel writes 32-bit words in the machine's own byte order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return ipaddress.IPv4Address(packed)
    address = ipaddress.IPv6Address(packed)
    return address.ipv4_mapped or address
