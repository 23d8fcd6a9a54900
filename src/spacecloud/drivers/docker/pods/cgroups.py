"""
What containers use, read from their cgroups: some small files, and no call of the engine.

| | v1: ``/sys/fs/cgroup/<controller>`` | v2: ``/sys/fs/cgroup`` |
|---|---|---|
| CPU time | ``cpuacct.usage``, in ns | ``cpu.stat``: ``usage_usec`` |
| memory | ``memory.usage_in_bytes`` | ``memory.current`` |
| less files not read lately | ``memory.stat``: ``total_inactive_file`` | ``inactive_file`` |

https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spacecloud.drivers.docker.proc_net import PROC
from spacecloud.model.load import MachineMemory, Usage

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Process:
    """The first one of a container that runs."""

    replica: str
    container: str
    """Its id, which its cgroup is named by."""

    pid: int


def usage(
    processes: Iterable[Process], cgroups: Path = CGROUPS, proc: Path = PROC
) -> Mapping[str, Usage]:
    """By replica, all its containers together; nothing of one that has ended meanwhile."""
    found: dict[str, Usage] = {}
    for process in processes:
        used = _usage(process, cgroups, proc)
        if used is not None:
            before = found.get(process.replica, Usage(0.0, 0))
            found[process.replica] = Usage(
                before.cpu_seconds + used.cpu_seconds, before.memory_bytes + used.memory_bytes
            )
    return found


def is_v2(cgroups: Path = CGROUPS) -> bool:
    """All of it: a host with both has its controllers in v1."""
    return (cgroups / "cgroup.controllers").exists()


def machine_memory(proc: Path = PROC) -> MachineMemory:
    """All 0 where nobody says."""
    try:
        kibibytes = _fields((proc / "meminfo").read_text("ascii").replace(":", ""))
        return MachineMemory(kibibytes["MemTotal"] << 10, kibibytes["MemAvailable"] << 10)
    except (OSError, LookupError, ValueError):
        return MachineMemory(0, 0)


def _usage(process: Process, cgroups: Path, proc: Path) -> Usage | None:
    try:
        its = paths((proc / str(process.pid) / "cgroup").read_text(), process.container)
        cpu, memory = its.get("cpuacct"), its.get("memory")
        whole = cgroups / its[""] if "" in its else None
        return Usage(
            _cpu_v1(cgroups / "cpuacct" / cpu) if cpu else _cpu_v2(whole),
            _memory_v1(cgroups / "memory" / memory) if memory else _memory_v2(whole),
        )
    except (OSError, LookupError, ValueError):
        # It has ended; or its number is another process' now.
        return None


def paths(text: str, container: str) -> Mapping[str, str]:
    """
    Controller to the path of the container's cgroup, without the first ``/``; v2's is ``""``.

    Its first process may be in one of its own below that. Nothing where the process is another's.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        parts = path.strip("/").split("/")
        ends = [at for at, part in enumerate(parts, 1) if container in part]
        if ends:
            found |= dict.fromkeys(controllers.split(","), "/".join(parts[: ends[0]]))
    return found


def _cpu_v1(folder: Path) -> float:
    return int(_text(folder, "cpuacct.usage")) / 1e9


def _cpu_v2(folder: Path | None) -> float:
    return _fields(_text(folder, "cpu.stat"))["usage_usec"] / 1e6


def _memory_v1(folder: Path) -> int:
    inactive = _fields(_text(folder, "memory.stat"))["total_inactive_file"]
    return max(0, int(_text(folder, "memory.usage_in_bytes")) - inactive)


def _memory_v2(folder: Path | None) -> int:
    inactive = _fields(_text(folder, "memory.stat"))["inactive_file"]
    return max(0, int(_text(folder, "memory.current")) - inactive)


def _text(folder: Path | None, name: str) -> str:
    if folder is None:
        raise LookupError(name)
    return (folder / name).read_text("ascii")


def _fields(text: str) -> Mapping[str, int]:
    """Of a file with a name and a number in each line."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1}
