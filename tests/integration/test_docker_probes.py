"""Probes against real sockets: what is said of a run, when, and what nobody is told too early."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridged_pods import listening
from docker_objects import DOCKER_HOST
from eventually import eventually
from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.probes.prober import Prober
from spacecloud.drivers.docker.probes.target import Target
from spacecloud.model.refs import ServiceKey
from spacecloud.model.task import Probe
from spacecloud.reasons.tasks import NothingListens
from spacecloud.workloads.observed import Health

pytestmark = pytest.mark.docker

PORT = 31055
KEY = ServiceKey("shop", "api")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Scene:
    prober: Prober
    changes: list[str] = field(default_factory=list)

    async def health(self, target: Target) -> Health:
        return self.prober.health([target])[target.container]

    async def becomes(self, target: Target, state: str) -> list[Health]:
        """What was said of it until then."""
        seen: list[Health] = []

        async def check() -> None:
            seen.append(await self.health(target))
            assert seen[-1].state == state

        await eventually(check, within=30, every=0.02)
        return seen


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    changes: list[str] = []
    async with connect(DOCKER_HOST) as engine, asyncio.TaskGroup() as tasks:
        prober = Prober(engine, changes.append, now)
        running = tasks.create_task(prober.run())
        await asyncio.sleep(0)
        yield Scene(prober, changes)
        running.cancel()


def a_target(*, age_seconds: float = 0, ports: tuple[int, ...] = (PORT,), **probe: Any) -> Target:
    asked = Probe.model_validate({"intervalSeconds": 0.1, **probe})
    started_at = now() - timedelta(seconds=age_seconds)
    return Target("c1", started_at, "127.0.0.1", 0, ports, asked, KEY)


@asynccontextmanager
async def after(seconds: float, port: int) -> AsyncIterator[None]:
    """A server that begins to listen a little later."""

    async def later() -> None:
        await asyncio.sleep(seconds)
        async with listening(port):
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(later())
        yield
        serving.cancel()


async def test_a_young_run_is_starting_until_it_answers(scene: Scene) -> None:
    target = a_target()

    assert (await scene.health(target)).state == "starting"

    async def reported() -> None:
        health = await scene.health(target)
        assert (health.state, health.reason) == ("starting", NothingListens(PORT))
        assert scene.changes

    await eventually(reported, within=30)
    async with listening(PORT):
        await scene.becomes(target, "ready")


async def test_while_it_rests_a_run_is_asked_nothing_and_loses_no_time_to_get_ready(
    scene: Scene,
) -> None:
    target = a_target()
    await scene.becomes(target, "starting")

    scene.prober.rest({target.container})
    before = (await scene.health(target)).asked
    async with listening(PORT):
        await asyncio.sleep(0.5)
        resting = await scene.health(target)
        scene.prober.resume({target.container})
        await scene.becomes(target, "ready")

    assert (resting.state, resting.asked) == ("starting", before)


async def test_whoever_waits_for_a_run_is_told_when_it_is_ready_or_over(scene: Scene) -> None:
    target = a_target()

    async with asyncio.timeout(30):
        async with after(0.2, PORT):
            ready = await scene.prober.ready(target)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(scene.prober.ready(replace(target, container="c2")))
            await asyncio.sleep(0)
            scene.prober.ended("c2")

    assert (ready, waiting.result()) == (True, False)


async def test_nothing_is_said_of_an_old_run_for_one_no(scene: Scene) -> None:
    target = a_target(age_seconds=3600, intervalSeconds=0.3, failures=5)
    async with after(0.6, PORT):
        seen = await scene.becomes(target, "ready")

    assert {health.state for health in seen} == {"unknown", "ready"}


async def test_an_old_run_that_says_no_as_often_as_is_tolerated_is_not_ready(scene: Scene) -> None:
    seen = await scene.becomes(a_target(age_seconds=3600, failures=4), "starting")

    assert seen[-1].failures >= 4
    assert {health.failures for health in seen if health.state == "unknown"} <= {0, 1, 2, 3}


async def test_nobody_waits_for_the_verdict_on_an_old_run_and_it_is_a_hint(scene: Scene) -> None:
    async with silent(PORT), asyncio.timeout(60):
        target = a_target(age_seconds=3600, failures=2, timeoutSeconds=0.5, type="http")
        began = now()
        assert await scene.health(target) == Health("unknown")
        assert now() - began < timedelta(seconds=0.4)

        await scene.becomes(target, "starting")
        assert scene.changes


async def test_a_ready_run_may_say_no_now_and_then(scene: Scene) -> None:
    target = a_target(failures=3, intervalSeconds=0.2)
    async with listening(PORT):
        await scene.becomes(target, "ready")
    seen: list[Health] = []

    async def failing() -> None:
        seen.append(await scene.health(target))
        assert seen[-1].state == "failing"

    await eventually(failing, within=30)

    assert [h.state for h in seen if 0 < h.failures < 3] == ["ready"] * len(
        [h for h in seen if 0 < h.failures < 3]
    )
    assert {1, 2} <= {h.failures for h in seen}


async def test_many_runs_are_asked_at_once(scene: Scene) -> None:
    targets = [
        Target(f"c{n}", now(), "127.0.0.1", 0, (PORT,), Probe(type="http"), KEY) for n in range(40)
    ]
    async with silent(PORT):
        scene.prober.health(targets)

        async def asked() -> None:
            found = scene.prober.health(targets).values()
            assert all(health.failures for health in found)

        await eventually(asked, within=30)


@asynccontextmanager
async def silent(port: int) -> AsyncIterator[None]:
    """Accepts, and never says a word."""

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep, "127.0.0.1", port):
        yield


async def test_a_run_is_forgotten_and_another_one_of_the_container_asked_anew(scene: Scene) -> None:
    async with listening(PORT):
        await scene.becomes(a_target(), "ready")

    again = a_target()

    assert (await scene.health(again)).state == "starting"
    scene.prober.forget({"c1"})
    assert scene.prober.watched() == set()
