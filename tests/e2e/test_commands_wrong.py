"""A machine or a setting that is wrong: said with the variable and the fix, and nothing is left."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.installation import Installation
from e2e.machine import listening_on
from e2e.stage import Stage
from e2e.supervised_installation import left
from other_user import as_nobody

pytestmark = pytest.mark.docker

NUMBER = 6


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(Installation(tmp_path, NUMBER), {})
    yield stage
    assert left(stage) == []


def refused(stage: Stage, *command: str) -> tuple[int, str]:
    """Exit code and sentence of ``start``, which must not have started."""
    done = stage.installation.program("space-cloud", *(command or ("start",)))
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    assert left(stage) == []
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("HTTP_PORT", "70000", "less than or equal to 65535"),
        ("HTTP_PORT", "many", "valid integer"),
        ("SUBNET_POOL", "10.0.0.0/33", "valid IPv4 network"),
        ("VIP_POOL", "10.206.1.1/17", "valid IPv4 network"),
        ("INSTANCE", "Bad_Name", "match pattern"),
        ("DRIVER", "podman", "'docker' or 'memory'"),
        ("STATE", "state", "a path from / is expected"),
        ("RUN", "run/here", "a path from / is expected"),
    ],
)
@pytest.mark.parametrize("command", ["start", "serve", "doctor"])
def test_a_setting_that_cannot_be_is_named_with_its_value(
    stage: Stage, command: str, variable: str, value: str, sentence: str
) -> None:
    stage.installation.extra = {f"SPACE_CLOUD_{variable}": value}
    done = stage.installation.program("space-cloud", command)

    assert done.returncode == 2, done.stderr
    assert f"SPACE_CLOUD_{variable}: " in done.stderr
    assert sentence in done.stderr
    assert value in done.stderr
    assert "Traceback" not in done.stderr


def test_every_wrong_setting_is_told_at_once(stage: Stage) -> None:
    stage.installation.extra = {"SPACE_CLOUD_HTTP_PORT": "0", "SPACE_CLOUD_SUBNET_PREFIX": "31"}

    code, message = refused(stage)

    assert code == 2
    assert "SPACE_CLOUD_HTTP_PORT" in message
    assert "SPACE_CLOUD_SUBNET_PREFIX" in message


def test_a_port_that_is_taken_is_named_with_who_has_it(stage: Stage) -> None:
    with listening_on(stage.installation.http_port):
        code, message = refused(stage)

    assert code == 6
    assert f"port {stage.installation.http_port} is taken by" in message
    assert f"(process {os.getpid()})" in message
    assert "SPACE_CLOUD_HTTP_PORT" in message


@pytest.mark.parametrize("pool", ["SUBNET_POOL", "VIP_POOL"])
def test_a_pool_that_would_cut_off_a_route_of_this_machine_is_refused(
    stage: Stage, pool: str
) -> None:
    taken = stage.installation.environment[f"SPACE_CLOUD_{pool}"].replace(".0/17", ".64/26")
    with a_route_to(taken, "brstranger"):
        code, message = refused(stage)

    assert code == 6
    assert f"overlaps the route {taken} (by brstranger)" in message
    assert f"SPACE_CLOUD_{pool}" in message


@contextlib.contextmanager
def a_route_to(network: str, device: str) -> Iterator[None]:
    ip("link", "add", device, "type", "bridge")
    try:
        ip("link", "set", device, "up")
        ip("route", "add", network, "dev", device)
        yield
    finally:
        ip("link", "delete", device)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("folder", ["state", "run"])
def test_a_file_where_a_folder_should_be_is_said(stage: Stage, folder: str) -> None:
    (stage.installation.folder / folder).write_text("in the way")

    code, message = refused(stage)

    assert code == 6
    assert (
        f"the folder {stage.installation.folder / folder / stage.installation.instance} cannot be used"
        in message
    )
    assert f"SPACE_CLOUD_{folder.upper()}" in message


@contextlib.contextmanager
def a_disk(there: Path, options: str) -> Iterator[None]:
    there.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(there)]
    subprocess.run(command, check=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run(["umount", str(there)], check=True, timeout=60)


@pytest.mark.parametrize("folder", ["state", "run"])
def test_a_folder_on_a_read_only_disk_is_said(stage: Stage, folder: str) -> None:
    there = stage.installation.folder / folder
    with a_disk(there, "ro,size=1m"):
        code, message = refused(stage)

    assert code == 6
    assert "Read-only file system" in message
    assert f"SPACE_CLOUD_{folder.upper()}" in message


def test_a_disk_without_room_is_said(stage: Stage) -> None:
    there = stage.installation.folder / "state"
    with a_disk(there, "size=3m"):
        code, message = refused(stage)

    assert code == 6
    assert f"MiB are free below {there}" in message
    assert "SPACE_CLOUD_STATE" in message


def test_an_engine_that_is_not_there_is_said_by_every_command_that_needs_it(stage: Stage) -> None:
    stage.installation.extra = {
        "SPACE_CLOUD_DOCKER_HOST": f"unix://{stage.installation.folder}/nobody.sock"
    }

    for command in ("start", "serve", "setup"):
        code, message = refused(stage, command)
        assert code == 6
        assert "systemctl start docker" in message
        assert "SPACE_CLOUD_DOCKER_HOST" in message
    for command in ("down", "inspect"):
        code, message = refused(stage, command)
        assert "the Docker Engine cannot be reached" in message
    doctor = stage.installation.program("space-cloud", "doctor")
    assert doctor.returncode == 1
    assert "BAD  engine" in doctor.stdout
    assert "Traceback" not in doctor.stderr


def test_a_path_too_long_for_a_socket_is_said_before_it_fails(stage: Stage) -> None:
    stage.installation.extra = {"SPACE_CLOUD_RUN": str(stage.installation.folder / ("r" * 80))}

    code, message = refused(stage)

    assert code == 6
    assert "too long for a socket" in message
    assert "SPACE_CLOUD_RUN" in message


@pytest.mark.parametrize("command", ["start", "serve", "setup", "stop", "down", "destroy"])
def test_who_is_not_root_is_told_so_and_nothing_else(stage: Stage, command: str) -> None:
    loaded, done_by = "from spacecloud.server import main", "main()"

    done = as_nobody(loaded, done_by, command, env=stage.installation.environment)

    assert done.returncode == 5
    assert done.stderr.strip() == (
        "error: root is needed for networks and firewall rules: run it with sudo"
    )
    assert not (stage.installation.folder / "run").exists()
