"""What a document, a person and the machine's own figures change of how a version scales."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from eventually import eventually
from memory_plane import API, MemoryPlane, a_memory_plane, now
from spacecloud.model.load import Usage
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.service import Service
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.scaling.autoscaler import TICK_SECONDS
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas

WEB = ServiceRef("shop", "web", "v1")
DB = ServiceRef("shop", "db", "v1")
CORES_USED = 0.9


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryPlane]:
    async with a_memory_plane(tmp_path) as plane, plane.reporting():
        yield plane


def a_spec(port: str | None = "http", **auto_scale: Any) -> Service:
    task: dict[str, Any] = {
        "id": "main",
        "docker": {"image": "web:1"},
        "resources": {"cpu": 100, "memory": 256},
    }
    if port is not None:
        task["ports"] = [{"port": 8080, "protocol": port}]
    return Service.model_validate(
        {"tasks": [task], "rollout": {"confirmSeconds": 0}, "autoScale": auto_scale}
    )


def sleepy(**sleep: Any) -> dict[str, Any]:
    return {"minReplicas": 0, "sleep": {"freezeAfter": 1, "stopAfter": "never", **sleep}}


async def events(plane: MemoryPlane, kind: str) -> list[tuple[str, str | None]]:
    """Message and code of each, the oldest first."""
    found = await plane.store.events(API.project, API.service, 100)
    return [(e.message, e.reason) for e in reversed(found) if e.kind == kind]


@pytest.mark.parametrize("port", [None, "http"])
@pytest.mark.parametrize("calls", [0, 1])
async def test_load_of_the_processor_makes_more_replicas_whether_it_is_called_or_not(
    world: MemoryPlane, port: str | None, calls: int
) -> None:
    began = asyncio.get_running_loop().time()

    async def usage(key: ServiceKey) -> Mapping[str, Usage]:
        observed = await world.workloads.observe(key)
        seconds = CORES_USED * (asyncio.get_running_loop().time() - began)
        return {replica.id: Usage(seconds, 50 << 20) for replica in observed.replicas}

    setattr(world.workloads, "usage", usage)  # noqa: B010 - a method of an instance
    metadata = {"type": "Utilization", "value": "50"}
    triggers = [{"type": "cpu", "metadata": metadata}]
    await world.declare(
        a_spec(port, minReplicas=1, maxReplicas=5, pollingInterval=1, triggers=triggers)
    )
    if calls:
        (address,) = await world.addresses()
        world.active[address] = calls

    async def five() -> None:
        assert len(await world.addresses()) == 5, await world.scaling()

    await eventually(five, within=60)


async def test_a_control_plane_that_begins_makes_none_fewer_before_it_has_seen_a_window(
    tmp_path: Path,
) -> None:
    trigger = {"type": "active-requests", "metadata": {"target": "10"}}
    spec = a_spec(minReplicas=1, maxReplicas=5, triggers=[trigger])
    async with a_memory_plane(tmp_path) as before, before.reporting():
        await before.declare(spec)
        before.active[(await before.addresses())[0]] = 25

        async def scaled_up() -> None:
            assert len(await before.addresses()) == 4

        await eventually(scaled_up, within=60)

    async with a_memory_plane(tmp_path) as after, after.reporting():
        await after.settles(API, "ready")
        after.active[(await after.addresses())[0]] = 1
        await asyncio.sleep(4 * TICK_SECONDS)

        assert (await after.scaling()).wanted == 4
        assert len(await after.addresses()) == 4


async def test_what_may_not_sleep_any_more_is_awake_in_its_row_too(world: MemoryPlane) -> None:
    await world.declare(a_spec(**sleepy()))
    await world.settles(API, "asleep")

    await world.declare(a_spec(minReplicas=1))

    async def awake() -> None:
        view = await world.scaling()
        assert (view.state, view.asleep) == ("awake", None)
        _, woke = await events(world, "Scaled")
        assert woke == ("v1: frozen → 1: its document does not let it sleep", "SleepNotAllowed")

    await eventually(awake)
    # What it was before does not count for when it may sleep again.
    await world.declare(a_spec(**sleepy(freezeAfter=600)))
    await asyncio.sleep(3)
    assert (await world.scaling()).state == "awake"
    assert (await world.status()).state == "ready"


async def test_connections_of_a_caller_that_may_not_sleep_any_more_keep_its_callee_awake(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec(**sleepy()), WEB)
    await world.settles(WEB, "asleep")
    await world.store.put_service(WEB, a_spec(minReplicas=1))
    await world.declare(a_spec("tcp", **sleepy()), DB)
    (caller,), (callee,) = await world.addresses(WEB), await world.addresses(DB)
    vip = str((await world.store.declared()).addresses.services[DB.key].vip)

    world.traffic.open[caller, vip, 8080] = 2
    world.active[callee] = 2
    await world.settles(WEB, "ready")

    await asyncio.sleep(5)
    view = await world.scaling(DB)
    assert (view.state, view.asleep) == ("awake", None)


@pytest.mark.parametrize(("depth", "field"), [("frozen", "freezeAfter"), ("stopped", "stopAfter")])
async def test_an_apply_that_takes_back_how_deep_it_may_sleep_wakes_it(
    world: MemoryPlane, depth: Depth, field: str
) -> None:
    before: dict[str, Any] = {"freezeAfter": 1, "stopAfter": "never"}
    if depth == "stopped":
        before = {"freezeAfter": "never", "stopAfter": 1}
    await world.declare(a_spec(**sleepy(**before)))
    await world.settles(API, "asleep")

    await world.declare(a_spec(**sleepy(**(before | {field: "never"}))))

    view = await world.scaling()
    assert (view.state, view.asleep) == ("awake", None)
    said = f"v1: {depth} → 1: its document does not let it be {depth}"
    assert (await events(world, "Scaled"))[-1] == (said, "SleepNotAllowed")


async def test_what_a_person_sent_to_sleep_sleeps_on_however_deep_it_is(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec(**sleepy(freezeAfter="never")))

    await world.plane.queries.scaling.sleep(API, "stopped")
    await world.settles(API, "asleep")

    await asyncio.sleep(3)
    assert (await world.scaling()).state == "stopped"


async def test_what_a_person_asks_for_is_an_event_with_its_cause(world: MemoryPlane) -> None:
    await world.declare(a_spec(**sleepy(freezeAfter="never"), maxReplicas=5))

    await world.plane.queries.scaling.scale(API, 3)
    await world.declare(a_spec(**sleepy(freezeAfter="never"), maxReplicas=4))
    await world.plane.queries.scaling.sleep(API, "frozen")
    await world.settles(API, "asleep")
    await world.plane.queries.scaling.wake(API)

    async def told() -> None:
        scaled = await events(world, "Scaled")
        assert ("v1: 1 → 3: 3 replicas were asked for, until the next apply", "AskedFor") in scaled
        assert scaled[-1][1] == "AskedToSleep"
        ((woken, reason),) = await events(world, "Woken")
        assert reason == "AskedToWake"
        assert woken.startswith("v1: somebody asked for it: it was frozen, and took calls after ")

    await eventually(told)


async def test_what_was_decided_before_an_order_is_not_written_over_it(tmp_path: Path) -> None:
    """Both wait for the disk: the order goes first, and the decision was made before it."""
    async with a_memory_plane(tmp_path) as plane:
        await plane.store.put_service(API, a_spec())
        await plane.store.put_service(WEB, a_spec())
        policies = PolicyCache(plane.store)
        await policies.policy()
        asked, go_on, write = asyncio.Event(), asyncio.Event(), plane.store.record_scaling

        async def slow_for_web(ref: ServiceRef, scaling: Scaling) -> None:
            if ref == WEB:
                asked.set()
                async with asyncio.timeout(30):
                    await go_on.wait()
            await write(ref, scaling)

        setattr(plane.store, "record_scaling", slow_for_web)  # noqa: B010 - a method of an instance
        wanted = WantedReplicas(plane.store, policies, lambda _: None)
        writing = asyncio.create_task(wanted.run())
        wanted.decide(WEB, Scaling(1, now()))
        wanted.decide(API, Scaling(1, now()))
        async with asyncio.timeout(10):
            await asked.wait()

        order = asyncio.create_task(wanted.record(API, Scaling(3, now(), pinned=1)))
        await asyncio.sleep(0.1)
        go_on.set()
        await asyncio.wait_for(order, 10)
        await asyncio.sleep(0.3)

        (version,) = await plane.store.versions("shop", "api")
        assert version.scaling is not None
        assert (version.scaling.replicas, version.scaling.pinned) == (3, 1)
        writing.cancel()
