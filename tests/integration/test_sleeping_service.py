"""A service that sleeps and wakes, by the loops over a real store and an imagined platform."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Never

import pytest

from eventually import eventually
from spacecloud.drivers.memory import MemoryTraffic, MemoryWorkloads, memory_driver
from spacecloud.mesh.policy import Policy
from spacecloud.model.addresses import PoolAllocator, Pools
from spacecloud.model.load import LoadReport
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.service import Service
from spacecloud.model.status import ServiceStatus
from spacecloud.model.traffic import Face
from spacecloud.reconcile.control_plane import ControlPlane
from spacecloud.reconcile.scaling import autoscaler
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store.sqlite import SqliteStore
from spacecloud.workloads.operations import FreezeReplica, StartTask, StopReplica, ThawReplica
from spacecloud.workloads.situation import TerminationLimits

API = ServiceRef("shop", "api", "v1")


def now() -> datetime:
    return datetime.now(UTC)


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


@dataclass
class Stage:
    store: SqliteStore
    plane: ControlPlane
    workloads: MemoryWorkloads
    traffic: MemoryTraffic

    async def status(self) -> ServiceStatus:
        return (await self.plane.queries.status("shop", "api", "v1"))[0]

    async def becomes(self, state: str, message: str = "") -> ServiceStatus:
        async def check() -> None:
            status = await self.status()
            assert (status.state, status.generation) == (state, status.observed_generation)
            assert status.message.startswith(message)

        await eventually(check)
        return await self.status()

    async def decide(self, depth: Depth | None) -> None:
        await self.store.record_scaling(API, Scaling(1, now(), depth))

    async def kinds(self) -> list[str]:
        return [event.kind for event in reversed(await self.store.events("shop", "api"))]


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    faces = Policy.face

    def face_with_gate(policy: Policy, key: ServiceKey) -> Face:
        face = faces(policy, key)
        return replace(face, gates=tuple(sorted({e.version for e in face.entries})))

    monkeypatch.setattr(Policy, "face", face_with_gate)
    sealer = open_sealer(tmp_path / "secret.key", tmp_path / "store.db")
    async with SqliteStore.open(
        tmp_path / "store.db", PoolAllocator(Pools()), sealer, now
    ) as store:
        driver = memory_driver(now)
        limits = TerminationLimits(drain=timedelta(seconds=2), grace=timedelta(seconds=1))
        plane = ControlPlane(store, driver, limits, now, http_port=4122, resync_seconds=30)
        assert isinstance(driver.workloads, MemoryWorkloads)
        assert isinstance(driver.traffic, MemoryTraffic)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(plane.run())
            await store.put_service(API, a_sleeper())
            stage = Stage(store, plane, driver.workloads, driver.traffic)
            await stage.becomes("ready")
            yield stage
            running.cancel()


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
async def test_a_service_sleeps_when_that_is_decided_and_wakes_when_it_is_decided(
    stage: Stage, depth: Depth
) -> None:
    await stage.decide(depth)
    asleep = await stage.becomes("asleep", f"{depth} since")
    published = stage.traffic.view(API.key).published
    await stage.decide(None)
    await stage.becomes("ready")

    async def is_told() -> None:
        kinds = await stage.kinds()
        laid_down, woken = (
            ("ReplicaFrozen", "ReplicaThawed")
            if depth == "frozen"
            else ("ReplicaStopped", "TaskStarted")
        )
        assert kinds.index(laid_down) < kinds.index(woken)
        assert "TaskExited" not in kinds

    await eventually(is_told)
    assert [replica.asleep for replica in asleep.replicas] == [depth]
    assert published is not None
    assert published.gated == ("v1",)
    awake = stage.traffic.view(API.key).published
    assert awake is not None
    assert awake.gated == ()


async def test_what_is_woken_by_the_driver_is_taken_in_and_not_done_twice(stage: Stage) -> None:
    await stage.decide("stopped")
    await stage.becomes("asleep")

    await stage.workloads.wake(API)
    await stage.decide(None)

    await stage.becomes("ready")
    assert not any(isinstance(op, StartTask | ThawReplica) for op in stage.workloads.executed)


async def test_a_wake_is_not_undone_by_a_decision_that_did_not_know_of_it(stage: Stage) -> None:
    await stage.decide("frozen")
    await stage.becomes("asleep")
    laid_down = len(stage.workloads.executed)

    await stage.workloads.wake(API)

    async def is_refused() -> None:
        status = await stage.status()
        assert status.ready_replicas == 1
        assert (status.state, status.reason) == ("ready", "WokenMeanwhile")

    await eventually(is_refused)
    assert not any(
        isinstance(op, StopReplica | ThawReplica) for op in stage.workloads.executed[laid_down:]
    )


async def test_a_request_that_slipped_through_the_gate_thaws_its_replica(stage: Stage) -> None:
    await stage.decide("frozen")
    asleep = await stage.becomes("asleep")

    stage.traffic.busy = {asleep.replicas[0].address: 1}

    async def is_thawed() -> None:
        assert any(isinstance(op, ThawReplica) for op in stage.workloads.executed)

    await eventually(is_thawed)


async def test_an_apply_of_what_sleeps_tries_it_once_and_ends_asleep(stage: Stage) -> None:
    await stage.decide("frozen")
    await stage.becomes("asleep")

    await stage.store.put_service(API, a_sleeper(env={"A": "b"}))
    new = await stage.becomes("asleep")
    await stage.store.put_service(API, a_sleeper(env={"A": "b"}))
    same = await stage.becomes("asleep")

    assert (new.revision, new.confirmed_revision, same.revision) == (2, 2, 2)
    assert [replica.asleep for replica in same.replicas] == ["frozen"]
    assert [replica.id for replica in new.replicas] == [replica.id for replica in same.replicas]


async def test_what_a_person_asked_for_holds_until_the_next_apply(stage: Stage) -> None:
    generation = (await stage.status()).generation
    await stage.store.record_scaling(API, Scaling(3, now(), pinned=generation))

    async def three() -> None:
        assert (await stage.status()).ready_replicas == 3

    await eventually(three)
    await stage.store.put_service(API, a_sleeper())
    await stage.becomes("ready")

    assert (await stage.status()).desired_replicas == 1


async def test_a_control_plane_that_is_new_leaves_what_sleeps(stage: Stage) -> None:
    await stage.decide("stopped")
    await stage.becomes("asleep")
    done = len(stage.workloads.executed)

    await stage.traffic.withdraw(API.key)
    await stage.decide("stopped")

    async def is_gated() -> None:
        published = stage.traffic.view(API.key).published
        assert published is not None
        assert published.gated == ("v1",)

    await eventually(is_gated)
    assert stage.workloads.executed[done:] == []


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
async def test_a_lease_undoes_the_sleep_that_was_decided_just_before(
    stage: Stage, depth: Depth
) -> None:
    address = (await stage.status()).replicas[0].address
    stage.traffic.busy = {address: 1}
    await stage.decide(depth)

    await stage.plane.leases.take(address, 300)

    async def is_woken() -> None:
        last = (await stage.plane.queries.scaling("shop", "api", "v1"))[0].wakes.last
        assert last is not None
        assert (last.why, last.was) == ("lease", depth)

    await eventually(is_woken)
    stage.traffic.busy = {}
    await stage.becomes("ready")
    assert not any(isinstance(op, FreezeReplica | StopReplica) for op in stage.workloads.executed)


async def test_a_version_without_calls_sleeps_once_its_lease_has_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoscaler, "TICK_SECONDS", 0.05)
    address = (await stage.status()).replicas[0].address
    lease = await stage.plane.leases.take(address, 2)
    assert lease.until is not None

    await stage.store.put_service(API, a_sleeper(sleep={"freezeAfter": 1}))
    async with asyncio.TaskGroup() as tasks:
        reports = tasks.create_task(nothing_is_called(stage.traffic))
        asleep = await stage.becomes("asleep")
        reports.cancel()

    scaling = (await stage.store.versions("shop", "api"))[0].scaling
    assert scaling is not None
    assert scaling.since >= lease.until
    assert [replica.asleep for replica in asleep.replicas] == ["frozen"]


async def nothing_is_called(traffic: MemoryTraffic) -> Never:
    while True:
        traffic.loads.send(LoadReport(0.05, {}))
        await asyncio.sleep(0.05)
