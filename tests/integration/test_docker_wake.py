"""Replicas that sleep on a real engine: woken by what is known of them, whatever became of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from docker_bench import REF, Bench, open_bench
from docker_objects import DOCKER_HOST, Container
from engine_proxy import engine_proxy
from eventually import eventually
from freeze_race import race
from spacecloud.drivers.docker import releases
from spacecloud.drivers.docker.pods.freezer import Freezer
from spacecloud.errors import NotFound, Transient
from spacecloud.model.refs import ServiceRef
from spacecloud.reasons.tasks import Exited, WakeTimedOut
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import (
    FreezeReplica,
    StopReplica,
    ThawReplica,
)

pytestmark = pytest.mark.docker

ID = "api--v1--0"
FREEZE, THAW = FreezeReplica(REF, ID), ThawReplica(REF, ID)
STOP = StopReplica(REF, ID, then="keep")

ONCE = """
import os, pathlib, socket, sys, time
seen = pathlib.Path("/tmp/seen")
if seen.exists():
    print("there is no database", flush=True)
    {second}
seen.parent.mkdir(exist_ok=True)
seen.touch()
server = socket.create_server(("0.0.0.0", 8080))
time.sleep(600)
"""
"""A task that listens when it is started for the first time, and not again."""


def once(bench: Bench, second: str, **given: Any) -> dict[str, Any]:
    code = ONCE.format(second=second)
    return bench.task(docker={"image": bench.image, "cmd": ["-c", code]}, **given)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


async def states(bench: Bench) -> list[str]:
    replica = await bench.replica()
    return ["frozen" if task.frozen else task.state for task in replica.tasks]


async def become(bench: Bench, *wanted: str) -> None:
    async def check() -> None:
        assert await states(bench) == list(wanted)

    await eventually(check, within=20)


async def freezer_of(bench: Bench, container: str) -> Freezer:
    shown = await Container(bench.engine, container).show()
    return Freezer(container, shown["State"]["Pid"])


async def status_of(bench: Bench, container: str) -> str:
    """In the engine's words."""
    return str((await Container(bench.engine, container).show())["State"]["Status"])


async def asleep(bench: Bench, *tasks: dict[str, Any]) -> ObservedReplica:
    """Its tasks have ended because they were asked to."""
    await bench.workloads.execute(bench.op(*tasks))
    replica = await bench.ready()
    await bench.workloads.execute(STOP)
    await become(bench, *(["exited"] * len(replica.tasks)))
    return replica


async def call(bench: Bench) -> bool:
    """Does the replica answer at its address?"""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        try:
            async with session.get("http://10.140.0.2:8080/") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


async def test_a_frozen_replica_answers_nobody_and_at_once_when_it_is_woken(bench: Bench) -> None:
    side = {"id": "side", "docker": {"image": bench.image}, "env": {"HTTP_PORT": "9000"}}
    await bench.workloads.execute(bench.op(bench.task(), side))
    await bench.ready()

    await bench.workloads.execute(FREEZE)
    frozen, silent = await states(bench), await call(bench)
    woken = await bench.workloads.wake(REF)

    assert (frozen, silent) == (["frozen", "frozen"], False)
    assert woken.by == "thaw"
    assert await call(bench)
    assert (await bench.replica()).ready


async def test_all_tasks_of_a_stopped_replica_are_woken_and_those_one_can_ask_are_ready(
    bench: Bench,
) -> None:
    side = {"id": "side", "docker": {"image": bench.image}, "env": {"HTTP_PORT": "9000"}}
    before = await asleep(bench, bench.task(env={"START_SECONDS": "1"}), side)

    began = time.monotonic()
    woken = await bench.workloads.wake(REF)
    took = time.monotonic() - began

    assert took > 1
    assert took - 0.1 < woken.run_seconds + woken.ready_seconds <= took
    # The engine says that it runs a little after it does.
    assert (woken.by, woken.ready_seconds > 0.5) == ("start", True), woken
    assert await call(bench)
    after = await bench.replica()
    assert [t.state for t in after.tasks] == ["running", "running"]
    assert after.address == before.address


async def test_a_task_that_ends_when_it_is_woken_says_why(bench: Bench) -> None:
    await asleep(bench, once(bench, "sys.exit(3)"))

    with pytest.raises(Transient, match="there is no database") as failed:
        await bench.workloads.wake(REF)

    assert failed.value.reason == Exited(3, "there is no database")


