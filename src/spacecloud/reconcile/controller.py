"""
Run a reconciler over a queue: every key that is due at once, one key never twice at once.

A worker comes with its key and goes when the key is done: a slow key costs itself alone. That so
many work at once is borne by those that they ask, who bound what is asked of them.

| a look ends with | what follows                                                  |
|------------------|---------------------------------------------------------------|
| a time           | another look then                                             |
| ``None``         | another look when a hint comes                                |
| ``DriverError``  | another look after 0.5 s, 1 s, 2 s … 30 s, or at the next hint|
| any other error  | the same; it is a bug: its traceback is logged, others go on  |
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, Never, TypeVar

from spacecloud.errors import SpaceCloudError
from spacecloud.reconcile.queue import KeyQueue

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=30)
MOST_HOLD_SECONDS = 1.0
"""What a reconciler promises: what takes longer goes on beside it."""


class Controller(Generic[K]):
    def __init__(
        self,
        name: str,
        queue: KeyQueue[K],
        reconcile: Callable[[K], Awaitable[datetime | None]],
        on_error: Callable[[K, Exception], None],
        now: Callable[[], datetime],
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``before`` is waited for before a key is taken."""
        self.longest_hold = 0.0
        """Seconds for which a key was held, at most."""

        self._queue = queue
        self._name = name
        self._reconcile = reconcile
        self._on_error = on_error
        self._now = now
        self._before = before
        self._failures: dict[K, int] = {}

    async def run(self) -> Never:
        async with asyncio.TaskGroup() as workers:
            while True:
                await self._queue.wait_until_due()
                if self._before is not None:
                    await self._before()
                key = await self._queue.next()
                taken = asyncio.get_running_loop().time()
                workers.create_task(self._work(key, taken), name=f"{self._name} {key}")
        raise AssertionError("it waits for keys for ever")

    async def _work(self, key: K, taken: float) -> None:
        try:
            again = await self._attempt(key)
        finally:
            self._queue.done(key)
        self._note_hold(key, asyncio.get_running_loop().time() - taken)
        if again is not None:
            self._queue.add_at(key, again)

    def _note_hold(self, key: K, seconds: float) -> None:
        self.longest_hold = max(self.longest_hold, seconds)
        if seconds > MOST_HOLD_SECONDS:
            logger.warning("%s: a look at %s took %.1f s", self._name, key, seconds)

    async def _attempt(self, key: K) -> datetime | None:
        try:
            again = await self._reconcile(key)
        except SpaceCloudError as error:
            delay = self._failed(key)
            logger.warning("%s: %s, next try in %s: %s", self._name, key, delay, error)
            self._on_error(key, error)
        except Exception as error:
            delay = self._failed(key)
            logger.exception("%s: a bug while looking at %s", self._name, key)
            self._on_error(key, error)
        else:
            self._failures.pop(key, None)
            return again
        return self._now() + delay

    def _failed(self, key: K) -> timedelta:
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        return backoff(failures)


def backoff(failures: int) -> timedelta:
    """0.5 s, 1 s, 2 s … 30 s."""
    return min(FIRST_RETRY * (1 << min(failures - 1, 16)), LONGEST_RETRY)
