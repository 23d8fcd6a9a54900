"""Carry out what was decided about a version's replicas, or asked: the row, event and count."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from spacecloud.autoscale.decision import Decision
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scale import policy_in_force, wanted_depth, wanted_replicas
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.reasons.scaling import ScalingReason
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
        self._tell(ref, scaling, decision.cause, replicas, depth)

    async def record_request(
        self, version: DeclaredVersion, scaling: Scaling, cause: ScalingReason
    ) -> None:
        """What a person asks for; returns when it is on the disk."""
        known = replace(version, scaling=self.wanted_replicas.of(version))
        policy = policy_in_force(known)
        replicas, depth = (
            wanted_replicas(policy, known.scaling),
            wanted_depth(policy, known.scaling),
        )
        await self.wanted_replicas.record(version.ref, scaling)
        self._tell(version.ref, scaling, cause, replicas, depth)

    def _tell(
        self,
        ref: ServiceRef,
        scaling: Scaling,
        cause: ScalingReason | None,
        replicas: int,
        depth: Depth | None,
    ) -> None:
        before, after = _shown(replicas, depth), _shown(scaling.replicas, scaling.asleep)
        if before != after:
            self._metrics.decided(ref, _change(replicas, depth, scaling))
        why = f": {cause}" if cause is not None else ""
        said = f"{ref.version}: {before} → {after}{why}"
        self._events.record(ref.key, "Scaled", said, reason=cause)


def _shown(replicas: int, depth: Depth | None) -> str:
    return depth if depth is not None else str(replicas)


def _change(replicas: int, depth: Depth | None, scaling: Scaling) -> Change:
    if scaling.asleep is not None:
        return scaling.asleep
    if depth is not None:
        return "woken"
    return "up" if scaling.replicas > replicas else "down"
