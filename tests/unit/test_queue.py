"""A queue of keys: no key twice at once, none forgotten, some due later."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from spacecloud.errors import Terminal, Transient
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.steps import NotEveryTaskReady, NothingLeft
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


async def test_a_failure_of_one_key_is_told_tried_again_and_stops_no_other() -> None:
    errors = {"a": Transient("no"), "b": Terminal("never"), "c": ZeroDivisionError("bug")}
    attempts = dict.fromkeys((*errors, "good"), 0)
    failures: list[tuple[str, Exception]] = []
    mended: set[str] = set()
    all_mended = asyncio.Event()

    async def reconcile(key: str) -> datetime | None:
        attempts[key] += 1
        if key in errors and attempts[key] < 3:
            raise errors[key]
        mended.add(key)
        if mended == attempts.keys():
            all_mended.set()
        return None

    queue = KeyQueue[str](now)
    controller = Controller[str](
        "test", queue, reconcile, lambda k, r: failures.append((k, r)), now
    )
    for key in attempts:
        queue.add(key)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(controller.run())
        await all_mended.wait()
        running.cancel()

    assert attempts == {"a": 3, "b": 3, "c": 3, "good": 1}
    assert sorted(key for key, _ in failures) == ["a", "a", "b", "b", "c", "c"]


def test_retries_slow_down_to_half_a_minute() -> None:
    assert [backoff(n).total_seconds() for n in (1, 2, 3, 7, 50)] == [0.5, 1, 2, 30, 30]


def _step(name: str, *after: int) -> Step:
    return Step(RemoveNetwork(ServiceKey("p", name)), NothingLeft(), after)


def _name(op: Op) -> str:
    assert isinstance(op, RemoveNetwork)
    return op.key.service


@dataclass
class Effects:
    """Carries operations out by ``do``, and remembers which succeeded."""

    do: Callable[[Op], Awaitable[None]]
    done: list[Op] = field(default_factory=list)
    begun: list[asyncio.Task[None]] = field(default_factory=list)

    def begin(self, step: Step) -> asyncio.Task[None]:
        self.begun.append(asyncio.ensure_future(self._run(step.op)))
        return self.begun[-1]

    async def _run(self, op: Op) -> None:
        await self.do(op)
        self.done.append(op)


async def test_steps_run_after_those_they_follow_and_side_by_side_otherwise() -> None:
    async def do(op: Op) -> None:
        await asyncio.sleep({"a": 0.03, "b": 0.01, "c": 0.0}[_name(op)])

    effects = Effects(do)
    await execute(Plan((_step("a"), _step("b"), _step("c", 0, 1)), now=3), effects.begin, 5)

    assert [_name(op) for op in effects.done] == ["b", "a", "c"]


async def test_a_failed_step_takes_those_that_follow_with_it_and_no_others() -> None:
    async def do(op: Op) -> None:
        if _name(op) == "a":
            raise Transient("no")

    effects = Effects(do)
    plan = Plan((_step("a"), _step("b", 0), _step("c", 1), _step("d")), now=4)
    await execute(plan, effects.begin, 5)

    assert [_name(op) for op in effects.done] == ["d"]
    assert len(effects.begun) == 2


async def test_waits_and_forecasts_are_not_carried_out() -> None:
    async def do(op: Op) -> None:
        pass

    effects = Effects(do)
    plan = Plan(
        (Step(AwaitReady("r"), NotEveryTaskReady()), _step("a", 0), _step("b"), _step("c")), now=3
    )
    await execute(plan, effects.begin, 5)

    assert [_name(op) for op in effects.done] == ["b"]


async def test_when_time_is_over_nothing_more_is_begun_and_what_runs_goes_on() -> None:
    async def do(op: Op) -> None:
        await asyncio.sleep(0.2)

    effects = Effects(do)
    began = now()
    await execute(Plan((_step("a"), _step("b", 0)), now=2), effects.begin, 0.05)

    assert now() - began < timedelta(seconds=0.15)
    assert effects.done == []
    (running,) = effects.begun
    await running
    assert [_name(op) for op in effects.done] == ["a"]


async def test_keys_that_are_held_for_long_keep_no_other_waiting() -> None:
    freed = asyncio.Event()

    async def reconcile(key: int) -> datetime | None:
        if key < 500:
            await freed.wait()
        else:
            freed.set()
        return None

    queue = KeyQueue[int](now)
    controller = Controller[int]("test", queue, reconcile, lambda key, reason: None, now)
    for key in range(501):
        queue.add(key)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(controller.run())
        await freed.wait()
        running.cancel()


async def test_how_long_a_key_was_held_is_measured(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()

    async def reconcile(key: str) -> datetime | None:
        await asyncio.sleep(1.1)
        done.set()
        return None

    queue = KeyQueue[str](now)
    controller = Controller[str]("test", queue, reconcile, lambda key, reason: None, now)
    queue.add("slow")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(controller.run())
        await done.wait()
        await asyncio.sleep(0.01)
        running.cancel()

    assert controller.longest_hold > 1
    assert "a look at slow took 1." in caplog.text
