"""The memory driver's database is as much a promise as any: lost is not first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventually import eventually

pytestmark = pytest.mark.attack


def a_control_plane(folder: Path, port: int, *arguments: str) -> "subprocess.Popen[str]":
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("SPACE_CLOUD_")},
        "SPACE_CLOUD_STATE": str(folder / "state"),
        "SPACE_CLOUD_RUN": str(folder / "run"),
        "SPACE_CLOUD_HTTP_PORT": str(port),
        "SPACE_CLOUD_METRICS_PORT": "0",
        "SPACE_CLOUD_DRIVER": "memory",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "spacecloud.server", *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


async def test_a_lost_database_is_refused_and_forgotten_only_on_purpose(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    state = tmp_path / "state" / "default"

    async def serves() -> None:
        assert (state / "store.db").exists()
        assert not (state / "beginning").exists()

    async def comes_up() -> None:
        with a_control_plane(tmp_path, unused_tcp_port, "serve") as serving:
            try:
                await eventually(serves, within=20)
            finally:
                serving.terminate()
                serving.wait(20)

    await comes_up()
    secret = (state / "installation").read_text()
    for path in state.glob("store.db*"):
        path.unlink()
    before = {path.name: path.read_bytes() for path in state.iterdir()}

    for command in ("serve", "start"):
        with a_control_plane(tmp_path, unused_tcp_port, command) as refused:
            output, _ = refused.communicate(timeout=30)
        assert refused.returncode == 6, output
        assert "store.db is missing" in output
        assert "space-cloud start --forget" in output
        assert {path.name: path.read_bytes() for path in state.iterdir()} == before

    with a_control_plane(tmp_path, unused_tcp_port, "start", "--forget") as started:
        output, _ = started.communicate(timeout=60)
    assert started.returncode == 0, output
    with a_control_plane(tmp_path, unused_tcp_port, "stop") as stopped:
        stopped.communicate(timeout=60)
    assert (state / "installation").read_text() == secret
    await comes_up()
