"""
Tells subscribers that something changed, and never what it changed to.

A subscription holds each distinct hint once, so a slow reader costs a bounded amount of
memory and misses nothing: it looks at the present state anyway.
"""

import asyncio
from collections.abc import Iterable
from typing import Self
from weakref import WeakSet

from spacecloud.model.declared import Change


class Subscription:
    """Hints since it was made; ends when the store is closed."""

    def __init__(self) -> None:
        self._pending: dict[Change, None] = {}
        self._rung = asyncio.Event()
        self._closed = False

    def notify(self, changes: Iterable[Change]) -> None:
        self._pending.update(dict.fromkeys(changes))
        self._rung.set()

    def close(self) -> None:
        self._closed = True
        self._rung.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while not self._pending:
            if self._closed:
                raise StopAsyncIteration
            self._rung.clear()
            await self._rung.wait()
        change = next(iter(self._pending))
        del self._pending[change]
        return change


class Notifier:
    def __init__(self) -> None:
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    def subscribe(self) -> Subscription:
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def notify(self, changes: Iterable[Change]) -> None:
        for subscription in list(self._subscriptions):
            subscription.notify(changes)

    def close(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.close()
