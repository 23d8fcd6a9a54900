"""Slots on something shared: bounded, in turn, and never kept by what hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from eventually import eventually
from spacecloud.drivers.docker.fair_semaphore import FairSemaphore


class Work:
    """Takes permits and keeps each until it is told to let go."""

    def __init__(self, permits: FairSemaphore[str], group: asyncio.TaskGroup) -> None:
        self.permits = permits
        self.group = group
        self.started: list[str] = []
        self.freed: dict[str, asyncio.Event] = {}

    def start(self, owner: str, number: int = 0) -> asyncio.Task[None]:
        return self.group.create_task(self._run(owner, f"{owner}{number}"))

    async def _run(self, owner: str, name: str) -> None:
        self.freed[name] = asyncio.Event()
        async with self.permits.permit(owner):
            self.started.append(name)
            await self.freed[name].wait()

    async def has_started(self, *names: str) -> None:
        def check() -> None:
            assert sorted(self.started) == sorted(names)

        await eventually(check, within=2, every=0.005)


@asynccontextmanager
async def working(total: int, per_owner: int, hold_seconds: float) -> AsyncIterator[Work]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        work = Work(FairSemaphore(total, per_owner, hold_seconds), group)
        yield work
        for freed in work.freed.values():
            freed.set()


async def test_no_more_than_the_total_work_at_once_and_owners_take_turns() -> None:
    async with working(total=2, per_owner=2, hold_seconds=60) as work:
        for number in range(4):
            work.start("a", number)
        work.start("b")
        await work.has_started("a0", "a1")

        work.freed["a0"].set()
        await work.has_started("a0", "a1", "a2")
        work.freed["a1"].set()

        await work.has_started("a0", "a1", "a2", "b0")


async def test_an_owner_has_no_more_than_its_own() -> None:
    async with working(total=8, per_owner=2, hold_seconds=0.01) as work:
        for number in range(3):
            work.start("a", number)
        work.start("b")

        await work.has_started("a0", "a1", "b0")
        await asyncio.sleep(0.05)
        await work.has_started("a0", "a1", "b0")


async def test_what_hangs_keeps_nobody_for_longer_than_the_hold() -> None:
    async with working(total=2, per_owner=2, hold_seconds=0.05) as work:
        work.start("hangs", 0)
        work.start("hangs", 1)
        work.start("good")
        await work.has_started("hangs0", "hangs1")

        await work.has_started("hangs0", "hangs1", "good0")


async def test_owners_that_were_slow_leave_half_of_the_permits_to_the_others() -> None:
    async with working(total=2, per_owner=2, hold_seconds=0.05) as work:
        for owner in ("a", "b", "c"):
            work.start(owner)
        await work.has_started("a0", "b0", "c0")
        await asyncio.sleep(0.1)

        for owner in ("a", "b", "c"):
            work.start(owner, 1)
        work.start("good")

        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert "good0" in work.started
        assert len([name for name in work.started if name.endswith("1")]) == 1


async def test_who_gives_up_waiting_takes_no_permit() -> None:
    async with working(total=1, per_owner=1, hold_seconds=60) as work:
        work.start("a")
        await work.has_started("a0")
        waiting = work.start("b")
        work.start("c")
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        work.freed["a0"].set()

        await work.has_started("a0", "c0")