async def test_a_task_that_does_not_get_ready_when_it_is_woken_says_why(bench: Bench) -> None:
    probe = {"type": "tcp", "graceSeconds": 1}
    await asleep(bench, once(bench, "time.sleep(600)", probe=probe))

    with pytest.raises(Transient, match="nothing listens on port 8080") as failed:
        await bench.workloads.wake(REF)

    assert isinstance(failed.value.reason, WakeTimedOut)


async def test_a_frozen_one_is_woken_whatever_became_of_it_meanwhile(tmp_path: Path) -> None:
    async with open_bench(tmp_path, woken_seconds=0) as bench:
        await bench.workloads.execute(bench.op())
        container = (await bench.ready()).tasks[0].container

        await bench.workloads.execute(FREEZE)
        async with bench.another() as workloads:
            await workloads.wake(REF)
            by_a_new_process = await call(bench)
        await bench.workloads.execute(FREEZE)
        assert (await freezer_of(bench, container)).thaw()
        await bench.workloads.wake(REF)
        thawed_by_hand = await call(bench)
        await bench.workloads.observe(REF.key)
        await bench.workloads.execute(FREEZE)
        await Container(bench.engine, container).kill(signal="SIGKILL")
        await bench.workloads.wake(REF)

        assert (by_a_new_process, thawed_by_hand) == (True, True)
        assert await call(bench)


async def test_one_that_has_lost_its_sandbox_is_left_to_the_reconciler(bench: Bench) -> None:
    replica = await asleep(bench)
    (sandbox,) = [c for c in await bench.containers() if c != replica.tasks[0].container]
    await bench.engine.delete(f"containers/{sandbox}", force=True)

    with pytest.raises(NotFound):
        await bench.workloads.wake(REF)
    with pytest.raises(NotFound):
        await bench.workloads.wake(ServiceRef("shop", "api", "v2"))


