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

from spacecloud.drivers.docker.proc_net import PROC

CGROUPS = Path("/sys/fs/cgroup")
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
            lines = (self.proc / str(self.pid) / "cgroup").read_text().splitlines()
        except OSError:
            return None
        found = [line.split(":", 2) for line in lines if self.container in line]
        v1 = [path for _, controllers, path in found if "freezer" in controllers.split(",")]
        v2 = [path for _, controllers, path in found if not controllers]
        if v1:
            return self.cgroups / "freezer" / self._own(v1[0]) / "freezer.state"
        return self.cgroups / self._own(v2[0]) / "cgroup.freeze" if v2 else None

    def _own(self, path: str) -> str:
        """The container's: its first process may be in one below that."""
        parts = path.strip("/").split("/")
        end = next(n for n, part in enumerate(parts, 1) if self.container in part)
        return "/".join(parts[:end])
