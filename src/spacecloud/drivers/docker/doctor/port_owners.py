"""Which processes hold a port, from the kernel's own tables: a name helps more than a number."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spacecloud.drivers.docker.proc_net import PROC, bound_sockets


@dataclass(frozen=True, slots=True)
class Owner:
    id: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.id})"


def owners_of(port: int, kind: socket.SocketKind) -> tuple[Owner, ...]:
    """Empty where it cannot be told, as for another user's process without root."""
    links = {f"socket:[{bound.inode}]" for bound in bound_sockets(port, kind)}
    if not links:
        return ()
    owners = []
    for process in sorted(PROC.iterdir()):
        if process.name.isdigit() and not links.isdisjoint(_open_files(process)):
            try:
                owners.append(Owner(int(process.name), (process / "comm").read_text().strip()))
            except OSError:
                continue
    return tuple(owners)


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
