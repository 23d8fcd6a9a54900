"""
Move the number of replicas with load: what load reports tell goes into a pure decision, and what
that says into the store.

A version that is idle costs nothing: it is looked at while something of it was in flight lately,
and when something comes by itself (it freezes, it stops, a schedule opens).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from spacecloud.autoscale.signals import Signals, signals_of
from spacecloud.drivers.driver import Driver
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.load import Load, LoadReport
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scale import ScalePolicy, policy_in_force, wanted_depth, wanted_replicas
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.scaling_metrics import Change, ScalingMetrics
from spacecloud.reconcile.scalings import Scalings
from spacecloud.reconcile.waker import Waker
from spacecloud.report.scaling import Decided
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.rollout import serves
from spacecloud.workloads.situation import Declared, Situation

TICK_SECONDS = 2.0
"""Between two decisions about a version: Knative's."""

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
    ready: int = 0
    """Replicas that callers reach."""

    latest: Decided | None = None
    changed: Decided | None = None
    """The last one that changed something."""


class Autoscaler:
    def __init__(
        self,
        driver: Driver,
        scalings: Scalings,
        waker: Waker,
        events: EventRecorder,
        metrics: ScalingMetrics,
        now: Callable[[], datetime],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._driver = driver
        self._scalings = scalings
        self._waker = waker
        self._events = events
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._scaled: dict[ServiceRef, Scaled] = {}
        self._addresses: dict[str, ServiceRef] = {}
        self._of_service: dict[ServiceKey, tuple[set[ServiceRef], set[str]]] = {}
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
        key = situation.desired.key
        refs, addresses = self._of_service.get(key, (set(), set()))
        declared = {v.ref: v for v in situation.desired.versions}
        for gone in refs - declared.keys():
            self._forget(gone)
        for address in addresses:
            self._addresses.pop(address, None)
        replicas = situation.observed.workloads.replicas
        now_at = {r.address: r.ref for r in replicas if r.ref in declared}
        self._addresses.update(now_at)
        for version in declared.values():
            self._take(version, _ready(situation, version.ref))
        if declared:
            self._of_service[key] = set(declared), set(now_at)
        else:
            self._of_service.pop(key, None)

    def note_woken(self, ref: ServiceRef) -> None:
        scaled = self._scaled.get(ref)
        if scaled is not None:
            now = self._clock()
            scaled.state = woken(now)
            self._watch(ref, scaled, now)

    def note_asleep(self, ref: ServiceRef, depth: Depth) -> None:
        """A person has sent it to sleep."""
        scaled = self._scaled.get(ref)
        if scaled is not None:
            now = self._clock()
            scaled.state = asleep(scaled.state, depth, now)
            scaled.due = now

    def _take(self, version: DeclaredVersion, ready: int) -> None:
        policy = policy_in_force(version)
        scaled = self._scaled.get(version.ref)
        if not _is_moved(policy):
            self._forget(version.ref)
            return
        if scaled is None:
            now = self._clock()
            scaled = Scaled(version, policy, self._begin(version, policy, ready, now), now)
            self._scaled[version.ref] = scaled
            self._watch(version.ref, scaled, now)
        elif scaled.version.generation != version.generation or scaled.policy != policy:
            self._watch(version.ref, scaled, self._clock())
        scaled.version, scaled.policy, scaled.ready = version, policy, ready

    def _begin(
        self, version: DeclaredVersion, policy: ScalePolicy, ready: int, now: float
    ) -> ScalerState:
        known = self._scalings.of(version)
        depth = wanted_depth(policy, known)
        if known is not None and depth is not None:
            return begin_asleep(now, depth, max(0.0, (self._now() - known.since).total_seconds()))
        return begin(now, max(ready, wanted_replicas(policy, known)))

    def _watch(self, ref: ServiceRef, scaled: Scaled, now: float) -> None:
        self._reported.add(ref)
        scaled.due = min(scaled.due, now + TICK_SECONDS)

    def _forget(self, ref: ServiceRef) -> None:
        self._scaled.pop(ref, None)
        self._reported.discard(ref)

    async def _hear(self) -> None:
        async for report in self._driver.meter.load_reports():
            self._note(report)

    def _note(self, report: LoadReport) -> None:
        now, loads = self._clock(), self._by_version(report)
        for ref, load in loads.items():
            scaled = self._scaled.get(ref)
            if scaled is None:
                continue
            self._watch(ref, scaled, now)
            if scaled.state.asleep is not None and load.active > 0:
                # It slipped past the gate, by what a worker of the gateway had before.
                self._waker.begin(ref, "load")
        for ref in self._reported:
            load = loads.get(ref, Load(0, 0))
            self._scaled[ref].samples.record(now, load.active, load.issued, report.seconds)

    def _by_version(self, report: LoadReport) -> Mapping[ServiceRef, Load]:
        found: dict[ServiceRef, Load] = {}
        for address, load in report.replicas.items():
            ref = self._addresses.get(address)
            if ref is not None and (load.active or load.issued):
                before = found.get(ref, Load(0, 0))
                found[ref] = Load(before.active + load.active, before.issued + load.issued)
        return found

    async def _tick(self) -> Never:
        while True:
            now = self._clock()
            for ref in [ref for ref, scaled in self._scaled.items() if scaled.due <= now]:
                scaled = self._scaled.get(ref)
                if scaled is not None:
                    self._decide(ref, scaled)
            await asyncio.sleep(TICK_SECONDS)

    def _decide(self, ref: ServiceRef, scaled: Scaled) -> None:
        now, wall_clock = self._clock(), self._now()
        known = self._scalings.of(scaled.version)
        wanted = wanted_replicas(scaled.policy, known)
        signals = self._signals(scaled, now)
        decision, scaled.state = decide(
            scaled.policy, scaled.state, signals, scaled.ready, wanted, now, wall_clock
        )
        scaled.latest = Decided(wall_clock, decision)
        self._put_off(ref, scaled, decision, now)
        before = (wanted, wanted_depth(scaled.policy, known))
        if decision.valid and (decision.replicas, decision.asleep) != before:
            scaled.changed = scaled.latest
            self._record(scaled, decision, *before)

    def _signals(self, scaled: Scaled, now: float) -> Signals:
        return signals_of(scaled.samples, scaled.policy.tuning, now)

    def _put_off(self, ref: ServiceRef, scaled: Scaled, decision: Decision, now: float) -> None:
        """Until what comes by itself, where nothing else is to be seen of it."""
        last = scaled.samples.last_active
        quiet = last is None or now - last > FORGOTTEN_SECONDS
        settled = decision.asleep is not None or decision.replicas <= scaled.policy.floor
        if decision.asleep is not None or (quiet and settled and scaled.policy.sleep is None):
            self._reported.discard(ref)
            scaled.due = now + min((each.seconds for each in decision.next), default=float("inf"))
        else:
            scaled.due = now + TICK_SECONDS

    def _record(
        self, scaled: Scaled, decision: Decision, replicas: int, depth: Depth | None
    ) -> None:
        ref = scaled.version.ref
        scaling = Scaling(decision.replicas, self._now(), decision.asleep)
        self._scalings.decide(ref, scaling)
        self._metrics.decided(ref, _change(replicas, depth, scaling))
        said = (
            f"{ref.version}: {_shown(replicas, depth)} → {_shown(scaling.replicas, scaling.asleep)}"
        )
        why = f": {decision.cause}" if decision.cause is not None else ""
        self._events.record(ref.key, "Scaled", said + why, reason=decision.cause)


def _is_moved(policy: ScalePolicy) -> bool:
    return policy.sleep is not None or (policy.maximum > policy.minimum and bool(policy.triggers))


def _ready(situation: Situation, ref: ServiceRef) -> int:
    if not isinstance(situation.desired, Declared):
        return 0
    replicas = situation.observed.workloads.replicas
    return sum(r.ref == ref and serves(r, situation) for r in replicas)


def _shown(replicas: int, depth: Depth | None) -> str:
    return depth if depth is not None else str(replicas)


def _change(replicas: int, depth: Depth | None, scaling: Scaling) -> Change:
    if scaling.asleep is not None:
        return scaling.asleep
    if depth is not None:
        return "woken"
    return "up" if scaling.replicas > replicas else "down"
