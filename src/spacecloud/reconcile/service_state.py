"""All that the control plane remembers of one service between two looks, in one place."""

from dataclasses import dataclass, replace

from spacecloud.model.load import InFlightReport
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.union import FailureReason
from spacecloud.reconcile.background import Begun
from spacecloud.reconcile.history import HistoryRecorder
from spacecloud.reconcile.outcome import Ended
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.observed import Observed, ObservedWorkloads, Published
from spacecloud.workloads.plan import Plan
from spacecloud.workloads.situation import Desired, Situation


@dataclass(frozen=True, slots=True)
class Look:
    """An observation that was begun."""

    desired: Desired
    """What it looks for."""

    begun: Begun[tuple[Observed, tuple[InFlightReport, ...]]]
    changes: int
    """That had been told when it was begun."""


class ServiceState:
    def __init__(self, key: ServiceKey) -> None:
        self.key = key
        self.recorder = HistoryRecorder()
        self.snapshot: Snapshot | None = None
        """The last look."""

        self.names: tuple[tuple[str, str], ...] = ()
        """What the resolver answers for it, when it was last read."""

        self.look_failure: FailureReason | None = None
        """Why the last one did not succeed; None when it did."""

        self.look: Look | None = None
        self.ended: list[Ended] = []
        """Operations whose end was not taken in yet."""

        self.changes = 0
        """That were told; only whether it is the same number means something."""

        self._workloads: ObservedWorkloads | None = None

    def cache(self, workloads: ObservedWorkloads, changes: int) -> None:
        """
        The next look need not ask the engine, unless it is told of a change before.

        ``changes``: as many as had been told when it was asked for this; of one that came
        meanwhile nobody knows whether it is in the answer.
        """
        if changes == self.changes:
            self._workloads = workloads

    def invalidate(self) -> None:
        """What was seen a moment ago may not be so any more."""
        self.changes += 1
        self._workloads = None

    def take_cached(self) -> ObservedWorkloads | None:
        """For one look."""
        cached, self._workloads = self._workloads, None
        return cached

    def drop_look(self) -> None:
        """The one that is under way looks for something else, or began before what has ended."""
        if self.look is not None:
            self.look.begun.future.cancel()
            self.look = None

    def remember(self, situation: Situation, decided: Plan) -> None:
        self.look_failure = None
        self.recorder.generations = {v.ref: v.generation for v in situation.desired.versions}
        ops = [step.op for step in decided.steps] + [
            op for step in decided.steps if (op := getattr(step.op, "op", None)) is not None
        ]
        errors = [failed.reason for failed in situation.history.failed if failed.op in ops]
        self.snapshot = Snapshot(
            situation,
            decided,
            last_error=next(iter(errors), None),
            last_output=dict(self.recorder.last_output),
        )

    def note_error(self, reason: FailureReason) -> None:
        """A look failed, and will be tried again."""
        self.look_failure = reason
        if self.snapshot is not None:
            self.snapshot = replace(self.snapshot, last_error=reason)

    def differs_from(self, listed: ObservedWorkloads | None, published: Published | None) -> bool:
        """Is there more, less or something else than at the last look? So is what had none."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.plan.steps or snapshot.plan.problems or snapshot.last_error:
            return True
        seen = snapshot.situation.observed
        return (
            _shape(seen.workloads) != _shape(listed or ObservedWorkloads(self.key, None))
            or published != seen.published
            or self.names != seen.names
        )


def _shape(world: ObservedWorkloads) -> tuple[object, ...]:
    """What a listing can see: what is there and whether it runs, not how it feels."""
    replicas = tuple(
        (
            r.id,
            r.revision,
            r.sandbox,
            tuple(sorted((t.container, t.state, t.frozen) for t in r.tasks)),
        )
        for r in world.replicas
    )
    return (world.network, replicas)
