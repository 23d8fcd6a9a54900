"""
Whether a container is frozen, as the kernel has it.

The engine's own flag may be wrong for as long as the container runs: it is set by the call, and
again by containerd's event of it, which may come after the next call. Then ``/unpause`` says that
it is not paused, and it is (ADR 42). Needs the machine's cgroups; where they are not there, nothing
is known.

| | v1 | v2 |
|---|---|---|
| file | ``/sys/fs/cgroup/freezer/…/freezer.state`` | ``/sys/fs/cgroup/…/cgroup.freeze`` |
| frozen, running | ``FROZEN`` (before: ``FREEZING``), ``THAWED`` | ``1``, ``0`` |

https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spacecloud.drivers.docker.pods.cgroups import CGROUPS, paths
from spacecloud.drivers.docker.proc_net import PROC

V1, V2 = ("THAWED", "FROZEN"), ("0", "1")

State = Literal["running", "frozen", "unknown"]


@dataclass(frozen=True, slots=True)
class Freezer:
    """Of one container that runs. One that has ended meanwhile is ``unknown``."""

    container: str
    """Its id, which its cgroup is named by."""

    pid: int
    """Of its first process."""

    cgroups: Path = CGROUPS
    proc: Path = PROC

    def state(self) -> State:
        file = self._file()
        try:
            text = file.read_text("ascii").strip() if file is not None else ""
        except OSError:
            return "unknown"
        if not text:
            return "unknown"
        return "running" if text in (V1[0], V2[0]) else "frozen"

    def freeze(self) -> bool:
        """False where that is not possible."""
        return self._write(1)

    def thaw(self) -> bool:
        return self._write(0)

    def _write(self, value: int) -> bool:
        file = self._file()
        if file is None:
            return False
        try:
            file.write_text((V1 if file.name == "freezer.state" else V2)[value], "ascii")
        except OSError:
            return False
        return True

    def _file(self) -> Path | None:
        """None where there is none, or the process is another's by now."""
        try:
            found = paths((self.proc / str(self.pid) / "cgroup").read_text(), self.container)
        except (OSError, ValueError):
            return None
        if "freezer" in found:
            return self.cgroups / "freezer" / found["freezer"] / "freezer.state"
        return self.cgroups / found[""] / "cgroup.freeze" if "" in found else None
