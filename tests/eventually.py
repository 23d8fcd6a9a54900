"""Wait for the world, never for the clock."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def eventually(
    check: Callable[[], Awaitable[None] | None], *, within: float = 10.0, every: float = 0.05
) -> None:
    """Until it does not raise an AssertionError; the last one is raised when time is over."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer = check()
            if inspect.isawaitable(answer):
                await answer
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        await asyncio.sleep(every)
