"""What was seen and decided at the last look at a service: the source of its status."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from spacecloud.model.refs import ServiceRef
from spacecloud.reasons.tasks import Ending
from spacecloud.reasons.union import FailureReason
from spacecloud.workloads.observed import ObservedReplica, ObservedTask
from spacecloud.workloads.plan import Plan
from spacecloud.workloads.situation import Situation


@dataclass(frozen=True, slots=True)
class Snapshot:
    situation: Situation
    plan: Plan

    last_error: FailureReason | None = None
    """What failed when the plan was last carried out, and will be tried again."""

    last_output: Mapping[str, str] = field(default_factory=dict)
    """Container id of a task that ended to the end of its log."""

    def ending_of(self, task: ObservedTask) -> Ending:
        return task.ending(self.last_output.get(task.container, ""))


def replicas_of(ref: ServiceRef, snapshot: Snapshot | None) -> list[ObservedReplica]:
    """Before the first look none are known."""
    if snapshot is None:
        return []
    return [r for r in snapshot.situation.observed.workloads.replicas if r.ref == ref]
