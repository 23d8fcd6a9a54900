"""
The kernel's freezer of one container's cgroup: what it says, and what it is told.

Needs the machine's cgroups; where they are not there, nothing is known.

| | v1 | v2 |
|---|---|---|
| file | ``/sys/fs/cgroup/freezer/…/freezer.state`` | ``/sys/fs/cgroup/…/cgroup.freeze`` |
| frozen, running | ``FROZEN`` (before: ``FREEZING``), ``THAWED`` | ``1``, ``0`` |
| all of it is frozen | ``FROZEN`` | ``frozen 1`` in ``cgroup.events`` |

https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html
https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spacecloud.drivers.docker.pods.cgroups import CGROUPS, paths
from spacecloud.drivers.docker.proc_net import PROC

V1, V2 = ("THAWED", "FROZEN"), ("0", "1")
V1_FILE = "freezer.state"

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

    def is_whole(self) -> bool:
        """
        Is every process of it frozen? Some may be on their way for a moment, and one that the
        kernel cannot interrupt for longer.
        """
        file = self._file()
        try:
            if file is None:
                return False
            if file.name == V1_FILE:
                return file.read_text("ascii").strip() == V1[1]
            return "frozen 1" in (file.parent / "cgroup.events").read_text("ascii").splitlines()
        except OSError:
            return False

    def freeze(self) -> bool:
        """Begins; False where that is not possible."""
        return self._write(1)

    def thaw(self) -> bool:
        return self._write(0)

    def _write(self, value: int) -> bool:
        file = self._file()
        if file is None:
            return False
        try:
            file.write_text((V1 if file.name == V1_FILE else V2)[value], "ascii")
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
            return self.cgroups / "freezer" / found["freezer"] / V1_FILE
        return self.cgroups / found[""] / "cgroup.freeze" if "" in found else None
