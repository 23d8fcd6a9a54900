"""A service that sleeps and wakes, by the loops over a real store and an imagined platform."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from eventually import eventually
from memory_plane import API, MemoryPlane, a_memory_plane, now
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.service import Service
from spacecloud.reconcile.scaling import autoscaler
from spacecloud.workloads.operations import FreezeReplica, StartTask, StopReplica, ThawReplica


def a_sleeper(sleep: Mapping[str, object] | None = None, **task: object) -> Service:
    return Service.model_validate(
        {
            "tasks": [
                {"id": "main", "docker": {"image": "web:1"}, "ports": [{"port": 8080}], **task}
            ],
            "autoScale": {"minReplicas": 0, **({"sleep": sleep} if sleep else {})},
            "rollout": {"confirmSeconds": 0},
        }
    )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryPlane]:
    async with a_memory_plane(tmp_path) as plane:
        await plane.declare(a_sleeper())
        yield plane


async def decide(plane: MemoryPlane, depth: Depth | None) -> None:
    await plane.store.record_scaling(API, Scaling(1, now(), depth))


async def kinds(plane: MemoryPlane) -> list[str]:
    return [event.kind for event in reversed(await plane.store.events("shop", "api"))]


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
async def test_a_service_sleeps_when_that_is_decided_and_wakes_when_it_is_decided(
    world: MemoryPlane, depth: Depth
) -> None:
    await decide(world, depth)
    asleep = await world.settles(API, "asleep", f"{depth} since")
    published = world.traffic.view(API.key).published
    await decide(world, None)
    await world.settles()

    async def is_told() -> None:
        told = await kinds(world)
        laid_down, woken = (
            ("ReplicaFrozen", "ReplicaThawed")
            if depth == "frozen"
            else ("ReplicaStopped", "TaskStarted")
        )
        assert told.index(laid_down) < told.index(woken)
        assert "TaskExited" not in told

    await eventually(is_told)
    assert [replica.asleep for replica in asleep.replicas] == [depth]
    assert published is not None
    assert published.gated == ("v1",)
    awake = world.traffic.view(API.key).published
    assert awake is not None
    assert awake.gated == ()


async def test_what_is_woken_by_the_driver_is_taken_in_and_not_done_twice(
    world: MemoryPlane,
) -> None:
    await decide(world, "stopped")
    await world.settles(API, "asleep")

    await world.workloads.wake(API)
    await decide(world, None)

    await world.settles()
    assert not any(isinstance(op, StartTask | ThawReplica) for op in world.workloads.executed)


async def test_a_wake_is_not_undone_by_a_decision_that_did_not_know_of_it(
    world: MemoryPlane,
) -> None:
    await decide(world, "frozen")
    await world.settles(API, "asleep")
    laid_down = len(world.workloads.executed)

    await world.workloads.wake(API)

    async def is_refused() -> None:
        status = await world.status()
        assert status.ready_replicas == 1
        assert (status.state, status.reason) == ("ready", "WokenMeanwhile")

    await eventually(is_refused)
    assert not any(
        isinstance(op, StopReplica | ThawReplica) for op in world.workloads.executed[laid_down:]
    )


async def test_a_request_that_slipped_through_the_gate_thaws_its_replica_until_it_ends(
    world: MemoryPlane,
) -> None:
    await decide(world, "frozen")
    asleep = await world.settles(API, "asleep")

    world.traffic.busy = {asleep.replicas[0].address: 1}

    async def is_thawed() -> None:
        assert any(isinstance(op, ThawReplica) for op in world.workloads.executed)

    await eventually(is_thawed)
    world.traffic.busy = {}

    async def is_frozen_again() -> None:
        done = [
            op for op in world.workloads.executed if isinstance(op, FreezeReplica | ThawReplica)
        ]
        assert [type(op) for op in done] == [FreezeReplica, ThawReplica, FreezeReplica]

    await eventually(is_frozen_again)
    await world.settles(API, "asleep")


async def test_an_apply_of_what_sleeps_tries_it_once_and_ends_asleep(world: MemoryPlane) -> None:
    await decide(world, "frozen")
    await world.settles(API, "asleep")

    await world.store.put_service(API, a_sleeper(env={"A": "b"}))
    new = await world.settles(API, "asleep")
    await world.store.put_service(API, a_sleeper(env={"A": "b"}))
    same = await world.settles(API, "asleep")

    assert (new.revision, new.confirmed_revision, same.revision) == (2, 2, 2)
    assert [replica.asleep for replica in same.replicas] == ["frozen"]
    assert [replica.id for replica in new.replicas] == [replica.id for replica in same.replicas]


async def test_what_a_person_asked_for_holds_until_the_next_apply(world: MemoryPlane) -> None:
    generation = (await world.status()).generation
    await world.store.record_scaling(API, Scaling(3, now(), pinned=generation))

    async def three() -> None:
        assert (await world.status()).ready_replicas == 3

    await eventually(three)
    await world.store.put_service(API, a_sleeper())
    await world.settles()

    assert (await world.status()).desired_replicas == 1


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
async def test_a_control_plane_that_is_new_leaves_what_sleeps(
    world: MemoryPlane, depth: Depth
) -> None:
    await decide(world, depth)
    await world.settles(API, "asleep")
    done = len(world.workloads.executed)

    await world.traffic.withdraw(API.key)
    await decide(world, depth)

    async def is_gated() -> None:
        published = world.traffic.view(API.key).published
        assert published is not None
        assert published.gated == ("v1",)

    await eventually(is_gated)
    assert world.workloads.executed[done:] == []


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
async def test_a_lease_undoes_the_sleep_that_was_decided_just_before(
    world: MemoryPlane, depth: Depth
) -> None:
    address = (await world.status()).replicas[0].address
    world.traffic.busy = {address: 1}
    await decide(world, depth)

    await world.plane.leases.take(address, 300)

    async def is_woken() -> None:
        last = (await world.plane.queries.scaling.views("shop", "api", "v1"))[0].wakes.last
        assert last is not None
        assert (last.why, last.was) == ("lease", depth)

    await eventually(is_woken)
    world.traffic.busy = {}
    await world.settles()
    assert not any(isinstance(op, FreezeReplica | StopReplica) for op in world.workloads.executed)


async def test_a_version_without_calls_sleeps_once_its_lease_has_ended(
    world: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoscaler, "TICK_SECONDS", 0.05)
    address = (await world.status()).replicas[0].address
    lease = await world.plane.leases.take(address, 2)
    assert lease.until is not None

    await world.store.put_service(API, a_sleeper(sleep={"freezeAfter": 1}))
    async with world.reporting():
        asleep = await world.settles(API, "asleep")

    scaling = (await world.store.versions("shop", "api"))[0].scaling
    assert scaling is not None
    assert scaling.since >= lease.until
    assert [replica.asleep for replica in asleep.replicas] == ["frozen"]
