"""A queue of keys: no key twice at once, none forgotten, some due later."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from spacecloud.errors import Terminal, Transient
from spacecloud.model.refs import ServiceKey
from spacecloud.reconcile.controller import Controller, backoff
from spacecloud.reconcile.execute import execute
from spacecloud.reconcile.queue import KeyQueue
from spacecloud.workloads.operations import AwaitReady, Op, RemoveNetwork
from spacecloud.workloads.plan import Plan, Step


def now() -> datetime:
    return datetime.now(UTC)


async def _taken(queue: KeyQueue[str]) -> str:
    async with asyncio.timeout(2), queue.take() as key:
        return key


async def test_a_key_that_is_added_twice_is_taken_once() -> None:
    queue = KeyQueue[str](now)
    queue.add("a")
    queue.add("b")
    queue.add("a")

    assert [await _taken(queue), await _taken(queue)] == ["a", "b"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), queue.take():
            pass


async def test_a_key_that_is_added_while_it_is_worked_on_comes_again_and_not_at_once() -> None:
    queue = KeyQueue[str](now)
    queue.add("a")

    async with queue.take() as key:
        queue.add(key)
        queue.add(key)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), queue.take():
                pass

    assert await _taken(queue) == "a"


async def test_a_key_comes_when_it_is_due_and_the_earliest_time_counts() -> None:
    queue = KeyQueue[str](now)
    began = now()
    queue.add_at("a", began + timedelta(seconds=30))
    queue.add_at("a", began + timedelta(milliseconds=80))
    queue.add_at("a", began + timedelta(seconds=20))

    assert await _taken(queue) == "a"
    assert now() - began >= timedelta(milliseconds=80)


async def test_a_worker_that_waits_for_a_later_key_hears_of_an_earlier_one() -> None:
    queue = KeyQueue[str](now)
    queue.add_at("late", now() + timedelta(seconds=30))
    async with asyncio.TaskGroup() as tasks:
        taken = tasks.create_task(_taken(queue))
        await asyncio.sleep(0.01)
        queue.add("soon")

    assert taken.result() == "soon"


async def test_several_workers_share_the_keys() -> None:
    queue = KeyQueue[int](now)
    seen: list[int] = []

    async def work() -> None:
        async with queue.take() as key:
            await asyncio.sleep(0.01)
            seen.append(key)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(work())
        for key in range(4):
            queue.add(key)

    assert sorted(seen) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [Transient("no"), Terminal("never"), ZeroDivisionError("bug")])
async def test_a_failure_of_one_key_is_told_tried_again_and_stops_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: dict[str, int] = {"bad": 0, "good": 0}
    told: list[tuple[str, str]] = []
    good = asyncio.Event()

    async def reconcile(key: str) -> datetime | None:
        attempts[key] += 1
        if key == "bad" and attempts[key] < 3:
            raise error
        if key == "bad":
            good.set()
        return None

    controller = Controller[str]("test", reconcile, lambda k, r: told.append((k, r)), now)
    controller.queue.add("bad")
    controller.queue.add("good")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(controller.run())
        await good.wait()
        running.cancel()

    assert attempts == {"bad": 3, "good": 1}
    assert [key for key, _ in told] == ["bad", "bad"]


def test_retries_slow_down_to_half_a_minute() -> None:
    assert [backoff(n).total_seconds() for n in (1, 2, 3, 7, 50)] == [0.5, 1, 2, 30, 30]


def _step(name: str, *after: int) -> Step:
    return Step(RemoveNetwork(ServiceKey("p", name)), "test", after)


def _name(op: Op) -> str:
    assert isinstance(op, RemoveNetwork)
    return op.key.service


async def test_steps_run_after_those_they_follow_and_side_by_side_otherwise() -> None:
    order: list[str] = []

    async def do(op: Op) -> None:
        await asyncio.sleep({"a": 0.03, "b": 0.01, "c": 0.0}[_name(op)])
        order.append(_name(op))

    outcome = await execute(Plan((_step("a"), _step("b"), _step("c", 0, 1)), now=3), do)

    assert order == ["b", "a", "c"]
    assert [_name(op) for op in outcome.done] == order


async def test_a_failed_step_takes_those_that_follow_with_it_and_no_others() -> None:
    async def do(op: Op) -> None:
        if _name(op) == "a":
            raise Transient("no")

    plan = Plan((_step("a"), _step("b", 0), _step("c", 1), _step("d")), now=4)
    outcome = await execute(plan, do)

    assert [_name(op) for op in outcome.done] == ["d"]
    assert [(_name(op), str(error)) for op, error in outcome.failed] == [("a", "no")]


async def test_waits_and_forecasts_are_not_carried_out() -> None:
    done: list[Op] = []

    async def do(op: Op) -> None:
        done.append(op)

    plan = Plan((Step(AwaitReady("r"), "test"), _step("a", 0), _step("b"), _step("c")), now=3)
    await execute(plan, do)

    assert [_name(op) for op in done] == ["b"]
