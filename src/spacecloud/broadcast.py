"""Hand what happens to everybody who listens, and wait for none of them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

T = TypeVar("T")


class Broadcast(Generic[T]):
    """
    Each subscriber gets every item, in order, from its subscription on.

    Of one that is slow at most ``limit`` items are held: the oldest is dropped for a new one. So
    an item must be one that may be missed: a hint beside which everything is looked at from time
    to time, or one of many to count.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queues: set[asyncio.Queue[T]] = set()

    @property
    def is_heard(self) -> bool:
        return bool(self._queues)

    def subscribe(self) -> AsyncGenerator[T]:
        """From this call on, until it is closed."""
        queue: asyncio.Queue[T] = asyncio.Queue(self._limit)
        self._queues.add(queue)
        return self._items(queue)

    def send(self, item: T) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(item)

    async def _items(self, queue: asyncio.Queue[T]) -> AsyncGenerator[T]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)
