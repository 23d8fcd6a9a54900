"""Who listens where in a task's namespace, as the kernel tells: for "why is it not ready"."""

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"
MOST_PORTS = 5
"""Of one task that are told."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def only_on_loopback(pid: int, port: int) -> bool:
    """Something listens on the port, and none of it beyond loopback. False where it is unknown."""
    addresses = list(listeners(pid, port))
    return bool(addresses) and all(address.is_loopback for address in addresses)


def reachable_ports(pid: int) -> tuple[int, ...]:
    """What listens beyond loopback, by number. Empty where it is unknown too."""
    found = {port for address, port in _listening(pid) if not address.is_loopback}
    return tuple(sorted(found)[:MOST_PORTS])


def listeners(pid: int, port: int) -> Iterator[Address]:
    return (address for address, number in _listening(pid) if number == port)


def _listening(pid: int) -> Iterator[tuple[Address, int]]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == LISTEN:
                yield _address(address), int(number, 16)


def _address(text: str) -> Address:
    """The kernel writes 32-bit words in the machine's own byte order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return ipaddress.IPv4Address(packed)
    address = ipaddress.IPv6Address(packed)
    return address.ipv4_mapped or address
