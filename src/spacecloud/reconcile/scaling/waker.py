"""
Wake versions for the calls that wait at the gate.

A wake is no reconcile: it goes straight to the driver, and the queue hears of it afterwards. All
who wait for a version share one wake. That nothing is laid down by a plan which is older than the
wake is the driver's to see to.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Literal

from spacecloud.drivers.driver import Driver
from spacecloud.errors import NotFound, SpaceCloudError, Terminal, Transient
from spacecloud.mesh.upstream_graph import behind
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.gate_calls import CallRefused, HeldCall, Passed
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scale import SleepPolicy, scale_policy
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.wake import WakePart
from spacecloud.reasons.platform import NotAwakeInTime
from spacecloud.reasons.scaling import (
    AskedToWake,
    Called,
    CalledAsleep,
    CallerAwake,
    LeaseTaken,
    MemoryShort,
    WakeReason,
)
from spacecloud.reconcile.background import Background
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.outcome import reason_of
from spacecloud.reconcile.scaling.memory_admission import Admission
from spacecloud.reconcile.scaling.version_loads import VersionLoads
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas
from spacecloud.report.snapshot import Snapshot
from spacecloud.report.waiting_page import RELOAD_SECONDS, waiting_page
from spacecloud.workloads.observed import Published
from spacecloud.workloads.situation import Situation, in_service

AWAKE_SECONDS = 1.0
"""
For so long after a wake nobody asks the driver again whether the version is awake: less than
``WOKEN_SECONDS``, in which nothing of it is laid down.
"""

REFUSED_SECONDS = 1.0
"""For so long after a wake that failed, callers are told so without another try."""

WAKE_SECONDS = 300.0
"""The longest start that is waited for; callers are told to come back long before."""

RETRY_AFTER_SECONDS = 2

MANY_CALLS = 8
"""
So many that ask at the gate of a version that is awake already are the first of a crowd: the gate
is opened at once, and not by the look that follows a wake some 0.1 s later, as each question costs
a third of a millisecond. For fewer it would take the processor from other wakes (``Precedence``).
"""

Why = Literal["call", "upstream", "connection", "load", "lease", "person"]
REASONS: Mapping[Why, WakeReason] = {
    "call": Called(),
    "upstream": CallerAwake(connected=False),
    "connection": CallerAwake(connected=True),
    "load": CalledAsleep(),
    "lease": LeaseTaken(),
    "person": AskedToWake(),
}


@dataclass(frozen=True, slots=True)
class Woken:
    """One wake, and what it took."""

    ref: ServiceRef
    at: datetime
    why: Why
    was: Depth | None
    """How deep it slept; None: it was on its way already."""

    parts: tuple[WakePart, ...]
    """In their order. Together they are all, from when it was asked for until it took calls."""

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)


class Waker:
    def __init__(
        self,
        driver: Driver,
        admission: Admission,
        loads: VersionLoads,
        wanted_replicas: WantedReplicas,
        events: EventRecorder,
        background: Background[ServiceKey],
        now: Callable[[], datetime],
    ) -> None:
        self._driver = driver
        self._admission = admission
        self._loads = loads
        self._wanted_replicas = wanted_replicas
        self._events = events
        self._background = background
        self._now = now
        self._listeners: list[Callable[[ServiceRef, Woken | SpaceCloudError], None]] = []
        self._wakes: dict[ServiceRef, asyncio.Future[Woken]] = {}
        self._awake_until: dict[ServiceRef, float] = {}
        self._asked_awake: Counter[ServiceRef] = Counter()
        """Calls that had nothing to wait for, since the last wake."""

        self._failures: dict[ServiceRef, tuple[float, SpaceCloudError]] = {}
        self._waiting: dict[ServiceRef, list[asyncio.Future[None]]] = {}

    def listen(self, told: Callable[[ServiceRef, Woken | SpaceCloudError], None]) -> None:
        """``told`` hears how every wake has ended, from now on."""
        self._listeners.append(told)

    async def answer(self, call: HeldCall) -> Passed | CallRefused:
        """For the gate: returns when the call may go on, or why it may not."""
        if monotonic() < self._awake_until.get(call.ref, 0):
            self._count(call.ref)
            return Passed(None)
        try:
            sleep = scale_policy((await self._version(call.ref)).running).sleep
            if sleep is not None and (refused := self._refused(call, sleep)) is not None:
                return refused
            await self.wake(call.ref, "call", call.at)
        except SpaceCloudError as error:
            return CallRefused(f"{call.ref} could not be woken: {error}", RETRY_AFTER_SECONDS)
        return Passed(round(1000 * (monotonic() - call.at)))

    def _refused(self, call: HeldCall, sleep: SleepPolicy) -> CallRefused | None:
        """What the version itself asks for: that fewer wait, or that a browser is shown a page."""
        if sleep.max_held is not None and self._driver.gate.waiting(call.ref) > sleep.max_held:
            sentence = f"{call.ref} is waking, and maxHeld ({sleep.max_held}) calls wait for it"
            return CallRefused(sentence, RETRY_AFTER_SECONDS)
        if sleep.waiting_page and call.accepts_html:
            self.begin(call.ref, "call", call.at)
            sentence = f"{call.ref} is waking"
            return CallRefused(sentence, RELOAD_SECONDS, waiting_page(call.ref))
        return None

    def _count(self, ref: ServiceRef) -> None:
        """A call at the gate of what is awake."""
        self._asked_awake[ref] += 1
        if self._asked_awake[ref] == MANY_CALLS:
            # A process that ends begins nothing more, and lets calls pass.
            with suppress(Transient):
                self._background.start(self._open_gate(ref), f"open gate of {ref}", lambda: None)

    async def _open_gate(self, ref: ServiceRef) -> None:
        """
        What the next look would do. Left to that where the gateway is being told something else
        already, or the version is to sleep again.
        """
        if await self._wanted_replicas.depth(ref) is not None:
            return
        published = self._driver.traffic.view(ref.key).published
        if published is not None and _leads_on(published, ref.version):
            gated = tuple(version for version in published.gated if version != ref.version)
            await self._driver.traffic.publish(published.face, published.endpoints, gated)

    async def wake(self, ref: ServiceRef, why: Why, asked: float | None = None) -> Woken:
        """
        Returns when the version takes calls; raises why it does not. ``asked``: since when it is
        waited for, by the monotonic clock; None: from now on.
        """
        if (error := self._failed_lately(ref)) is not None:
            # The one error is raised for many: each would add its frames to it.
            raise error.with_traceback(None)
        return await asyncio.shield(self.begin(ref, why, asked))

    def forget(self, ref: ServiceRef) -> None:
        """It is not declared any more."""
        self._awake_until.pop(ref, None)
        self._asked_awake.pop(ref, None)
        self._failures.pop(ref, None)

    def refused(self, ref: ServiceRef) -> None:
        """Too many wait for one of its calls to do so: it is woken for the next."""
        if monotonic() >= self._awake_until.get(ref, 0) and self._failed_lately(ref) is None:
            self.begin(ref, "call")

    def _failed_lately(self, ref: ServiceRef) -> SpaceCloudError | None:
        at, error = self._failures.get(ref, (0.0, None))
        return error if monotonic() < at + REFUSED_SECONDS else None

    async def keep_awake(self, ref: ServiceRef) -> None:
        """It may have fallen asleep a moment ago; raises why it cannot be woken."""
        if await self._wanted_replicas.depth(ref) is not None:
            await self.wake(ref, "lease")

    def looked(self, snapshot: Snapshot) -> None:
        """A look has ended: who waits for a replica that had to be made may go on."""
        key = snapshot.situation.desired.key
        for ref in [ref for ref in self._waiting if ref.key == key]:
            outcome = _outcome(snapshot, ref)
            if outcome is None:
                continue
            for waiter in self._waiting.pop(ref):
                if waiter.done():
                    continue
                if isinstance(outcome, SpaceCloudError):
                    waiter.set_exception(outcome)
                else:
                    waiter.set_result(None)

    def begin(
        self, ref: ServiceRef, why: Why, asked: float | None = None
    ) -> "asyncio.Future[Woken]":
        """The one wake that all share; nobody need wait for it."""
        wake = self._wakes.get(ref)
        if wake is None:
            work = self._wake(ref, why, monotonic() if asked is None else asked)
            wake = self._wakes[ref] = self._background.start(
                work, f"wake {ref}", lambda: self._ended(ref)
            )
        return wake

    def _ended(self, ref: ServiceRef) -> None:
        wake = self._wakes.pop(ref, None)
        if wake is not None and not wake.cancelled():
            error = wake.exception()
            if error is None:
                self._succeeded(wake.result())
            elif isinstance(error, SpaceCloudError):
                self._failed(ref, error)
        self._background.enqueue(ref.key)

    def _succeeded(self, woken: Woken) -> None:
        if woken.was is not None:
            took = f"{1000 * woken.seconds:.1f} ms"
            parts = ", ".join(f"{part.name} {1000 * part.seconds:.1f}" for part in woken.parts)
            reason = REASONS[woken.why]
            said = f"{reason}: it was {woken.was}, and took calls after {took} ({parts})"
            self._events.record(
                woken.ref.key, "Woken", f"{woken.ref.version}: {said}", reason=reason
            )
        self._told(woken.ref, woken)

    def _failed(self, ref: ServiceRef, error: SpaceCloudError) -> None:
        self._failures[ref] = (monotonic(), error)
        reason = reason_of(error)
        if not isinstance(reason, MemoryShort):
            # Of that there is one event for all its tries.
            self._events.record(
                ref.key, "WakeFailed", f"{ref.version}: {error}", "error", reason=reason
            )
        self._told(ref, error)

    def _told(self, ref: ServiceRef, outcome: Woken | SpaceCloudError) -> None:
        for told in self._listeners:
            told(ref, outcome)

    async def _wake(self, ref: ServiceRef, why: Why, asked: float) -> Woken:
        self._failures.pop(ref, None)
        was = self._decide(await self._version(ref))
        if was is not None:
            # Nobody waits for them here: each call of it waits at its callee's own gate.
            work = self._wake_callees(ref, was)
            self._background.start(work, f"wake what {ref} calls", lambda: None)
        try:
            async with asyncio.timeout(WAKE_SECONDS):
                parts = await self._raise_up(ref)
        except TimeoutError:
            raise Transient(NotAwakeInTime(WAKE_SECONDS)) from None
        ended = monotonic()
        self._awake_until[ref] = ended + AWAKE_SECONDS
        self._asked_awake.pop(ref, None)
        gate = WakePart("gate", max(0.0, ended - asked - sum(part.seconds for part in parts)))
        return Woken(ref, self._now(), why, was, (gate, *parts))

    async def _wake_callees(self, ref: ServiceRef, was: Depth) -> None:
        """
        Those that are declared behind it, and those that it has connections to.

        To read the kernel's list of connections takes the processor from what the callers wait for.
        So it is read after that: what is written to a frozen callee waits in its socket.
        """
        for other in behind(self._wanted_replicas.policies.latest, ref.key):
            if await self._wanted_replicas.depth(other) is not None:
                self.begin(other, "upstream")
        if was == "stopped":
            # What has ended has left none open.
            return
        await self._wanted_replicas.precedence.after_wakes()
        for other in await self._loads.sleeping_callees(ref):
            self.begin(other, "connection")

    async def _raise_up(self, ref: ServiceRef) -> tuple[WakePart, ...]:
        """What it took the driver, or a look that had to make a replica."""
        try:
            with self._wanted_replicas.precedence.waking():
                return (await self._admission.wake(ref)).parts
        except NotFound:
            began = monotonic()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(ref, []).append(waiter)
            self._background.enqueue(ref.key)
            await waiter
            return (WakePart("create", monotonic() - began),)

    def _decide(self, version: DeclaredVersion) -> Depth | None:
        """From now on it is to be awake, whatever a plan says that is older. How deep it slept."""
        known = self._wanted_replicas.of(version)
        if known is None or known.asleep is None:
            return None
        awake = Scaling(max(1, known.replicas), self._now())
        self._wanted_replicas.decide(version.ref, awake)
        return known.asleep

    async def _version(self, ref: ServiceRef) -> DeclaredVersion:
        version = await self._wanted_replicas.version(ref)
        if version is None:
            raise NotFound(f"there is no version {ref}")
        return version


def _leads_on(published: Published, version: str) -> bool:
    """Has the gateway a replica of it behind its gate, and nothing else on its way to it?"""
    return (
        published.acknowledged
        and version in published.gated
        and any(e.version == version and not e.draining for e in published.endpoints)
    )


def _outcome(snapshot: Snapshot, ref: ServiceRef) -> SpaceCloudError | Literal["serves"] | None:
    """None while it is on its way."""
    situation = snapshot.situation
    version = situation.version(ref)
    if version is None:
        return NotFound(f"there is no version {ref}")
    reached = {e.address for e in situation.acknowledged if not e.draining}
    replicas = situation.observed.workloads.replicas
    if any(r.ref == ref and in_service(r) and r.address in reached for r in replicas):
        return "serves"
    refused = situation.history.refused.get((ref, version.generation))
    if refused is not None:
        return Terminal(refused)
    return next(map(Transient, _short_of_memory(situation, ref)), None)


def _short_of_memory(situation: Situation, ref: ServiceRef) -> Iterator[MemoryShort]:
    for failed in situation.history.failed:
        if isinstance(failed.reason, MemoryShort) and getattr(failed.op, "ref", None) == ref:
            yield failed.reason
