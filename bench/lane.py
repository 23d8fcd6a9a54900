"""
Runs of the bench side by side on one machine: each has a name, ports and networks of its own.

A lane is held by a lock on a file for as long as the process lives. One that was killed leaves it
free, and the next run that takes it removes what is left there.
"""

import fcntl
import functools
import os
from dataclasses import dataclass
from pathlib import Path

LANES = 4
FOLDER = Path("/tmp")
"""Not the one of TMPDIR: all runs have to meet."""


class NoLane(Exception):
    """As many runs as there are lanes are on this machine already."""


@dataclass(frozen=True, slots=True)
class Lane:
    number: int

    @property
    def name(self) -> str:
        """Of the installation, and in what the bare scripts make."""
        return f"bench{self.number}"

    @property
    def label(self) -> str:
        """Of all that the bare scripts make."""
        return f"space-cloud.{self.name}"

    @property
    def http_port(self) -> int:
        """The first of four."""
        return 24901 + 10 * self.number

    @property
    def subnet_pool(self) -> str:
        return f"10.{self._octet + 2}.0.0/16"

    @property
    def vip_pool(self) -> str:
        return f"10.{self._octet + 1}.0.0/16"

    def bare(self, network: int, host: int) -> str:
        """An address in one of the networks that the bare scripts make."""
        return f"10.{self._octet}.{network}.{host}"

    def bare_subnet(self, network: int) -> str:
        return f"10.{self._octet}.{network}.0/24"

    def resource(self, what: object) -> str:
        """What a container or a network of the bare scripts is called."""
        return f"space-cloud-{self.name}-{what}"

    @property
    def _octet(self) -> int:
        return 240 + 3 * self.number


@functools.cache
def lane() -> Lane:
    """This process's. ``NoLane`` when all are taken."""
    for number in range(LANES):
        held = os.open(
            FOLDER / f"space-cloud-bench-lane-{number}",
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
            0o666,
        )
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
        else:
            return Lane(number)
    raise NoLane(f"{LANES} runs of the bench are on this machine already")
