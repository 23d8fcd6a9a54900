"""
Begin what the memory of the machine holds, one by one (ADR 45).

What does not fit is not begun: it is ``Transient``, is tried again every few seconds, and keeps
its place in the order meanwhile. Nothing that runs is stopped or refused for it: a thaw, and the
restart of a task that ended while its version was awake, ask nobody. A look asks nothing here, and
the machine is asked at most once a second, by what is to start.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from spacecloud.autoscale.capacity import Starting, Wish, capacity, expected_bytes
from spacecloud.drivers.driver import Resources, Workloads
from spacecloud.errors import Transient
from spacecloud.model.load import MachineMemory, Usage
from spacecloud.model.refs import ServiceKey, ServiceRef, replica_id
from spacecloud.model.scale import memory_request
from spacecloud.model.service import Service
from spacecloud.model.wake import Resumed
from spacecloud.reasons.scaling import MemoryShort
from spacecloud.reasons.steps import Awake
from spacecloud.reconcile.events import EventRecorder
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import CreateReplica, StartTask, StopReplica, WorkloadOp
from spacecloud.workloads.plan import Step
from spacecloud.workloads.situation import in_service, is_live

ROUND_SECONDS = 1.0
"""Between two looks at the machine's memory."""

FORGOTTEN_SECONDS = 15.0
"""A wish that is not repeated for so long is nobody's any more: three tries."""

START_SECONDS = 300.0
"""What is not ready by then counts with what it uses, like any that runs."""


@dataclass(frozen=True, slots=True)
class _Asked:
    wish: Wish
    at: float


@dataclass(frozen=True, slots=True)
class _Begun:
    wish: Wish
    at: float
    done: datetime | None = None
    """When its operation had ended, by the wall clock; None: it has not."""


