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

    async def after_wakes(self) -> None:
        """
        Returns when none is under way and the last is answered, or they have gone first for long
        enough.
        """
        while (left := self._since + LONGEST_SECONDS - self._clock()) > 0:
            if not self._wakes:
                rest = self._ended + ANSWERED_SECONDS - self._clock()
                if rest <= 0:
                    return
                await asyncio.sleep(min(rest, left))
                continue
            try:
                async with asyncio.timeout(left):
                    await self._none.wait()
            except TimeoutError:
                return