async def test_a_wake_waits_for_no_look_and_no_operation(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    await bench.ready()
    await bench.workloads.execute(FREEZE)

    async with bench.all_slots_taken(), asyncio.timeout(10):
        await bench.workloads.wake(REF)

    assert await call(bench)


async def test_a_freeze_that_races_a_call_costs_it_nothing(tmp_path: Path) -> None:
    """10,000 tries of the same are in the chaos tests."""
    async with open_bench(tmp_path, woken_seconds=0) as bench:
        await bench.workloads.execute(bench.op())
        await bench.ready()

        raced = await race(bench, 200, "suite")

        assert not raced.lost, raced.lost[:5]
        assert raced.tries == 200
        assert min(raced.first["freeze"], raced.first["wake"]) > 0, raced.first


async def test_what_was_woken_is_not_frozen_for_a_while(bench: Bench) -> None:
    """Whoever was let through may be sent on at once, and is in no report yet."""
    await bench.workloads.execute(bench.op())
    await bench.ready()
    await bench.workloads.execute(FREEZE)
    await bench.workloads.wake(REF)
    await bench.workloads.observe(REF.key)

    with pytest.raises(Transient, match="woken"):
        await bench.workloads.execute(FREEZE)


async def test_what_took_long_to_wake_is_not_laid_down_for_a_while_after_it(
    tmp_path: Path,
) -> None:
    async with open_bench(tmp_path, woken_seconds=2) as bench:
        await asleep(bench, bench.task(env={"START_SECONDS": "3"}))
        await bench.workloads.wake(REF)
        await bench.workloads.observe(REF.key)

        with pytest.raises(Transient, match="woken"):
            await bench.workloads.execute(FREEZE)


async def test_probes_rest_while_a_replica_is_frozen_and_its_verdict_stays(bench: Bench) -> None:
    probe = {"type": "tcp", "intervalSeconds": 0.1, "failures": 1, "timeoutSeconds": 0.2}
    await bench.workloads.execute(bench.op(bench.task(probe=probe)))
    await bench.ready()

    await bench.workloads.execute(FREEZE)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        task = await bench.main()
        assert (task.frozen, task.health.state) == (True, "ready")
    await bench.workloads.execute(THAW)

    assert (await bench.replica()).ready


async def test_what_is_frozen_when_the_control_plane_begins_is_asked_nothing_until_it_is_thawed(
    bench: Bench,
) -> None:
    probe = {"type": "http", "intervalSeconds": 0.1, "failures": 1, "timeoutSeconds": 0.2}
    await bench.workloads.execute(bench.op(bench.task(probe=probe)))
    await bench.ready()
    await bench.workloads.execute(FREEZE)

    async with bench.another() as workloads:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            (task,) = (await bench.replica(workloads)).tasks
            assert (task.frozen, task.health.state) == (True, "unknown")
        await workloads.execute(THAW)

        async def is_ready() -> None:
            replica = await bench.replica(workloads)
            assert replica.ready, replica

        await eventually(is_ready, within=20)


async def test_a_frozen_replica_can_be_asked_to_end_when_it_was_thawed(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    replica = await bench.ready()
    await bench.workloads.execute(FREEZE)

    await bench.workloads.execute(THAW)
    await bench.workloads.execute(STOP)

    await become(bench, "exited")
    (task,) = (await bench.replica()).tasks
    lines = await bench.workloads.logs.last_lines("shop", replica.id, "main", 1)
    assert (task.exit_code, lines) == (0, ["api stopped"])


async def test_the_kernel_is_believed_where_the_engine_is_wrong(tmp_path: Path) -> None:
    """containerd's event of a pause may come after the next call, and the engine takes it in."""
    async with open_bench(tmp_path, woken_seconds=0) as bench:
        await bench.workloads.execute(bench.op())
        container = (await bench.ready()).tasks[0].container
        freezer = await freezer_of(bench, container)

        assert freezer.freeze()
        seen = await states(bench)
        await bench.workloads.wake(REF)
        thawed_unknown_to_the_engine = await call(bench)
        await Container(bench.engine, container).pause()
        assert freezer.thaw()
        await bench.workloads.observe(REF.key)
        await bench.workloads.execute(FREEZE)
        frozen = freezer.state()
        assert freezer.thaw()
        await bench.workloads.wake(REF)

        assert (seen, thawed_unknown_to_the_engine, frozen) == (["frozen"], True, "frozen")
        assert await call(bench)
        assert await status_of(bench, container) == "running"


async def test_the_engine_is_asked_to_freeze_where_it_would_not_end_what_the_kernel_holds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "thaws_what_it_kills", lambda version: False)
    await bench.workloads.execute(bench.op())
    container = (await bench.ready()).tasks[0].container

    await bench.workloads.execute(FREEZE)
    told, seen = await status_of(bench, container), await states(bench)
    await bench.workloads.wake(REF)

    assert (told, seen) == ("paused", ["frozen"])
    assert await call(bench)
    assert await status_of(bench, container) == "running"


async def test_what_is_asked_to_end_by_hand_while_it_is_frozen_hears_it(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    replica = await bench.ready()
    container = Container(bench.engine, replica.tasks[0].container)
    await bench.workloads.execute(FREEZE)
    before = await states(bench)

    await container.stop(grace_seconds=20)

    lines = await bench.workloads.logs.last_lines("shop", replica.id, "main", 1)
    assert before == ["frozen"]
    assert ((await container.show())["State"]["ExitCode"], lines) == (0, ["api stopped"])


async def test_nothing_stays_frozen_when_the_engine_is_gone(bench: Bench, tmp_path: Path) -> None:
    """It may have been told to end: what it signals has to run to hear it."""
    await bench.workloads.execute(bench.op())
    container = (await bench.ready()).tasks[0].container
    freezer = await freezer_of(bench, container)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(engine_proxy(DOCKER_HOST, tmp_path / "e.sock"))
        other = await stack.enter_async_context(bench.another(proxy.address))
        await other.observe(REF.key)
        await other.execute(FREEZE)
        before = freezer.state()

        await proxy.close()

        async def runs() -> None:
            assert freezer.state() == "running"

        await eventually(runs)
        assert before == "frozen"
        assert await call(bench)


async def test_a_control_plane_that_ends_leaves_what_is_frozen_to_the_engine(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    container = (await bench.ready()).tasks[0].container

    async with bench.another() as workloads:
        await workloads.observe(REF.key)
        await workloads.execute(FREEZE)
        before = await status_of(bench, container)
    after = await status_of(bench, container)
    await bench.workloads.observe(REF.key)
    await bench.workloads.wake(REF)

    assert (before, after) == ("running", "paused")
    assert await call(bench)
    assert await status_of(bench, container) == "running"
