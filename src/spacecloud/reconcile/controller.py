"""
Run a reconciler over a queue: several keys at once, one key never twice at once.

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


class Controller(Generic[K]):
    def __init__(
        self,
        name: str,
        reconcile: Callable[[K], Awaitable[datetime | None]],
        on_error: Callable[[K, str], None],
        now: Callable[[], datetime],
        *,
        workers: int = 8,
    ) -> None:
        self.queue = KeyQueue[K](now)
        self._name = name
        self._reconcile = reconcile
        self._on_error = on_error
        self._now = now
        self._workers = workers
        self._failures: dict[K, int] = {}

    async def run(self) -> Never:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._workers):
                tasks.create_task(self._work(), name=f"{self._name}-{number}")
        raise AssertionError("workers never return")

    async def _work(self) -> Never:
        while True:
            async with self.queue.take() as key:
                again = await self._attempt(key)
            if again is not None:
                self.queue.add_at(key, again)

    async def _attempt(self, key: K) -> datetime | None:
        try:
            again = await self._reconcile(key)
        except SpaceCloudError as error:
            delay = self._failed(key)
            logger.warning("%s: %s, next try in %s: %s", self._name, key, delay, error)
            self._on_error(key, str(error))
        except Exception as error:
            delay = self._failed(key)
            logger.exception("%s: a bug while looking at %s", self._name, key)
            self._on_error(key, f"internal error, please report it: {error!r}")
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
