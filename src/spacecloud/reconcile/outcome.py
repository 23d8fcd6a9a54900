"""What became of operations, and what is told of it as events. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from spacecloud.errors import DriverError, SpaceCloudError, Terminal
from spacecloud.model.lines import message
from spacecloud.model.traffic import Endpoint
from spacecloud.reasons.platform import InternalError, StoreRefused
from spacecloud.reasons.steps import Awake, GateChanged, SandboxLost
from spacecloud.reasons.tasks import BackOff, Completed, Exited, NotRestarted, OutOfMemory
from spacecloud.reasons.union import FailureReason, Reason
from spacecloud.workloads.observed import ObservedPull, ObservedReplica, ObservedTask
from spacecloud.workloads.operations import (
    ConfirmRevision,
    CreateReplica,
    FailRevision,
    FreezeReplica,
    PublishTraffic,
    ReleaseAddresses,
    RemoveNetwork,
    RemoveReplica,
    RestartTask,
    StartTask,
    StopReplica,
    ThawReplica,
)
from spacecloud.workloads.plan import Step

REMOVAL_FAILED = "RemovalFailed"
"""The event of something that the engine does not remove."""


LAID_DOWN_OR_WOKEN = {FreezeReplica: "Frozen", ThawReplica: "Thawed", StopReplica: "Stopped"}


@dataclass(frozen=True, slots=True)
class Ended:
    step: Step
    error: Exception | None
    acknowledged: tuple[Endpoint, ...] = ()
    """The endpoints that the gateway had when it was begun, but for those behind a gate."""

    @property
    def is_refused(self) -> bool:
        """Only another declaration helps."""
        match self.step.op:
            case PublishTraffic() | CreateReplica() | StartTask():
                return isinstance(self.error, Terminal)
            case _:
                return False

    @property
    def reason(self) -> FailureReason | None:
        """Why it failed; None where it did not."""
        return reason_of(self.error) if self.error is not None else None


def reason_of(error: Exception) -> FailureReason:
    match error:
        case DriverError():
            return error.reason
        case SpaceCloudError():
            return StoreRefused(message(str(error)))
        case bug:
            return InternalError(message(repr(bug)))


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is to be recorded."""

    kind: str
    message: str
    severity: Literal["info", "warning", "error"] = "info"
    reason: Reason | None = None


def events_of(ended: Iterable[Ended]) -> Iterator[NewEvent]:
    """
    What failed in passing is told by status alone: it is tried again. But what is left of something
    deleted has no status to be told by.
    """
    for one in ended:
        if one.is_refused:
            yield NewEvent("Failed", f"{one.step.op}: {one.reason}", "error", one.reason)
        elif one.reason is not None and isinstance(one.step.op, RemoveNetwork | RemoveReplica):
            told = f"{one.step.op}: {one.reason}"
            yield NewEvent(REMOVAL_FAILED, told, "warning", one.reason)
        elif one.error is None:
            yield from _done(one)


def event_of(pull: ObservedPull) -> NewEvent:
    """Of a pull that has ended."""
    if pull.state == "failed":
        return NewEvent("Failed", f"{pull.op}: {pull.reason}", "error", pull.reason)
    return NewEvent("ImagePulled", f"pulled {pull.op.image}")


def exit_of(replica: ObservedReplica, task: ObservedTask, last_output: str) -> NewEvent:
    """Of a task that has ended, with the end of its log."""
    name, why = f"{replica.id}/{task.task}", task.ending(last_output)
    if task.is_completed:
        return NewEvent("TaskCompleted", f"{name}: {why}", reason=Completed())
    if task.is_over:
        failed = NotRestarted(why)
        return NewEvent("Failed", f"{name}: {failed}", "error", failed)
    return NewEvent("TaskExited", f"{name}: {why}", "warning", why)


def _done(ended: Ended) -> Iterator[NewEvent]:
    op, cause = ended.step.op, ended.step.cause
    match op:
        case CreateReplica():
            yield NewEvent(
                "ReplicaCreated", f"{op.replica} of revision {op.revision}: {cause}", reason=cause
            )
        case RemoveReplica() if isinstance(cause, SandboxLost):
            yield NewEvent("ReplicaRemoved", f"{op.replica}: {cause}", "warning", cause)
        case FreezeReplica() | ThawReplica() | StopReplica(then="keep"):
            kind = f"Replica{LAID_DOWN_OR_WOKEN[type(op)]}"
            yield NewEvent(kind, f"{op.replica}: {cause}", reason=cause)
        case StartTask() | RestartTask():
            yield _started(op, cause)
        case PublishTraffic():
            if not (isinstance(cause, GateChanged) and cause.shut):
                yield from _endpoints(op, ended.acknowledged)
        case ConfirmRevision():
            said = f"{op.ref.version}: revision {op.number}: {cause}"
            yield NewEvent("RevisionConfirmed", said, reason=cause)
        case FailRevision():
            said = f"{op.ref.version}: revision {op.number}: {op.replica}/{op.task}: {cause}"
            yield NewEvent("RevisionFailed", said, "error", cause)
        case ReleaseAddresses():
            yield NewEvent("Deleted", "nothing of it is left")
        case _:
            pass


def _started(op: StartTask | RestartTask, cause: Reason) -> NewEvent:
    if isinstance(cause, Awake):
        return NewEvent("TaskStarted", f"{op.replica}/{op.task}: {cause}", reason=cause)
    # How it ended has been told when it did.
    why = "it had ended" if isinstance(cause, OutOfMemory | Exited | BackOff) else cause
    return NewEvent("TaskRestarted", f"{op.replica}/{op.task}: {why}", "warning", cause)


def _endpoints(op: PublishTraffic, before: tuple[Endpoint, ...]) -> Iterator[NewEvent]:
    full = [e for e in op.endpoints if not e.draining and e.version not in op.gated]
    if len(full) != len([e for e in before if not e.draining]):
        replicas = "1 replica takes" if len(full) == 1 else f"{len(full)} replicas take"
        yield NewEvent("EndpointsPublished", f"{replicas} requests")
