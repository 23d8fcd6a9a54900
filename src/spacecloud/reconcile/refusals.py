"""Calls that policy refused: counted per caller, shown in status, told as events."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Never

from spacecloud.drivers.driver import Traffic
from spacecloud.mesh.explain import caller_at, why_refused
from spacecloud.model.refs import ServiceKey
from spacecloud.model.status import RefusalView
from spacecloud.model.traffic import Refusal
from spacecloud.reconcile.declarations import Declarations
from spacecloud.reconcile.journal import Journal

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
MOST_PER_SERVICE = 50


@dataclass
class _Tally:
    count: int
    last: datetime
    reason: str


class Refusals:
    def __init__(
        self,
        traffic: Traffic,
        declarations: Declarations,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._traffic = traffic
        self._declarations = declarations
        self._journal = journal
        self._now = now
        self._pending: dict[Refusal, int] = {}
        self._tallies: dict[ServiceKey, dict[tuple[str, int], _Tally]] = {}

    def of(self, key: ServiceKey) -> tuple[RefusalView, ...]:
        """The latest first."""
        views = [
            RefusalView(caller=caller, port=port, count=t.count, last=t.last, reason=t.reason)
            for (caller, port), t in self._tallies.get(key, {}).items()
        ]
        return tuple(sorted(views, key=lambda view: view.last, reverse=True))

    @property
    def total(self) -> int:
        return sum(t.count for of_key in self._tallies.values() for t in of_key.values())

    async def listen(self) -> None:
        async for refusal in self._traffic.refusals():
            self._pending[refusal] = self._pending.get(refusal, 0) + 1

    async def flush(self) -> Never:
        """A flood of refused calls costs one event a second and caller."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            pending, self._pending = self._pending, {}
            for refusal, count in pending.items():
                await self._count(refusal, count)

    async def _count(self, refusal: Refusal, count: int) -> None:
        policy = await self._declarations.policy()
        key = caller_at(refusal.caller_address, policy)
        caller = str(key) if key is not None else refusal.caller_address
        reason = (
            why_refused(key, refusal.callee, policy)
            if key is not None
            else "no service has this address"
        )
        tallies = self._tallies.setdefault(refusal.callee, {})
        known = tallies.pop((caller, refusal.port), _Tally(0, self._now(), ""))
        tallies[caller, refusal.port] = _Tally(known.count + count, self._now(), reason)
        while len(tallies) > MOST_PER_SERVICE:
            del tallies[next(iter(tallies))]
        message = f"a call from {caller} to port {refusal.port} was refused: {reason}"
        self._journal.note(refusal.callee, "Refused", message, "warning", count=count)
