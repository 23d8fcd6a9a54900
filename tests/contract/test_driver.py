"""Every driver's Workloads, Images, Resources and Logs, one suite: in memory always, on a real engine by mark."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest

from apps.images import ensure_test_images
from docker_objects import DOCKER_HOST
from eventually import eventually
from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.pods.workloads import DockerWorkloads
from spacecloud.drivers.driver import Images, LogRequest, Logs, Resources, Workloads
from spacecloud.drivers.memory import MemoryWorkloads
from spacecloud.errors import NotFound, Transient
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.service import Service
from spacecloud.settings import Settings
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import (
    CancelPull,
    CreateNetwork,
    CreateReplica,
    FreezeReplica,
    KillReplica,
    PullImage,
    RemoveNetwork,
    RemoveReplica,
    RestartTask,
    StopReplica,
    ThawReplica,
)

API = ServiceRef("shop", "api", "v1")
SUBNET = "10.141.0.0/25"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Place:
    workloads: Workloads
    images: Images
    resources: Resources
    logs: Logs
    image: str
    """Id of an image that is here, of the echo service."""

    def creation(self, slot: int = 0, revision: str = "r1") -> CreateReplica:
        task = {"id": "main", "docker": {"image": "echo"}, "ports": [{"port": 8080}]}
        return CreateReplica(
            ref=API,
            slot=slot,
            revision=revision,
            address=f"10.141.0.{slot + 2}",
            subnet=SUBNET,
            spec=Service.model_validate({"tasks": [task]}),
            images={"main": self.image},
            secrets=(),
        )

    async def replicas(self) -> tuple[ObservedReplica, ...]:
        return (await self.workloads.observe(API.key)).replicas

    async def ready(self, *ids: str) -> None:
        async def check() -> None:
            assert [r.id for r in await self.replicas() if r.ready] == sorted(ids)

        await eventually(check, within=20)


@asynccontextmanager
async def in_memory(folder: Path) -> AsyncIterator[Place]:
    workloads = MemoryWorkloads(now)
    await workloads.execute(PullImage(API, "echo", "", 1))
    image = (await workloads.images(["echo"]))["echo"]
    assert image is not None
    yield Place(workloads, workloads, workloads, workloads, image)


@asynccontextmanager
async def on_docker(folder: Path) -> AsyncIterator[Place]:
    async def no_secrets(project: str, id: str, version: int | None) -> Mapping[str, str]:
        return {}

    settings = Settings(
        instance=f"c{secrets.token_hex(3)}", state=folder, run=folder, stop_grace_seconds=2
    )
    async with connect(DOCKER_HOST) as engine:
        image = (await engine.get(f"images/{ensure_test_images()['echo']}/json"))["Id"]
        workloads = DockerWorkloads(engine, settings, networking_of(settings), no_secrets, now)
        async with workloads.run():
            place = Place(workloads, workloads, workloads.resources, workloads.logs, image)
            try:
                yield place
            finally:
                for replica in await place.replicas():
                    await workloads.execute(RemoveReplica(replica.ref, replica.id))
                await workloads.execute(RemoveNetwork(API.key))


Opener = Callable[[Path], AbstractAsyncContextManager[Place]]


@pytest.fixture(
    params=[in_memory, pytest.param(on_docker, marks=pytest.mark.docker)],
    ids=["memory", "docker"],
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    opener: Opener = request.param
    async with opener(tmp_path) as opened:
        yield opened


async def test_nothing_is_there_until_it_is_made(place: Place) -> None:
    world = await place.workloads.observe(API.key)

    assert (world.network, world.replicas) == (None, ())
    assert API.key not in await place.workloads.observe_all()


async def test_a_machine_has_memory_and_some_of_it_to_give(place: Place) -> None:
    memory = place.resources.machine_memory()

    assert 0 < memory.available_bytes <= memory.total_bytes


async def test_a_network_is_made_once_however_often_it_is_asked_for(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))

    assert (await place.workloads.observe(API.key)).network == SUBNET
    assert (await place.workloads.observe_all())[API.key].network == SUBNET


async def test_a_replica_is_made_once_and_gets_ready(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))
    await place.workloads.execute(place.creation())
    await place.workloads.execute(place.creation())
    await place.workloads.execute(place.creation(slot=1))

    await place.ready("api--v1--0", "api--v1--1")
    first, second = await place.replicas()
    assert (first.address, first.revision, first.slot) == ("10.141.0.2", "r1", 0)
    assert (second.address, second.slot) == ("10.141.0.3", 1)
    assert first.expected_tasks == ("main",)
    assert first.tasks[0].image == place.image


async def test_a_listing_of_all_shows_what_a_look_at_one_shows(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))
    await place.workloads.execute(place.creation())
    await place.ready("api--v1--0")

    listed = (await place.workloads.observe_all())[API.key]
    seen = await place.workloads.observe(API.key)

    assert [(r.id, r.revision, r.sandbox) for r in listed.replicas] == [
        (r.id, r.revision, r.sandbox) for r in seen.replicas
    ]
    assert [[(t.container, t.state) for t in r.tasks] for r in listed.replicas] == [
        [(t.container, t.state) for t in r.tasks] for r in seen.replicas
    ]


async def test_a_stopped_replica_ends_and_is_removed_for_good(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))
    await place.workloads.execute(place.creation())
    await place.ready("api--v1--0")
    assert set(await place.resources.usage(API.key)) == {"api--v1--0"}

    await place.workloads.execute(StopReplica(API, "api--v1--0"))

    async def ended() -> None:
        (replica,) = await place.replicas()
        assert [t.state for t in replica.tasks] == ["exited"]

    await eventually(ended, within=20)
    assert await place.resources.usage(API.key) == {}
    await place.workloads.execute(RemoveReplica(API, "api--v1--0"))
    await place.workloads.execute(RemoveReplica(API, "api--v1--0"))
    assert await place.replicas() == ()


async def test_a_restarted_task_has_started_later(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))
    await place.workloads.execute(place.creation())
    await place.ready("api--v1--0")
    task = (await place.replicas())[0].tasks[0]

    await place.workloads.execute(RestartTask(API, "api--v1--0", "main", task.container))

    await place.ready("api--v1--0")
    again = (await place.replicas())[0].tasks[0]
    assert again.container == task.container
    assert task.started_at is not None
    assert again.started_at is not None
    assert again.started_at > task.started_at


async def test_a_removed_network_can_be_removed_again(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))

    await place.workloads.execute(RemoveNetwork(API.key))
    await place.workloads.execute(RemoveNetwork(API.key))

    assert (await place.workloads.observe(API.key)).network is None


async def test_services_do_not_see_each_other(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))
    await place.workloads.execute(place.creation())

    assert (await place.workloads.observe(ServiceKey("shop", "ap"))).replicas == ()
    assert (await place.workloads.observe(ServiceKey("sho", "api"))).replicas == ()


async def test_the_end_of_a_pull_is_a_hint_and_says_what_went_wrong(place: Place) -> None:
    missing = "missing" if isinstance(place.workloads, MemoryWorkloads) else "127.0.0.1:1/missing:1"

    hints = place.workloads.hints()
    op = PullImage(API, missing, "", 1)

    await place.workloads.execute(op)

    async with asyncio.timeout(20):
        async for hint in hints:
            if hint.key == API.key:
                break
    (pull,) = [pull for pull in place.images.pulls(API.key) if pull.op == op]
    assert pull.state == "failed"
    assert missing in str(pull.reason)
    assert pull.ended_at is not None
    assert await place.images.images([missing]) == {missing: None}


async def test_a_pull_that_nobody_wants_any_more_is_given_up(place: Place) -> None:
    op = PullImage(API, "127.0.0.1:1/nobody:1", "", 1)
    await place.workloads.execute(op)

    await place.workloads.execute(CancelPull(op))
    await place.workloads.execute(CancelPull(op))

    assert op not in [pull.op for pull in place.images.pulls(API.key)]


async def test_logs_of_an_unknown_replica_are_not_found(place: Place) -> None:
    with pytest.raises(NotFound, match="no replica api--v9--0"):
        async for _ in place.logs.lines(LogRequest("shop", "api--v9--0", "")):
            pass


async def test_a_hint_follows_what_happens_to_a_service(place: Place) -> None:
    hints = place.workloads.hints()

    await a_ready_replica(place)

    async for hint in hints:
        if hint.key == API.key:
            break


async def a_ready_replica(place: Place) -> None:
    await place.workloads.execute(CreateNetwork(API.key, SUBNET))
    await place.workloads.execute(place.creation())
    await place.ready("api--v1--0")


async def states(place: Place) -> list[tuple[str, bool, str]]:
    """Of each task: whether it runs, is frozen, and what its probe says."""
    (replica,) = await place.replicas()
    return [(task.state, task.frozen, task.health.state) for task in replica.tasks]


async def falls_asleep(place: Place) -> None:
    await place.workloads.execute(StopReplica(API, "api--v1--0", then="keep"))

    async def ended() -> None:
        assert [state for state, _, _ in await states(place)] == ["exited"]

    await eventually(ended, within=20)


async def test_a_frozen_replica_stays_ready_and_runs_again_when_it_is_thawed(
    place: Place,
) -> None:
    await a_ready_replica(place)

    for _ in range(2):
        await place.workloads.execute(FreezeReplica(API, "api--v1--0"))
    frozen = await states(place)
    listed = (await place.workloads.observe_all())[API.key].replicas[0]
    for _ in range(2):
        await place.workloads.execute(ThawReplica(API, "api--v1--0"))

    assert frozen == [("running", True, "ready")]
    assert listed.is_frozen
    assert await states(place) == [("running", False, "ready")]
    await place.ready("api--v1--0")


async def test_a_frozen_replica_is_removed_like_any_other(place: Place) -> None:
    await a_ready_replica(place)
    await place.workloads.execute(FreezeReplica(API, "api--v1--0"))

    await place.workloads.execute(RemoveReplica(API, "api--v1--0"))

    assert await place.replicas() == ()


async def test_a_frozen_replica_is_woken_at_once_and_may_not_be_laid_down_at_once(
    place: Place,
) -> None:
    await a_ready_replica(place)
    await place.workloads.execute(FreezeReplica(API, "api--v1--0"))

    woken = await asyncio.gather(*(place.workloads.wake(API) for _ in range(3)))

    assert sorted(str(each.by) for each in woken) == ["None", "None", "thaw"]
    assert await states(place) == [("running", False, "ready")]
    for op in (FreezeReplica(API, "api--v1--0"), StopReplica(API, "api--v1--0", then="keep")):
        with pytest.raises(Transient, match="woken a moment ago"):
            await place.workloads.execute(op)
    await place.ready("api--v1--0")


async def test_a_stopped_replica_is_woken_where_it_was(place: Place) -> None:
    await a_ready_replica(place)
    (before,) = await place.replicas()
    await falls_asleep(place)

    began = monotonic()
    woken = await place.workloads.wake(API)
    took = monotonic() - began
    again = await place.workloads.wake(API)

    (after,) = await place.replicas()
    assert after.ready
    assert (woken.by, again.by) == ("start", None)
    assert min(woken.run_seconds, woken.ready_seconds) > 0
    assert woken.run_seconds + woken.ready_seconds <= took
    assert (after.address, after.tasks[0].container) == (
        before.address,
        before.tasks[0].container,
    )


async def test_what_was_asked_to_end_in_its_sleep_is_woken_all_the_same(place: Place) -> None:
    await a_ready_replica(place)

    await place.workloads.execute(StopReplica(API, "api--v1--0", then="keep"))
    await place.workloads.wake(API)

    (replica,) = await place.replicas()
    assert replica.ready


async def test_one_that_is_killed_in_its_sleep_is_kept(place: Place) -> None:
    await a_ready_replica(place)
    await place.workloads.execute(FreezeReplica(API, "api--v1--0"))

    await place.workloads.execute(KillReplica(API, "api--v1--0"))

    async def ended() -> None:
        assert [state for state, _, _ in await states(place)] == ["exited"]

    await eventually(ended, within=20)
    await place.workloads.wake(API)
    assert [state for state, _, _ in await states(place)] == ["running"]


async def test_nothing_that_is_not_kept_is_woken(place: Place) -> None:
    with pytest.raises(NotFound, match="shop/api@v1"):
        await place.workloads.wake(API)
