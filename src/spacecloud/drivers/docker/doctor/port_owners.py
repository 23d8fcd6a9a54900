"""Which processes hold a port, from the kernel's own tables: a name helps more than a number."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_LISTEN, _BOUND = "0A", "07"
"""States of a TCP socket that listens, and of a UDP socket that is not connected."""


@dataclass(frozen=True, slots=True)
class Owner:
    id: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.id})"


def owners_of(port: int, kind: socket.SocketKind) -> tuple[Owner, ...]:
    """Empty where it cannot be told, as for another user's process without root."""
    links = set(_socket_links(port, kind))
    if not links:
        return ()
    found = []
    for process in sorted(PROC.iterdir()):
        if process.name.isdigit() and not links.isdisjoint(_open_files(process)):
            try:
                found.append(Owner(int(process.name), (process / "comm").read_text().strip()))
            except OSError:
                continue
    return tuple(found)


def _socket_links(port: int, kind: socket.SocketKind) -> Iterable[str]:
    protocol, state = ("tcp", _LISTEN) if kind == socket.SOCK_STREAM else ("udp", _BOUND)
    for table in (protocol, f"{protocol}6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{fields[9]}]"


def _open_files(process: Path) -> Iterable[str]:
    try:
        entries = list((process / "fd").iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            yield str(entry.readlink())
        except OSError:
            continue
