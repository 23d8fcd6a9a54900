"""
Wakes go before looks.

After a wake there is much to do that nobody waits for: a row, a policy, looks, a push. When many
services wake at once, that of the first would take the processor from the wakes of the others.
"""

import asyncio
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic

LONGEST_SECONDS = 1.0
"""
Since wakes have followed each other without a pause. Thawing a hundred replicas takes less; a
start may take minutes, and keeps nothing else from going on.
"""


ANSWERED_SECONDS = 0.05
"""After a wake: the calls that were held reach the replica, and their answers the callers."""


class Precedence:
    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._wakes = 0
        self._since = self._ended = -math.inf
        """When wakes began to follow each other, and when the last one ended."""

        self._none = asyncio.Event()

    @contextmanager
    def waking(self) -> Generator[None]:
        """One wake is under way."""
        if not self._wakes and self._clock() > self._ended + ANSWERED_SECONDS:
            self._since = self._clock()
        self._none.clear()
        self._wakes += 1
        try:
            yield
        finally:
            self._wakes -= 1
            if not self._wakes:
                self._ended = self._clock()
                self._none.set()

    async def _none_under_way(self) -> None:
        """Returns when that is so, or they have gone first for long enough."""
        left = self._since + LONGEST_SECONDS - self._clock()
        if not self._wakes or left <= 0:
            return
        try:
            async with asyncio.timeout(left):
                await self._none.wait()
        except TimeoutError:
            pass

    async def after_wakes(self) -> None:
        """The same, and the last of them is answered."""
        while (left := self._since + LONGEST_SECONDS - self._clock()) > 0:
            rest = self._ended + ANSWERED_SECONDS - self._clock()
            if self._wakes:
                await self._none_under_way()
            elif rest > 0:
                await asyncio.sleep(min(rest, left))
            else:
                return
