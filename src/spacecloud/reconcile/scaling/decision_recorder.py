"""Carry out what was decided about a version's replicas: the row, the event, the count."""

from collections.abc import Callable
from datetime import datetime

from spacecloud.autoscale.decision import Decision
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.scaling.metrics import Change, ScalingMetrics
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas


class DecisionRecorder:
    def __init__(
        self,
        wanted_replicas: WantedReplicas,
        events: EventRecorder,
        metrics: ScalingMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self.wanted_replicas = wanted_replicas
        self._events = events
        self._metrics = metrics
        self._now = now

    def record(
        self, ref: ServiceRef, decision: Decision, replicas: int, depth: Depth | None
    ) -> None:
        """``replicas`` and ``depth`` are what was wanted until now."""
        scaling = Scaling(decision.replicas, self._now(), decision.asleep)
        self.wanted_replicas.decide(ref, scaling)
        self._metrics.decided(ref, _change(replicas, depth, scaling))
        before, after = _shown(replicas, depth), _shown(scaling.replicas, scaling.asleep)
        said = f"{ref.version}: {before} → {after}"
        why = f": {decision.cause}" if decision.cause is not None else ""
        self._events.record(ref.key, "Scaled", said + why, reason=decision.cause)


def _shown(replicas: int, depth: Depth | None) -> str:
    return depth if depth is not None else str(replicas)


def _change(replicas: int, depth: Depth | None, scaling: Scaling) -> Change:
    if scaling.asleep is not None:
        return scaling.asleep
    if depth is not None:
        return "woken"
    return "up" if scaling.replicas > replicas else "down"
