"""
Permits for work on something shared: bounded, and fair between owners.

An owner's work takes turns with that of all others, and never has more than its own bound. Work
that hangs costs the others ``hold_seconds`` once: then its permit is given on, and what its owner
starts later shares half of the permits with all owners that are slow like it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class _Permit:
    def __init__(self, *, is_slow: bool) -> None:
        self.is_slow = is_slow
        self.counts = True


class FairSemaphore(Generic[K]):
    def __init__(self, total: int, per_owner: int, hold_seconds: float) -> None:
        self._total = total
        self._per_owner = per_owner
        self._hold_seconds = hold_seconds
        self._counted: set[_Permit] = set()
        self._held: dict[K, int] = {}
        self._slow: set[K] = set()
        self._waiting: dict[K, deque[asyncio.Future[_Permit]]] = {}

    @asynccontextmanager
    async def permit(self, owner: K) -> AsyncGenerator[None]:
        """Wait for a turn; the owner's bound holds until the block ends."""
        permit = await self._taken(owner)
        timer = asyncio.get_running_loop().call_later(
            self._hold_seconds, self._give_on, owner, permit
        )
        try:
            yield
        finally:
            timer.cancel()
            if permit.counts:
                self._slow.discard(owner)
            self._return(owner, permit)

    async def _taken(self, owner: K) -> _Permit:
        turn: asyncio.Future[_Permit] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        self._grant()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._return(owner, turn.result())
            raise

    def _grant(self) -> None:
        while len(self._counted) < self._total:
            owner = next((o for o in self._waiting if self._may_start(o)), None)
            if owner is None:
                return
            turns = self._waiting.pop(owner)
            turn = turns.popleft()
            if turns:
                # To the end: everybody else has a turn first.
                self._waiting[owner] = turns
            if turn.cancelled():
                continue
            permit = _Permit(is_slow=owner in self._slow)
            self._counted.add(permit)
            self._held[owner] = self._held.get(owner, 0) + 1
            turn.set_result(permit)

    def _may_start(self, owner: K) -> bool:
        if self._held.get(owner, 0) >= self._per_owner:
            return False
        slow = sum(permit.is_slow for permit in self._counted)
        return owner not in self._slow or slow < max(1, self._total // 2)

    def _give_on(self, owner: K, permit: _Permit) -> None:
        permit.counts = False
        self._slow.add(owner)
        self._counted.discard(permit)
        self._grant()

    def _return(self, owner: K, permit: _Permit) -> None:
        self._counted.discard(permit)
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._grant()
