"""
Move the number of replicas with load: what load reports tell goes into a pure decision, and what
that says into the store.

A version that is idle costs nothing: it is looked at while something of it was in flight lately,
and when something comes by itself (it freezes, it stops, a schedule opens).
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic
from typing import Never

from spacecloud.autoscale.decide import decide
from spacecloud.autoscale.decision import (
    Decision,
    ScalerState,
    asleep,
    begin,
    begin_asleep,
    woken,
)
from spacecloud.autoscale.samples import Samples
from spacecloud.autoscale.signals import signals_of
from spacecloud.autoscale.usages import Usages
from spacecloud.drivers.driver import Driver
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.gate_calls import WaitingCalls
from spacecloud.model.load import Load
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scale import (
    ScalePolicy,
    UsageTrigger,
    is_allowed,
    policy_in_force,
    wanted_depth,
    wanted_replicas,
)
from spacecloud.model.scaling import Depth
from spacecloud.reasons.scaling import BusyReason, LeaseHeld, NotSettled, SleepNotAllowed
from spacecloud.reconcile.scaling.decision_recorder import DecisionRecorder
from spacecloud.reconcile.scaling.leases import Leases
from spacecloud.reconcile.scaling.version_loads import NONE, VersionLoads
from spacecloud.reconcile.scaling.waker import Waker
from spacecloud.report.scaling import Decided
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.rollout import serves
from spacecloud.workloads.situation import Situation

TICK_SECONDS = 2.0
"""Between two decisions about a version: Knative's."""

LATE_SECONDS = 1.0
"""So late a report may be heard. What is still in flight then is in the next one too."""

FORGOTTEN_SECONDS = 90.0
"""After which nothing of a version is in its windows any more."""


@dataclass(slots=True)
class Scaled:
    """One version that load, a schedule or a call moves."""

    version: DeclaredVersion
    policy: ScalePolicy
    state: ScalerState
    due: float
    """When it is decided about next, on the monotonic clock."""

    samples: Samples = field(default_factory=Samples)
    usages: Usages = field(default_factory=Usages)
    measured_at: float = float("-inf")
    serving: tuple[str, ...] = ()
    """Ids of replicas that callers reach."""

    latest: Decided | None = None
    changed: Decided | None = None
    """The last one that changed something."""

    @property
    def ready(self) -> int:
        return len(self.serving)


