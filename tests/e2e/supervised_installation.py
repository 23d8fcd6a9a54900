"""A platform as a person installs it: started by a command, kept by a supervisor."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from e2e.installation import Installation
from e2e.stage import Stage


@contextlib.contextmanager
def installed(folder: Path, number: int, images: dict[str, str]) -> Iterator[Stage]:
    """Running, and taken away again whatever the test did to it."""
    stage = Stage(Installation(folder, number), images)
    destroy(stage)
    start(stage)
    try:
        yield stage
    finally:
        stage.installation.stop()
        destroy(stage)
    assert not left(stage)


def start(stage: Stage) -> str:
    """What the command prints."""
    printed = stage.installation.program("space-cloud", "start", check=True).stdout
    stage.user.log_in()
    return printed


def destroy(stage: Stage) -> None:
    stage.installation.program("space-cloud", "destroy", "--yes", "--purge", check=True)


def run_dir(stage: Stage) -> Path:
    return stage.installation.run_dir


def control_plane(stage: Stage) -> int:
    return int((run_dir(stage) / "serve.lock").read_text().split()[0])


def supervisor(stage: Stage) -> int:
    return int((run_dir(stage) / "supervisor.lock").read_text().split()[0])


def lives(process: int) -> bool:
    """A zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes(stage: Stage) -> list[int]:
    """Of this installation, told by the environment they were started with."""
    mark = f"SPACE_CLOUD_RUN={stage.installation.folder}/run".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return [process for process in found if lives(process)]


def left(stage: Stage) -> list[str]:
    return stage.machine.left_behind() + [f"process {process}" for process in processes(stage)]
