"""A container that the engine has paused or stopped, behind the gate of a real Envoy."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Literal

import pytest

from apps.images import ensure_test_images
from docker_objects import DOCKER_HOST, Container, create
from eventually import BUSY
from mesh_host import Mesh, mesh, needs_root, receive
from mesh_world import a_spec, a_world
from spacecloud.drivers.docker.engine import connect
from spacecloud.model.gate_calls import HeldCall, Passed
from spacecloud.model.refs import ServiceRef
from spacecloud.model.traffic import Endpoint

pytestmark = [needs_root, pytest.mark.docker]

API = ServiceRef("shop", "api", "v1")
WORLD = a_world({"shop/api": a_spec(8080, "tcp:7000"), "shop/web": a_spec()})

Action = Literal["unpause", "start"]


class Waker:
    """As the product wakes, in short: the engine is told, and who listens is asked."""

    def __init__(self, live: Mesh, task: Container) -> None:
        self._live, self._task = live, task
        self.action: Action | None = None
        """None: it runs."""

    async def __call__(self, call: HeldCall) -> Passed:
        action, self.action = self.action, None
        if action is not None:
            await self._task.engine.post(f"containers/{self._task.id}/{action}")
        await self.until_it_listens()
        return Passed(1)

    async def until_it_listens(self) -> None:
        address = str(self._live.subnet("shop/api")[3])
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(OSError):
                    (await self._live.host.connect_locally(address, 8080)).close()
                    return
                await asyncio.sleep(0.005)


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with mesh() as running:
        running.world = WORLD
        running.endpoints[API.key] = (Endpoint("v1", str(running.subnet("shop/api")[3])),)
        await running.apply(WORLD)
        yield running


@pytest.fixture
async def task(live: Mesh) -> AsyncIterator[Container]:
    """Of a replica: its namespace and address are its sandbox's, and stay when it stops."""
    image = {"Image": ensure_test_images()["echo"], "Labels": {"space-cloud-test": "gate"}}
    sleep = {"Entrypoint": ["/usr/bin/python3", "-c", "import signal; signal.pause()"], "Cmd": []}
    async with connect(DOCKER_HOST) as engine, contextlib.AsyncExitStack() as stack:
        sandbox = await create(engine, {**image, **sleep, "HostConfig": {"NetworkMode": "none"}})
        stack.push_async_callback(sandbox.delete)
        await sandbox.start()
        process = (await sandbox.show())["State"]["Pid"]
        live.host.lend_network(live.subnet("shop/api"), process)
        joined = {"HostConfig": {"NetworkMode": f"container:{sandbox.id}"}}
        task = await create(engine, {**image, **joined, "Env": ["BANNER_PORT=7000"]})
        stack.push_async_callback(task.delete)
        await task.start()
        yield task


async def test_a_call_wakes_a_paused_and_a_stopped_container_and_is_answered(
    live: Mesh, task: Container
) -> None:
    waker = Waker(live, task)
    await waker.until_it_listens()
    live.traffic.gate.serve_calls(waker)

    async def falls_asleep(action: Action) -> None:
        await live.publish("shop/api", "v1")
        if action == "unpause":
            await task.pause()
        else:
            await task.kill("SIGKILL")
            await task.wait()
        waker.action = action

    for action in ("unpause", "start"):
        await falls_asleep(action)
        answer = await live.get("shop/web", "shop/api")
        assert (answer.status, answer.headers["space-cloud-wake-ms"]) == (200, "1")

        await falls_asleep(action)
        connection = await live.dial("shop/web", "shop/api", 7000)
        assert (await receive(connection, within=3 * BUSY)).startswith(b"banner")
        await live.publish("shop/api")