class Autoscaler:
    def __init__(
        self,
        driver: Driver,
        loads: VersionLoads,
        recorder: DecisionRecorder,
        waker: Waker,
        leases: Leases,
        now: Callable[[], datetime],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._driver = driver
        self._loads = loads
        self._recorder = recorder
        self._wanted_replicas = recorder.wanted_replicas
        self._waker = waker
        self._leases = leases
        self._now = now
        self._clock = clock
        self._scaled: dict[ServiceRef, Scaled] = {}
        self._of_service: dict[ServiceKey, frozenset[ServiceRef]] = {}
        self._noted: dict[ServiceRef, ScalerState] = {}
        """Of those that no look has ended of yet: what one that began before says is older."""

        self._called = asyncio.Event()
        """Calls wait at the gate."""

        self._reported: set[ServiceRef] = set()
        """Those whose windows are filled: each report counts for them, also one without them."""

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear(), name="load-reports")
            tasks.create_task(self._tick(), name="autoscaler")

    def of(self, ref: ServiceRef) -> Scaled | None:
        """None for what nothing moves."""
        return self._scaled.get(ref)

    def looked(self, snapshot: Snapshot) -> None:
        """A look has ended: which versions there are, where their replicas are, who is ready."""
        situation = snapshot.situation
        key, versions = situation.desired.key, situation.desired.versions
        declared = frozenset(version.ref for version in versions)
        for gone in self._of_service.pop(key, frozenset()) - declared:
            self._forget(gone)
        replicas = situation.observed.workloads.replicas
        self._loads.note_replicas(key, {r.address: r.ref for r in replicas if r.ref in declared})
        for version in versions:
            self._take(version, _serving(situation, version.ref))
        if declared:
            self._of_service[key] = declared

    def note_woken(self, ref: ServiceRef) -> None:
        scaled, now = self._scaled.get(ref), self._clock()
        if scaled is None:
            self._noted[ref] = woken(now)
        else:
            scaled.state = woken(now)
            self._watch(ref, scaled, now)

    def note_asleep(self, ref: ServiceRef, depth: Depth) -> None:
        """A person has sent it to sleep."""
        scaled, now = self._scaled.get(ref), self._clock()
        if scaled is None:
            self._noted[ref] = begin_asleep(now, depth, 0)
        else:
            scaled.state = asleep(scaled.state, depth, now)
            scaled.due = now

    def _take(self, seen: DeclaredVersion, serving: tuple[str, ...]) -> None:
        """``seen`` is of a look that may have begun before the last decision."""
        version = self._as_decided(seen)
        policy = policy_in_force(version)
        scaled = self._scaled.get(version.ref)
        is_applied = scaled is not None and scaled.version.generation != version.generation
        if self._must_wake(version, policy, is_applied=is_applied):
            version = self._as_decided(seen)
        if not _is_moved(policy):
            self._forget(version.ref)
            return
        if scaled is None:
            now = self._clock()
            noted = self._noted.pop(version.ref, None)
            state = noted or self._begin(version, policy, len(serving), now)
            scaled = Scaled(version, policy, state, now)
            self._scaled[version.ref] = scaled
            self._watch(version.ref, scaled, now)
        elif is_applied or scaled.policy != policy:
            self._watch(version.ref, scaled, self._clock())
        scaled.version, scaled.policy, scaled.serving = version, policy, serving
        self._follow(scaled)

    def _must_wake(
        self, version: DeclaredVersion, policy: ScalePolicy, *, is_applied: bool
    ) -> bool:
        """
        It sleeps by its row, and its document does not let it: from now on it is awake. How deep a
        person sent it to sleep holds until the next apply.
        """
        known = version.scaling
        if known is None or known.asleep is None or is_allowed(policy.sleep, known.asleep):
            return False
        if policy.sleep is not None and not is_applied:
            return False
        replicas = wanted_replicas(policy, known)
        cause = SleepNotAllowed(known.asleep if policy.sleep is not None else None)
        decision = Decision(replicas, cause=cause, minimum=policy.minimum, maximum=policy.maximum)
        self._recorder.record(version.ref, decision, replicas, known.asleep)
        return True

    def _follow(self, scaled: Scaled) -> None:
        """What somebody else has decided since: a wake has done so from its begin on."""
        version, policy = scaled.version, scaled.policy
        if scaled.state.asleep != wanted_depth(policy, version.scaling):
            scaled.state = self._begin(version, policy, scaled.ready, self._clock())

    def _as_decided(self, version: DeclaredVersion) -> DeclaredVersion:
        return replace(version, scaling=self._wanted_replicas.of(version))

    def _begin(
        self, version: DeclaredVersion, policy: ScalePolicy, ready: int, now: float
    ) -> ScalerState:
        known = version.scaling
        depth = wanted_depth(policy, known)
        if known is not None and depth is not None:
            freeze = policy.sleep.freeze_after_seconds if policy.sleep is not None else None
            asleep_for = (self._now() - known.since).total_seconds()
            # It had been idle for so long when it was frozen.
            return begin_asleep(now, depth, max(0.0, asleep_for) + (freeze or 0.0))
        return begin(now, max(ready, wanted_replicas(policy, known)))

    def _watch(self, ref: ServiceRef, scaled: Scaled, now: float) -> None:
        self._reported.add(ref)
        scaled.due = min(scaled.due, now + TICK_SECONDS)

    def _forget(self, ref: ServiceRef) -> None:
        self._scaled.pop(ref, None)
        self._noted.pop(ref, None)
        self._reported.discard(ref)

    async def _hear(self) -> None:
        async for report in self._driver.meter.load_reports():
            self._note(await self._loads.take(report), report.seconds)

    def _note(self, loads: Mapping[ServiceRef, Load], seconds: float) -> None:
        now, held = self._clock(), self._driver.gate.held()
        for ref, load in loads.items():
            scaled = self._scaled.get(ref)
            if scaled is None:
                continue
            self._watch(ref, scaled, now)
            if load.active > 0 and _fell_asleep_before(scaled.state, now - seconds - LATE_SECONDS):
                # It slipped past the gate, by what a worker of the gateway had before.
                self._waker.begin(ref, "load")
        for ref in held.keys() & self._scaled.keys():
            self._reported.add(ref)
            self._scaled[ref].due = now
            self._called.set()
        for ref in self._reported:
            load = loads.get(ref, NONE)
            active = load.active + _active(held.get(ref), seconds)
            self._scaled[ref].samples.record(now, active, load.issued, seconds)

    async def _tick(self) -> Never:
        while True:
            now = self._clock()
            for ref in [ref for ref, scaled in self._scaled.items() if scaled.due <= now]:
                scaled = self._scaled.get(ref)
                if scaled is not None:
                    await self._decide(ref, scaled)
            await self._until_tick()

    async def _until_tick(self) -> None:
        """
        Or until calls wait for a start that takes its time: nobody knows how long it takes, and
        they are too many for one replica, maybe.
        """
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self._called.wait()
        except TimeoutError:
            return
        await self._wanted_replicas.precedence.after_wakes()
        self._called.clear()

    async def _decide(self, ref: ServiceRef, scaled: Scaled) -> None:
        await self._measure(scaled)
        scaled.version = self._as_decided(scaled.version)
        scaled.policy = policy_in_force(scaled.version)
        self._follow(scaled)
        state, known = scaled.state, scaled.version.scaling
        decision, after = self._decided(scaled, ())
        if decision.asleep is not None and state.asleep is None:
            # Asked of the machine, and so only now.
            busy = await self._loads.calls_others(ref)
            decision, after = self._decided(scaled, busy) if busy else (decision, after)
        if scaled.state is not state or self._wanted_replicas.of(scaled.version) != known:
            # It was woken, sent to sleep or given a number meanwhile.
            return
        scaled.state = after
        self._take_decision(ref, scaled, decision)

    def _decided(
        self, scaled: Scaled, busy: tuple[BusyReason, ...]
    ) -> tuple[Decision, ScalerState]:
        now, wall_clock, version = self._clock(), self._now(), scaled.version
        signals = signals_of(
            scaled.samples,
            scaled.policy.tuning,
            now,
            cpu_millicores=scaled.usages.cpu_millicores(now),
            memory_bytes=scaled.usages.memory_bytes(now),
            busy=(*busy, *self._busy(version, wall_clock)),
        )
        wanted = wanted_replicas(scaled.policy, self._wanted_replicas.of(version))
        return decide(scaled.policy, scaled.state, signals, scaled.ready, wanted, now, wall_clock)

    def _busy(self, version: DeclaredVersion, wall_clock: datetime) -> Iterator[BusyReason]:
        until = self._leases.until(version.ref, wall_clock)
        if until is not None:
            yield LeaseHeld(until)
        if not version.is_confirmed and version.failure is None:
            yield NotSettled()

    async def _measure(self, scaled: Scaled) -> None:
        """CPU and memory, where they count and are due."""
        policy, now = scaled.policy, self._clock()
        floor = policy.sleep.busy_cpu_millicores if policy.sleep is not None else 0
        is_used = floor or any(isinstance(t, UsageTrigger) for t in policy.triggers)
        if not is_used or now < scaled.measured_at + policy.polling_seconds:
            return
        scaled.measured_at = now
        used = await self._driver.resources.usage(scaled.version.ref.key)
        scaled.usages.record(now, {id: used[id] for id in scaled.serving if id in used})

    def _take_decision(self, ref: ServiceRef, scaled: Scaled, decision: Decision) -> None:
        known = self._wanted_replicas.of(scaled.version)
        replicas = wanted_replicas(scaled.policy, known)
        depth = wanted_depth(scaled.policy, known)
        scaled.latest = Decided(self._now(), decision)
        self._put_off(ref, scaled, decision, self._clock())
        if decision.valid and (decision.replicas, decision.asleep) != (replicas, depth):
            scaled.changed = scaled.latest
            self._recorder.record(ref, decision, replicas, depth)

    def _put_off(self, ref: ServiceRef, scaled: Scaled, decision: Decision, now: float) -> None:
        """Until what comes by itself, where nothing else is to be seen of it."""
        last = scaled.samples.last_active
        quiet = last is None or now - last > FORGOTTEN_SECONDS
        settled = decision.asleep is not None or decision.replicas <= scaled.policy.floor
        if decision.asleep is not None or (quiet and settled and scaled.policy.sleep is None):
            self._reported.discard(ref)
            scaled.due = now + min(_coming(scaled.policy, decision), default=float("inf"))
        else:
            scaled.due = now + TICK_SECONDS


def _coming(policy: ScalePolicy, decision: Decision) -> Iterator[float]:
    """Seconds until what comes by itself: CPU and memory are used also where nobody calls."""
    yield from (each.seconds for each in decision.next)
    if decision.asleep is None and any(isinstance(t, UsageTrigger) for t in policy.triggers):
        yield max(TICK_SECONDS, policy.polling_seconds)


def _fell_asleep_before(state: ScalerState, began: float) -> bool:
    """
    What a report tells of, which began then, was asked of what sleeps. An earlier one tells of
    calls that were answered before a person sent it to sleep.
    """
    return state.asleep is not None and state.asleep_since <= began


def _active(held: WaitingCalls | None, seconds: float) -> float:
    """Mean of the calls that wait now, over an interval in which the first of them came."""
    return held.calls * min(1.0, held.oldest_seconds / seconds) if held is not None else 0.0


def _is_moved(policy: ScalePolicy) -> bool:
    return policy.sleep is not None or (policy.maximum > policy.minimum and bool(policy.triggers))


def _serving(situation: Situation, ref: ServiceRef) -> tuple[str, ...]:
    replicas = situation.observed.workloads.replicas
    return tuple(r.id for r in replicas if r.ref == ref and serves(r, situation))
