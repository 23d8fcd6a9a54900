"""
Where faults can be injected into the control plane, which, and what of it has come to pass.

A point is one effect on the world: an engine call, a store write, a push to Envoy, a change of
rules, a file of names. ``launcher.py`` passes them inside the control plane and writes down each;
the test arms faults from outside. Both sides share a folder, so that nothing is lost in a crash:

| file        | writer   | what                                                        |
|-------------|----------|-------------------------------------------------------------|
| ``passed``  | launcher | a point a line, before its effect: ``project<TAB>point``    |
| ``armed``   | test     | the faults that wait, as JSON                               |
| ``fired``   | launcher | id of each fault that was done, before it is done           |
| ``executed``| launcher | an operation of a plan a line, before it is carried out     |
| ``clock``   | test     | by how many seconds the control plane's clock is wrong      |
"""

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Fault = Literal["kill-before", "kill-after", "fail", "hang", "late"]
"""``hang``: no effect and no answer. ``late``: the effect, and no answer in time."""

FAULTS: tuple[Fault, ...] = ("kill-before", "kill-after", "fail", "hang", "late")
KILLS: tuple[Fault, ...] = ("kill-before", "kill-after")
HOST = ""
"""The project of what concerns no single project."""


@dataclass(frozen=True, slots=True)
class Point:
    """``ordinal``: the first, the second … of that name in its project."""

    name: str
    ordinal: int

    @property
    def kind(self) -> str:
        return self.name.split(" ", 1)[0]

    @property
    def operation(self) -> str:
        """Of ``workloads/operations.py``, or what else the control plane was at."""
        return self.name.split(" ", 2)[1]

    @property
    def reads(self) -> bool:
        """It changes nothing."""
        return self.kind == "engine" and self.name.split(" ", 2)[2].startswith("GET ")


@dataclass(frozen=True, slots=True)
class Armed:
    id: str
    project: str
    point: str
    ordinal: int
    fault: Fault
    offset: int = 0
    """Of ``passed``, in bytes: what came before does not count."""


class Board:
    """The folder, as the test sees it. Called from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._armed: dict[str, Armed] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("passed", "fired", "executed"):
            (folder / name).touch()
        self.arm(())

    @contextmanager
    def armed(self, fault: Armed) -> Iterator[None]:
        """Beside those that others have armed, for as long as the block goes on."""
        with self._lock:
            self._armed[fault.id] = fault
            self.arm(self._armed.values())
        try:
            yield
        finally:
            with self._lock:
                del self._armed[fault.id]
                self.arm(self._armed.values())

    def has_fired(self, fault: Armed) -> bool:
        return fault.id in self.fired()

    def arm(self, faults: Iterable[Armed]) -> None:
        temporary = self.folder / "armed.new"
        temporary.write_text(json.dumps([asdict(fault) for fault in faults]))
        temporary.replace(self.folder / "armed")

    def set_clock(self, seconds: float) -> None:
        """By how much the control plane's is wrong from now on."""
        temporary = self.folder / "clock.new"
        temporary.write_text(str(seconds))
        temporary.replace(self.folder / "clock")

    def now(self) -> int:
        return (self.folder / "passed").stat().st_size

    def fired(self) -> set[str]:
        return set((self.folder / "fired").read_text().split("\n"))

    def executed(self, project: str) -> set[str]:
        """Names of the operations of ``workloads/operations.py`` that were carried out."""
        lines = (line.split("\t") for line in (self.folder / "executed").read_text().splitlines())
        return {name for its, name in lines if its == project}

    def points(self, project: str, since: int = 0) -> list[Point]:
        """What was passed, in order."""
        counts: dict[str, int] = {}
        found = []
        for line in (self.folder / "passed").read_bytes()[since:].decode().splitlines():
            its, _, name = line.partition("\t")
            if its == project:
                counts[name] = counts.get(name, 0) + 1
                found.append(Point(name, counts[name]))
        return found


class Injector:
    """The folder, as the control plane sees it. Called from several threads."""

    def __init__(self, folder: Path) -> None:
        self._armed_file = folder / "armed"
        self._passed = os.open(folder / "passed", os.O_WRONLY | os.O_APPEND)
        self._fired = os.open(folder / "fired", os.O_WRONLY | os.O_APPEND)
        self._executed = os.open(folder / "executed", os.O_WRONLY | os.O_APPEND)
        self._fired_file, self._passed_file = folder / "fired", folder / "passed"
        self._lock = threading.Lock()
        self._stamp = (-1, -1)
        self._waiting: list[Armed] = []
        self._seen: dict[str, int] = {}

    def at(self, project: str, name: str) -> Fault | None:
        """What is to happen here; it is noted as done."""
        with self._lock:
            self._read()
            os.write(self._passed, f"{project}\t{name}\n".encode())
            for armed in self._waiting:
                if (armed.project, armed.point) != (project, name):
                    continue
                self._seen[armed.id] += 1
                if self._seen[armed.id] == armed.ordinal:
                    self._waiting.remove(armed)
                    os.write(self._fired, f"{armed.id}\n".encode())
                    return armed.fault
            return None

    def carries_out(self, project: str, operation: str) -> None:
        os.write(self._executed, f"{project}\t{operation}\n".encode())

    def _read(self) -> None:
        shown = self._armed_file.stat()
        # The number of a file that was replaced is given to the next one.
        stamp = (shown.st_ino, shown.st_mtime_ns)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        fired = set(self._fired_file.read_text().split("\n"))
        given = [Armed(**fields) for fields in json.loads(self._armed_file.read_text())]
        passed = self._passed_file.read_bytes()
        self._waiting = [armed for armed in given if armed.id not in fired]
        self._seen = {
            armed.id: passed[armed.offset :]
            .decode()
            .splitlines()
            .count(f"{armed.project}\t{armed.point}")
            for armed in self._waiting
        }


_ID = re.compile(r"^(sha256:)?[0-9a-f]{12,}$")


def engine_call(method: str, path: str, params: dict[str, str]) -> str:
    """``POST containers/create/task``: without names and ids, so that it can be met again."""
    parts = [_plain(part) for part in path.strip("/").split("/")]
    if parts[0] == "images" and parts[-1] == "json":
        parts[1:-1] = ["X"]
    if name := params.get("name", ""):
        parts.append(_plain(name))
    if "signal" in params:
        parts.append(params["signal"])
    return f"{method} {'/'.join(parts)}"


_WORDS = frozenset(
    {"containers", "networks", "images", "exec", "json", "create", "start", "stop", "kill"}
    | {
        "restart",
        "remove",
        "archive",
        "wait",
        "events",
        "version",
        "info",
        "logs",
        "pause",
        "unpause",
    }
    | {"load", "tag", "connect", "disconnect", "_ping"}
)


def _plain(part: str) -> str:
    if part in _WORDS:
        return part
    if _ID.match(part):
        return "ID"
    if part.endswith(("-gateway", "-resolver")):
        return part.rpartition("-")[2]
    if part.startswith("space-cloud-"):
        pieces = part.split("--")
        return {2: "network", 4: "sandbox", 5: "task"}.get(len(pieces), "part")
    return "X"
