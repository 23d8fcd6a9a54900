"""
Wakes go before looks.

After a wake there is much to do that nobody waits for: a row, a policy, looks, a push. When many
services wake at once, that of the first would take the processor from the wakes of the others.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic

LONGEST_SECONDS = 1.0
"""
Since wakes have followed each other without a pause. Thawing a hundred replicas takes less; a
start may take minutes, and keeps nothing else from going on.
"""


class Precedence:
    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._wakes = 0
        self._since = 0.0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def waking(self) -> Generator[None]:
        """One wake is under way."""
        if not self._wakes:
            self._since = self._clock()
            self._none.clear()
        self._wakes += 1
        try:
            yield
        finally:
            self._wakes -= 1
            if not self._wakes:
                self._none.set()

    async def after_wakes(self) -> None:
        """Returns when none is under way, or they have been for as long as they go first."""
        left = self._since + LONGEST_SECONDS - self._clock()
        if self._none.is_set() or left <= 0:
            return
        try:
            async with asyncio.timeout(left):
                await self._none.wait()
        except TimeoutError:
            pass
