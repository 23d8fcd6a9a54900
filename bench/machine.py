"""What the kernel says of processes: CPU used, size, and the cores where they may run."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

FIRST = -20
"""The nice value of what is measured."""

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far, with that of children that have ended."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def machine_seconds() -> float:
    """Busy time of all cores so far."""
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / TICKS


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for at in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{at}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """All threads that there are; new ones inherit it."""
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)


def prefer(pids: Iterable[int]) -> None:
    """All threads that there are run before those of other work; new ones inherit it."""
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(thread.name), FIRST)


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
