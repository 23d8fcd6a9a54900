"""Is the machine ready? Asked of the real one, with strangers on its ports and in its pools."""

import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from docker_objects import DOCKER_HOST
from spacecloud.drivers.docker.doctor.preflight import (
    PROGRAMS,
    engine_problems,
    missing_programs,
    preflight,
)
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.settings import Settings

pytestmark = pytest.mark.docker

HTTP, MESH, DNS = 31222, 31201, 31253


def settings_of(**given: Any) -> Settings:
    return Settings(
        instance="preflight",
        http_port=HTTP,
        mesh_port=MESH,
        dns_port=DNS,
        **{"subnet_pool": "10.130.128.0/18", "vip_pool": "10.130.192.0/18", **given},
    )


async def problems(engine: Engine, settings: Settings) -> tuple[str, ...]:
    return await preflight(engine, settings, networking_of(settings))


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with connect(DOCKER_HOST) as engine:
        yield engine


async def test_this_machine_is_ready(engine: Engine) -> None:
    assert await problems(engine, settings_of()) == ()


@pytest.mark.parametrize(
    ("port", "kind", "variable"),
    [
        (HTTP, socket.SOCK_STREAM, "SPACE_CLOUD_HTTP_PORT"),
        (MESH, socket.SOCK_STREAM, "SPACE_CLOUD_MESH_PORT"),
        (DNS, socket.SOCK_STREAM, "SPACE_CLOUD_DNS_PORT"),
        (DNS, socket.SOCK_DGRAM, "SPACE_CLOUD_DNS_PORT"),
    ],
)
@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
async def test_a_port_that_is_taken_is_named_with_its_owner(
    engine: Engine, port: int, kind: socket.SocketKind, variable: str, address: str
) -> None:
    with socket.socket(socket.AF_INET, kind) as stranger:
        if kind == socket.SOCK_STREAM:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((address, port))
        if kind == socket.SOCK_STREAM:
            stranger.listen()

        (problem,) = await problems(engine, settings_of())

    assert f"port {port} is taken by" in problem
    assert f"(process {os.getpid()})" in problem
    assert problem.endswith(f"choose another with {variable}")


async def test_a_port_of_a_closed_connection_is_free(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", HTTP)) as server:
        client = socket.create_connection(("127.0.0.1", HTTP))
        accepted, _ = server.accept()
        # The side that closes first keeps the port in TIME_WAIT.
        accepted.close()
        client.close()

    assert await problems(engine, settings_of()) == ()


async def test_one_port_for_two_purposes_is_refused(engine: Engine) -> None:
    settings = settings_of().model_copy(update={"mesh_port": HTTP})

    (problem,) = await problems(engine, settings)

    assert "must differ" in problem


async def test_a_pool_of_the_engine_s_own_bridge_is_refused(engine: Engine) -> None:
    bridge = await engine.get("networks/bridge")
    subnet = bridge["IPAM"]["Config"][0]["Subnet"]

    (problem,) = await problems(engine, settings_of(subnet_pool=subnet))

    assert f"the pool {subnet} overlaps the Docker network bridge" in problem
    assert "SPACE_CLOUD_SUBNET_POOL" in problem


async def test_an_engine_that_is_not_there_is_said_with_the_fix(tmp_path: Path) -> None:
    async with connect(f"unix://{tmp_path}/nobody.sock") as nobody:
        (problem,) = await problems(nobody, settings_of())

    assert "cannot be reached" in problem
    assert "systemctl start docker" in problem


@pytest.mark.parametrize(
    ("info", "version", "sentence"),
    [
        ({}, {"Components": [{"Name": "Podman Engine"}]}, "the engine is Podman"),
        ({"SecurityOptions": ["name=seccomp", "name=rootless"]}, {}, "rootless"),
        ({"OperatingSystem": "Docker Desktop"}, {}, "Docker Desktop"),
        ({"OSType": "windows"}, {}, "windows containers"),
        ({}, {"Version": "19.03.9", "ApiVersion": "1.40"}, "19.03.9 (API 1.40) is too old"),
    ],
)
def test_an_engine_that_cannot_do_it_is_told_apart(
    info: dict[str, Any], version: dict[str, Any], sentence: str
) -> None:
    (problem,) = engine_problems(info, version)

    assert sentence in problem


async def test_this_engine_can_do_it(engine: Engine) -> None:
    assert list(engine_problems(await engine.get("info"), await engine.get("version"))) == []


def test_missing_programs_are_named_by_package(tmp_path: Path) -> None:
    assert list(missing_programs()) == []
    (tmp_path / "ip").symlink_to(shutil.which("ip") or "")

    (problem,) = missing_programs(str(tmp_path))

    assert all(program in problem for program in PROGRAMS if program != "ip")
    assert problem.endswith("apt-get install iptables")
