"""Wakes go before looks, for so long and no longer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Never

from spacecloud.reconcile.controller import Controller
from spacecloud.reconcile.queue import KeyQueue
from spacecloud.reconcile.scaling.precedence import ANSWERED_SECONDS, LONGEST_SECONDS, Precedence


async def a_busy_queue(
    precedence: Precedence, look: Callable[[str], Awaitable[None]]
) -> tuple[KeyQueue[str], "asyncio.Future[Never]"]:
    """With a key in it that a controller would take, and has had the time to."""

    def now() -> datetime:
        return datetime.now(UTC)

    queue = KeyQueue[str](now)
    controller = Controller[str]("test", queue, look, print, now, precedence.after_wakes)
    running = asyncio.ensure_future(controller.run())
    queue.add("shop/api")
    for _ in range(10):
        await asyncio.sleep(0)
    return queue, running


async def test_nothing_waits_while_no_wake_is_under_way() -> None:
    await asyncio.wait_for(Precedence().after_wakes(), LONGEST_SECONDS / 2)


async def test_what_was_held_is_answered_first() -> None:
    precedence = Precedence()
    with precedence.waking():
        pass
    began = time.monotonic()

    await asyncio.wait_for(precedence.after_wakes(), LONGEST_SECONDS)

    assert time.monotonic() - began >= ANSWERED_SECONDS / 2


async def test_wakes_one_after_the_other_do_not_go_first_for_ever() -> None:
    now = 0.0
    precedence = Precedence(lambda: now)
    while now < LONGEST_SECONDS:
        with precedence.waking():
            now += ANSWERED_SECONDS
    with precedence.waking():
        await asyncio.wait_for(precedence.after_wakes(), LONGEST_SECONDS / 2)


async def test_it_is_waited_for_the_last_of_several() -> None:
    precedence = Precedence()
    with precedence.waking():
        with precedence.waking():
            waiting = asyncio.ensure_future(precedence.after_wakes())
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()

    await asyncio.wait_for(waiting, 1)


async def test_a_wake_that_takes_long_keeps_nobody_from_going_on() -> None:
    now = 0.0
    precedence = Precedence(lambda: now)
    with precedence.waking():
        now = LONGEST_SECONDS
        # One that begins later changes nothing of it: wakes one after the other are no reason.
        with precedence.waking():
            await asyncio.wait_for(precedence.after_wakes(), LONGEST_SECONDS / 2)


async def test_a_key_is_looked_at_when_the_wakes_are_over() -> None:
    precedence, looked = Precedence(), asyncio.Event()

    async def look(_key: str) -> None:
        looked.set()

    with precedence.waking():
        _, running = await a_busy_queue(precedence, look)
        assert not looked.is_set()

    async with asyncio.timeout(1):
        await looked.wait()
    running.cancel()


async def test_a_key_is_not_held_while_wakes_go_first() -> None:
    precedence, looked = Precedence(), list[str]()

    async def look(key: str) -> None:
        looked.append(key)

    with precedence.waking():
        queue, running = await a_busy_queue(precedence, look)
        async with asyncio.timeout(1), queue.take() as key:
            assert key == "shop/api"
    await precedence.after_wakes()
    running.cancel()

    assert looked == []