class Admission:
    def __init__(
        self,
        workloads: Workloads,
        resources: Resources,
        last_look: Callable[[ServiceKey], Snapshot | None],
        events: EventRecorder,
        try_again: Callable[[ServiceKey], None],
        now: Callable[[], datetime],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``try_again`` hears of a service of which something fits by now that was refused."""
        self._workloads = workloads
        self._resources = resources
        self._last_look = last_look
        self._events = events
        self._try_again = try_again
        self._now = now
        self._clock = clock
        self._lock = asyncio.Lock()
        self._round_at = float("-inf")
        self._memory = MachineMemory(0, 0)
        self._used: dict[str, Usage] = {}
        self._measured: dict[ServiceRef, int] = {}
        """What a replica of the version had as its working set, when it was last asked for."""

        self._waiting: dict[str, _Asked] = {}
        """By replica: what was refused, and is still asked for."""

        self._promised: dict[str, _Asked] = {}
        """What waited and fits now: its memory is kept until its next try."""

        self._begun: dict[str, _Begun] = {}

    async def execute(self, step: Step, op: WorkloadOp) -> None:
        """Carry it out; ``Transient`` where it would start what does not fit."""
        match op:
            case CreateReplica() if not self._runs(op.ref, op.replica):
                await self._measure(op.ref)
                async with self._place(op.ref, op.slot, op.spec):
                    await self._workloads.execute(op)
            case StartTask() if isinstance(step.cause, Awake):
                async with self._waking(op.ref, op.replica):
                    await self._workloads.execute(op)
            case StopReplica():
                await self._measure(op.ref)
                await self._workloads.execute(op)
            case _:
                await self._workloads.execute(op)

    async def wake(self, ref: ServiceRef) -> Resumed:
        """As ``Workloads.wake``; ``Transient`` where what is stopped would not fit."""
        async with self._waking(ref):
            return await self._workloads.wake(ref)

    @asynccontextmanager
    async def _waking(self, ref: ServiceRef, id: str = "") -> AsyncGenerator[None]:
        """``id``: empty for the replica that a wake takes. What runs, frozen or not, is there."""
        snapshot = self._last_look(ref.key)
        version = snapshot.situation.version(ref) if snapshot is not None else None
        kept = [r for r in self._replicas(ref) if r.sandbox == "running" and id in ("", r.id)]
        if version is None or not kept or any(is_live(r) for r in kept):
            yield
            return
        slot = min(replica.slot for replica in kept)
        async with self._place(ref, slot, version.running):
            yield

    @asynccontextmanager
    async def _place(self, ref: ServiceRef, slot: int, spec: Service) -> AsyncGenerator[None]:
        id = replica_id(ref, slot)
        begun = self._begun.get(id)
        if begun is not None and self._has_started(id, begun, self._clock()):
            # Of an earlier start: it has ended since.
            del self._begun[id]
        if id not in self._begun:
            await self._admit(id, self._wish(ref, slot, spec))
        try:
            yield
        except BaseException:
            self._begun.pop(id, None)
            raise
        if (begun := self._begun.get(id)) is not None:
            self._begun[id] = replace(begun, done=self._now())

    def _wish(self, ref: ServiceRef, slot: int, spec: Service) -> Wish:
        bytes = expected_bytes(memory_request(spec), self._measured.get(ref))
        is_first = not any(is_live(replica) for replica in self._replicas(ref))
        return Wish(ref, slot, self._clock(), bytes, is_first)

    async def _admit(self, id: str, wish: Wish) -> None:
        known = self._waiting.get(id)
        if known is not None:
            wish = replace(wish, since=known.wish.since)
            self._waiting[id] = _Asked(wish, self._clock())
        await self._round()
        promised = self._promised.pop(id, None)
        if promised is not None:
            wish = promised.wish
        refused = self._refused(wish) if promised is None else None
        if refused is None:
            self._waiting.pop(id, None)
            self._begun[id] = _Begun(wish, self._clock())
            return
        if known is None:
            said = f"{id} is not started: {refused}"
            self._events.record(wish.ref.key, "NotStarted", said, "warning", reason=refused)
        self._waiting[id] = _Asked(wish, self._clock())
        raise Transient(refused)

    def _refused(self, wish: Wish) -> MemoryShort | None:
        """What waits does not fit in what this round has left: it is passed by what does."""
        found = capacity(
            self._starting(),
            (wish,),
            total_bytes=self._memory.total_bytes,
            available_bytes=self._memory.available_bytes,
        )
        return found.refused.get(wish)

    async def _round(self) -> None:
        """Once a second at most: look at the machine, and promise what fits, in its order."""
        async with self._lock:
            if self._clock() < self._round_at + ROUND_SECONDS:
                return
            # First what they use: what they grow by until the next line is counted twice.
            self._used = await self._usage() if self._waiting else {}
            self._memory = self._resources.machine_memory()
            self._round_at = self._clock()
            self._forget(self._round_at)
            self._promise(self._round_at)

    def _promise(self, at: float) -> None:
        found = capacity(
            self._starting(),
            (asked.wish for asked in self._waiting.values()),
            total_bytes=self._memory.total_bytes,
            available_bytes=self._memory.available_bytes,
        )
        for wish in found.fits:
            id = replica_id(wish.ref, wish.slot)
            self._promised[id] = _Asked(wish, at)
            self._waiting.pop(id)
        for key in {wish.ref.key for wish in found.fits}:
            self._try_again(key)

    def _starting(self) -> Iterator[Starting]:
        for id, begun in self._begun.items():
            used = self._used.get(id)
            yield Starting(begun.wish.memory_bytes, used.memory_bytes if used is not None else 0)
        for promised in self._promised.values():
            yield Starting(promised.wish.memory_bytes)

    def _forget(self, at: float) -> None:
        """What has started, and what nobody asks for any more."""
        for asked in (self._waiting, self._promised):
            for id in [id for id, a in asked.items() if a.at + FORGOTTEN_SECONDS < at]:
                del asked[id]
        for id in [id for id, begun in self._begun.items() if self._has_started(id, begun, at)]:
            del self._begun[id]

    def _has_started(self, id: str, begun: _Begun, at: float) -> bool:
        """It is ready, was frozen or has ended, in a look that is younger than its operation."""
        if begun.at + START_SECONDS < at:
            return True
        snapshot = self._last_look(begun.wish.ref.key)
        if snapshot is None or begun.done is None or snapshot.situation.now <= begun.done:
            return False
        its = [replica for replica in self._replicas(begun.wish.ref) if replica.id == id]
        return all(in_service(r) or r.has_frozen or not is_live(r) for r in its)

    async def _usage(self) -> dict[str, Usage]:
        """Of what starts."""
        used: dict[str, Usage] = {}
        for key in sorted({begun.wish.ref.key for begun in self._begun.values()}):
            found = await self._resources.usage(key)
            used |= {id: each for id, each in found.items() if id in self._begun}
        return used

    async def _measure(self, ref: ServiceRef) -> None:
        """What one of the version needs, as long as there is one that can be asked."""
        serving = [replica.id for replica in self._replicas(ref) if in_service(replica)]
        if not serving:
            return
        used = await self._resources.usage(ref.key)
        most = max((used[id].memory_bytes for id in serving if id in used), default=0)
        if most:
            self._measured[ref] = most

    def _runs(self, ref: ServiceRef, id: str) -> bool:
        return any(replica.id == id and is_live(replica) for replica in self._replicas(ref))

    def _replicas(self, ref: ServiceRef) -> tuple[ObservedReplica, ...]:
        """As they were at the last look."""
        snapshot = self._last_look(ref.key)
        if snapshot is None:
            return ()
        return tuple(r for r in snapshot.situation.observed.workloads.replicas if r.ref == ref)
