"""A platform as a person installs it: started by a command, kept by a supervisor."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx

from e2e.stage import Stage, left_behind
from spacecloud.settings import Settings


@contextlib.contextmanager
def installed(folder: Path, number: int, images: dict[str, str]) -> Iterator[Stage]:
    """Running, and taken away again whatever the test did to it."""
    stage = Stage(folder, number, images)
    stage.program("space-cloud", "destroy", "--yes", "--purge", check=True)
    start(stage)
    try:
        yield stage
    finally:
        stage.stop()
        stage.program("space-cloud", "destroy", "--yes", "--purge", check=True)
    assert not left(stage)


def start(stage: Stage) -> str:
    said = stage.program("space-cloud", "start", check=True).stdout
    stage.token = token(stage)
    return said


def token(stage: Stage) -> str:
    body = {"user": "admin", "key": (stage.state_dir / "admin-password").read_text().strip()}
    answer = httpx.post(f"{stage.url}/v1/config/login", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def run_dir(stage: Stage) -> Path:
    return stage.folder / "run" / stage.instance


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
    mark = f"SPACE_CLOUD_RUN={stage.folder}/run".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return [process for process in found if lives(process)]


def left(stage: Stage) -> list[str]:
    settings = Settings(instance=stage.instance)
    there = left_behind(stage.instance, settings.interface_prefix, settings.chain_prefix)
    return there + [f"process {process}" for process in processes(stage)]
