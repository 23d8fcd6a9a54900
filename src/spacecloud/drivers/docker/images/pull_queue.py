"""
Pulls beside the work: begun at once, carried out in turn, and a hint when they end.

Bounded for each registry and in all, fair between services. A registry that hangs keeps its own
permits and no other's.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from spacecloud.drivers.docker.fair_semaphore import FairSemaphore
from spacecloud.drivers.docker.images.pulls import Pulls, registry_of
from spacecloud.errors import DriverError
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.workloads.observed import ObservedPull
from spacecloud.workloads.operations import PullImage

MOST_PULLS, MOST_SECONDS = 64, 5.0
"""In all; what takes longer than so many seconds counts against its own registry alone."""

PULLS_OF_A_REGISTRY, OF_A_SERVICE = 4, 2
FOREVER = 1e9

MOST_KEPT = 1000
"""Ends that are remembered; a look that comes later pulls again."""


@dataclass(slots=True)
class _Pull:
    observed: ObservedPull
    task: asyncio.Task[None]


class PullQueue:
    def __init__(
        self, pulls: Pulls, ended: Callable[[ServiceKey], None], now: Callable[[], datetime]
    ) -> None:
        """``ended`` is called with the service whose pull has ended, however it did."""
        self._pulls = pulls
        self._ended = ended
        self._now = now
        self._all = FairSemaphore[str](MOST_PULLS, MOST_PULLS, MOST_SECONDS)
        self._registries: dict[str, FairSemaphore[ServiceKey]] = {}
        self._known: dict[tuple[ServiceRef, str], _Pull] = {}

    def start(
        self, group: asyncio.TaskGroup, op: PullImage, credentials: Mapping[str, str] | None
    ) -> None:
        """Again, where the last one has ended."""
        known = self._known.get((op.ref, op.image))
        if known is not None:
            if known.observed.state == "running" and known.observed.op.secret == op.secret:
                return
            known.task.cancel()
        task = group.create_task(self._run(op, credentials), name=f"pull {op.image} for {op.ref}")
        self._known.pop((op.ref, op.image), None)
        self._known[op.ref, op.image] = _Pull(ObservedPull(op, "running"), task)

    def cancel(self, op: PullImage) -> None:
        known = self._known.pop((op.ref, op.image), None)
        if known is not None:
            known.task.cancel()

    def of(self, key: ServiceKey) -> tuple[ObservedPull, ...]:
        return tuple(pull.observed for (ref, _), pull in self._known.items() if ref.key == key)

    async def _run(self, op: PullImage, credentials: Mapping[str, str] | None) -> None:
        registry = registry_of(op.image)
        permits = self._registries.setdefault(
            registry, FairSemaphore[ServiceKey](PULLS_OF_A_REGISTRY, OF_A_SERVICE, FOREVER)
        )
        try:
            async with permits.permit(op.ref.key), self._all.permit(registry):
                await self._pulls.pull(op.image, credentials)
        except DriverError as error:
            self._end(ObservedPull(op, "failed", self._now(), error.reason))
        else:
            self._end(ObservedPull(op, "done", self._now()))

    def _end(self, observed: ObservedPull) -> None:
        known = self._known[observed.op.ref, observed.op.image]
        known.observed = replace(observed, op=known.observed.op)
        self._forget_oldest()
        self._ended(observed.op.ref.key)

    def _forget_oldest(self) -> None:
        ended = [where for where, pull in self._known.items() if pull.observed.state != "running"]
        for where in ended[:-MOST_KEPT]:
            del self._known[where]
