"""A gateway that is killed, again and again, while the control plane watches the engine."""

import asyncio
import os
import secrets
import signal
import statistics
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from docker_objects import DOCKER_HOST, Container
from eventually import BUSY, eventually
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.factory import docker_driver
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.drivers.driver import Driver
from spacecloud.errors import Transient
from spacecloud.model.traffic import IngressTable
from spacecloud.settings import Settings

pytestmark = pytest.mark.docker

KILLS = 20


@dataclass
class Scene:
    settings: Settings
    engine: Engine
    driver: Driver

    async def state(self) -> dict[str, Any]:
        container = Container(self.engine, labels.part_name(self.settings.instance, "gateway"))
        state: dict[str, Any] = (await container.show())["State"]
        return state

    async def kill(self) -> float:
        """SIGKILL to the process itself, as the kernel's out-of-memory killer does."""
        pid = (await self.state())["Pid"]
        assert pid > 0, "it does not run"
        os.kill(pid, signal.SIGKILL)
        killed = asyncio.get_running_loop().time()

        def gone() -> None:
            assert not Path(f"/proc/{pid}/root").exists()

        await eventually(gone, within=BUSY, every=0.001)
        return killed

    async def serves(self) -> None:
        """Its ingress answers: it runs, and has been told again what it is to serve."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.settings.http_port)
        except OSError as error:
            raise AssertionError(error) from error
        with closing(writer):
            writer.write(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            try:
                answer = await asyncio.wait_for(reader.readline(), BUSY)
            except (OSError, TimeoutError) as error:
                raise AssertionError(error) from error
        assert answer.startswith(b"HTTP/1.1 404 "), answer

    async def seconds_until_it_serves(self, since: float) -> float:
        await eventually(self.serves, within=2 * BUSY, every=0.01)
        return asyncio.get_running_loop().time() - since

    async def watch(self) -> None:
        """What the control plane does with a hint that is nobody's in particular."""
        async for hint in self.driver.workloads.hints():
            if hint.key is None:
                await self.driver.host.ensure()


async def no_secrets(project: str, id: str, version: int | None) -> Mapping[str, str]:
    return {}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = Settings(
        instance=f"restarts-{secrets.token_hex(2)}",
        state=tmp_path,
        run=tmp_path / "run",
        subnet_pool=IPv4Network("10.130.128.0/18"),
        vip_pool=IPv4Network("10.130.192.0/18"),
        http_port=31322,
        mesh_port=31301,
        dns_port=31353,
    )
    settings.run_dir.mkdir(parents=True)
    async with (
        connect(DOCKER_HOST) as engine,
        docker_driver(settings, no_secrets, lambda: datetime.now(UTC)) as driver,
    ):
        scene = Scene(settings, engine, driver)
        try:
            state = await driver.host.ensure()
            assert state.problems == ()
            await publish(driver)
            await eventually(scene.serves)
            yield scene
        finally:
            await driver.host.remove()


async def publish(driver: Driver) -> None:
    """As often as it takes: the gateway is only just starting."""

    async def check() -> None:
        try:
            await driver.edge.publish_ingress(IngressTable())
        except Transient as error:
            raise AssertionError(error) from error

    await eventually(check, within=20)


@asynccontextmanager
async def watched(scene: Scene) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(scene.watch())
        yield
        watching.cancel()


async def test_a_gateway_that_is_killed_twenty_times_in_a_row_is_back_each_time(
    scene: Scene,
) -> None:
    seconds = []
    async with watched(scene):
        for _ in range(KILLS):
            seconds.append(await scene.seconds_until_it_serves(await scene.kill()))

    print(f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")
    assert max(seconds) < 1 * BUSY, [round(each, 2) for each in seconds]


async def test_a_gateway_that_dies_without_a_control_plane_is_started_by_the_engine(
    scene: Scene,
) -> None:
    seconds = await scene.seconds_until_it_serves(await scene.kill())

    assert seconds < 2 * BUSY


async def test_the_socket_that_a_killed_gateway_left_is_no_obstacle(scene: Scene) -> None:
    await scene.kill()
    left = RunDirectory(scene.settings.run_dir).admin_socket
    assert left.is_socket()

    async with watched(scene):
        await eventually(scene.serves)

    await scene.driver.refusals.refused_connections()
