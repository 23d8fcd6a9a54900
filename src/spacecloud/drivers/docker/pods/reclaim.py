"""
Give back the memory of frozen containers to the machine: what they had goes to swap.

By ``memory.reclaim`` of cgroup v2 (Linux 5.19), bit by bit: a write ends when its bit is out, and
one that is thawed meanwhile keeps the rest. Where that cannot be, nothing is done.

https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spacecloud.drivers.docker.pods.cgroups import CGROUPS, is_v2, paths
from spacecloud.drivers.docker.pods.freezer import Freezer
from spacecloud.drivers.docker.proc_net import PROC

BIT_BYTES = 16 << 20
"""At once: so much may still be on its way to swap when a wake comes."""


def why_not(cgroups: Path = CGROUPS, proc: Path = PROC) -> str:
    """Why this machine cannot; empty: it can."""
    if not is_v2(cgroups):
        return "the host has cgroup v1, and memory.reclaim is of v2"
    if not (cgroups / "memory.reclaim").exists():
        return "the kernel has no memory.reclaim: it is older than Linux 5.19"
    if not _has_swap(proc):
        return "the host has no swap: there is nowhere to put it; zram would do"
    return ""


def _has_swap(proc: Path) -> bool:
    try:
        lines = (proc / "meminfo").read_text("ascii").splitlines()
    except OSError:
        return False
    return any(line.startswith("SwapTotal:") and int(line.split()[1]) > 0 for line in lines)


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Of one container that is frozen. Blocks while the kernel writes."""

    container: str
    pid: int
    """Of its first process."""

    cgroups: Path = CGROUPS
    proc: Path = PROC
    write: Callable[[Path, int], None] = lambda file, amount: _write(file, amount)

    def run(self) -> int:
        """Bytes that were asked for and given; it ends where the kernel gives no more."""
        folder = self._folder()
        freezer = Freezer(self.container, self.pid, self.cgroups, self.proc)
        given = 0
        try:
            left = int((folder / "memory.current").read_text("ascii")) if folder else 0
            while folder is not None and left > 0 and freezer.state() == "frozen":
                bit = min(left, BIT_BYTES)
                self.write(folder / "memory.reclaim", bit)
                given, left = given + bit, left - bit
        except (OSError, ValueError):
            # EAGAIN: the rest is in use or locked. Or it has ended.
            pass
        return given

    def _folder(self) -> Path | None:
        """None on v1, and where the process is another's by now."""
        try:
            found = paths((self.proc / str(self.pid) / "cgroup").read_text(), self.container)
        except (OSError, ValueError):
            return None
        return self.cgroups / found[""] if "" in found else None


class Reclaims:
    """One after the other, in a thread of their own: the kernel may take minutes for each."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "reclaim")

    async def run(self, reclaim: Reclaim) -> int:
        return await asyncio.get_running_loop().run_in_executor(self._thread, reclaim.run)

    def close(self) -> None:
        """What has not begun is left out."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _write(file: Path, amount: int) -> None:
    """Only where it is: a file that is made here would be no kernel's."""
    with file.open("r+", encoding="ascii") as opened:
        opened.write(str(amount))
