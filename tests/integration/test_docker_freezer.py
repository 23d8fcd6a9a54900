"""The kernel's own freezer of cgroup v2, on whichever version the engine of this machine uses."""

import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import wait_until
from spacecloud.drivers.docker.pods.freezer import Freezer

COMMAND_SECONDS = 10


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Freezer]]:
    """One that counts, in a cgroup as systemd names a container's."""
    root = tmp_path / "cgroup"
    root.mkdir()
    mount = ["mount", "-t", "cgroup2", "none", str(root)]
    subprocess.run(mount, check=True, capture_output=True, timeout=COMMAND_SECONDS)
    id = secrets.token_hex(32)
    scope = root / f"docker-{id}.scope"
    try:
        scope.mkdir()
        count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"
        output = (tmp_path / "output").open("wb")
        with output, subprocess.Popen(["sh", "-c", count], stdout=output) as running:
            (scope / "cgroup.procs").write_text(str(running.pid))
            freezer = Freezer(id, running.pid, root)
            try:
                yield running, freezer
            finally:
                freezer.thaw()
                (scope / "cgroup.kill").write_text("1")
        wait_until(lambda: is_empty(scope))
        scope.rmdir()
    finally:
        subprocess.run(["umount", str(root)], check=True, timeout=COMMAND_SECONDS)


def counted(tmp_path: Path) -> int:
    return len((tmp_path / "output").read_bytes())


def test_all_of_a_cgroup_stands_still_until_it_is_thawed(
    process: tuple[subprocess.Popen[bytes], Freezer], tmp_path: Path
) -> None:
    _, freezer = process
    wait_until(lambda: goes_on(tmp_path, 0))

    assert freezer.state() == "running"
    assert freezer.freeze()
    wait_until(lambda: is_whole(freezer))
    still = counted(tmp_path)
    assert freezer.state() == "frozen"
    assert counted(tmp_path) == still
    assert freezer.thaw()
    wait_until(lambda: goes_on(tmp_path, still))
    assert freezer.state() == "running"


def test_what_is_frozen_is_ended_by_the_kernel(
    process: tuple[subprocess.Popen[bytes], Freezer],
) -> None:
    running, freezer = process
    assert freezer.freeze()
    wait_until(lambda: is_whole(freezer))

    running.send_signal(signal.SIGKILL)

    assert running.wait(COMMAND_SECONDS) == -signal.SIGKILL
    assert freezer.state() == "unknown"


def is_empty(scope: Path) -> None:
    assert not (scope / "cgroup.procs").read_text()


def goes_on(tmp_path: Path, since: int) -> None:
    assert counted(tmp_path) > since


def is_whole(freezer: Freezer) -> None:
    assert freezer.is_whole()
