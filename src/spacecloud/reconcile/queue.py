"""
A queue of keys to look at, which forgets duplicates and gives no key to two workers.

A key may also be due later: of several times the earliest counts, and being added at once
clears it, for that look will say anew when the next one is due.
"""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class KeyQueue(Generic[K]):
    """Adding a key that is being worked on makes it wait again, once, for when that is done."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waiting: dict[K, None] = {}
        self._busy: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, datetime] = {}
        self._calendar: list[tuple[datetime, int, K]] = []
        self._entries = 0
        self._notifier = asyncio.Event()

    def add(self, key: K) -> None:
        self._due.pop(key, None)
        if key in self._busy:
            self._again.add(key)
        else:
            self._waiting.setdefault(key)
            self._notifier.set()

    def add_at(self, key: K, when: datetime) -> None:
        if key in self._waiting or self._due.get(key, when) < when:
            return
        self._due[key] = when
        self._entries += 1
        heapq.heappush(self._calendar, (when, self._entries, key))
        self._notifier.set()

    @asynccontextmanager
    async def take(self) -> AsyncGenerator[K]:
        """Wait for a key and hold it until the block ends, however it ends."""
        key = await self.next()
        try:
            yield key
        finally:
            self.done(key)

    async def wait_until_due(self) -> None:
        """Returns when there is a key that nobody holds."""
        while not self._waiting:
            self._notifier.clear()
            await self._rest()
            self._call_due()

    async def next(self) -> K:
        """Wait for a key, and hold it until ``done`` is called with it."""
        await self.wait_until_due()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._busy.add(key)
        if self._waiting:
            self._notifier.set()
        return key

    def done(self, key: K) -> None:
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    async def _rest(self) -> None:
        """Until something is added or the next key is due."""
        seconds = None
        if self._calendar:
            seconds = max(0.0, (self._calendar[0][0] - self._now()).total_seconds())
        try:
            async with asyncio.timeout(seconds):
                await self._notifier.wait()
        except TimeoutError:
            pass

    def _call_due(self) -> None:
        now = self._now()
        while self._calendar and self._calendar[0][0] <= now:
            when, _, key = heapq.heappop(self._calendar)
            if self._due.get(key) == when:
                self.add(key)
