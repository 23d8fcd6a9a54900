"""What is known of a version's replicas, and what may be asked: a person goes before load."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from spacecloud.drivers.driver import Gate
from spacecloud.errors import SpaceCloudError
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.scaling_view import WakePartView, WakesView, WakeView
from spacecloud.reasons.scaling import AskedFor, AskedToSleep
from spacecloud.reconcile.scaling.autoscaler import Autoscaler
from spacecloud.reconcile.scaling.decision_recorder import DecisionRecorder
from spacecloud.reconcile.scaling.metrics import ScalingMetrics
from spacecloud.reconcile.scaling.waker import Waker, Woken
from spacecloud.report.scaling import Known
from spacecloud.report.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class _Wakes:
    count: int = 0
    failed: int = 0
    last: WakeView | None = None


class ScaleRequests:
    """Fulfils ``Scaler``."""

    def __init__(
        self,
        autoscaler: Autoscaler,
        waker: Waker,
        recorder: DecisionRecorder,
        metrics: ScalingMetrics,
        gate: Gate,
        now: Callable[[], datetime],
    ) -> None:
        self._autoscaler = autoscaler
        self._waker = waker
        self._recorder = recorder
        self._wanted_replicas = recorder.wanted_replicas
        self._metrics = metrics
        self._gate = gate
        self._now = now
        self._wakes: defaultdict[ServiceRef, _Wakes] = defaultdict(_Wakes)
        self._declared: dict[ServiceKey, frozenset[ServiceRef]] = {}
        """At the last look."""

    def looked(self, snapshot: Snapshot) -> None:
        """A look has ended: of what is not declared any more nothing is known."""
        desired = snapshot.situation.desired
        declared = frozenset(version.ref for version in desired.versions)
        for gone in self._declared.pop(desired.key, frozenset()) - declared:
            self._wakes.pop(gone, None)
            self._waker.forget(gone)
        if declared:
            self._declared[desired.key] = declared

    def known(self, version: DeclaredVersion) -> Known:
        scaled = self._autoscaler.of(version.ref)
        wakes = self._wakes.get(version.ref, _Wakes())
        return Known(
            self._wanted_replicas.of(version),
            scaled.latest if scaled is not None else None,
            scaled.changed if scaled is not None else None,
            self._gate.waiting(version.ref),
            WakesView(count=wakes.count, failed=wakes.failed, last=wakes.last),
        )

    async def pin(self, version: DeclaredVersion, replicas: int) -> None:
        pinned = Scaling(replicas, self._now(), pinned=version.generation)
        await self._recorder.record_request(version, pinned, AskedFor(replicas))

    async def put_to_sleep(self, version: DeclaredVersion, depth: Depth) -> None:
        self._autoscaler.note_asleep(version.ref, depth)
        asleep = Scaling(1, self._now(), depth)
        await self._recorder.record_request(version, asleep, AskedToSleep())

    async def wake(self, ref: ServiceRef) -> WakeView | None:
        woken = await self._waker.wake(ref, "person")
        return _view(woken) if woken.was is not None else None

    def note(self, ref: ServiceRef, outcome: Woken | SpaceCloudError) -> None:
        """A wake has ended."""
        before = self._wakes[ref]
        if isinstance(outcome, SpaceCloudError):
            self._wakes[ref] = replace(before, failed=before.failed + 1)
            self._metrics.wake_failed(ref)
            return
        self._autoscaler.note_woken(ref)
        if outcome.was is None:
            return
        self._wakes[ref] = replace(before, count=before.count + 1, last=_view(outcome))
        self._metrics.woken(ref, outcome.was, outcome.parts)


def _view(woken: Woken) -> WakeView:
    return WakeView(
        at=woken.at,
        why=woken.why,
        was=woken.was,
        milliseconds=1000 * woken.seconds,
        parts=tuple(
            WakePartView(name=part.name, milliseconds=1000 * part.seconds) for part in woken.parts
        ),
    )
