"""What is told of a replica and of its tasks."""

from typing import Literal

from spacecloud.model.lines import message
from spacecloud.model.refs import short_image
from spacecloud.model.status import ReplicaState, ReplicaStatus, TaskStatus
from spacecloud.reasons.tasks import Ending, NotRestarted, ProbeReason, StartFailed
from spacecloud.report.sleeping import depth_of
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.observed import ObservedReplica, ObservedTask
from spacecloud.workloads.situation import in_service


def replica_status(replica: ObservedReplica, snapshot: Snapshot) -> ReplicaStatus:
    draining = {e.address for e in snapshot.situation.acknowledged if e.draining}
    depth = depth_of(replica) if replica.id in snapshot.situation.resting else None
    states = {task.state for task in replica.tasks if not task.is_completed}
    status: ReplicaState
    if replica.is_completed:
        status = "SUCCEEDED"
    elif depth is None and any(t.state == "exited" and t.exit_code for t in replica.tasks):
        status = "FAILED"
    elif states == {"running"} and replica.sandbox == "running":
        status = "RUNNING"
    else:
        status = "PENDING"
    return ReplicaStatus(
        id=replica.id,
        status=status,
        ready=in_service(replica),
        address=replica.address,
        revision=replica.revision,
        draining=replica.address in draining,
        asleep=depth or "",
        tasks=tuple(_task(name, replica, snapshot) for name in replica.expected_tasks),
    )


def task_reason(
    task: ObservedTask, snapshot: Snapshot
) -> StartFailed | Ending | NotRestarted | ProbeReason | None:
    """Why it is not as it is to be; None also where it only needs a moment."""
    if task.is_completed:
        return None
    if task.is_over:
        return NotRestarted(snapshot.ending_of(task))
    if task.error:
        return StartFailed(message(task.error))
    if task.state == "exited":
        return snapshot.ending_of(task)
    if task.state == "running" and task.health.state != "ready":
        return task.health.reason
    return None


def _task(name: str, replica: ObservedReplica, snapshot: Snapshot) -> TaskStatus:
    task = next((t for t in replica.tasks if t.task == name), None)
    if task is None:
        return TaskStatus(id=name, state="missing")
    is_resting = replica.id in snapshot.situation.resting
    # What ended in its sleep has nothing to answer for.
    reason = None if is_resting and task.state == "exited" else task_reason(task, snapshot)
    return TaskStatus(
        id=name,
        state=_state(task),
        health=task.health.state if task.state == "running" else "",
        image=_image(task, replica, snapshot),
        # The last end of a task that is over was followed by none.
        restarts=max(0, snapshot.situation.history.exits.get(task.container, 0) - task.is_over),
        exit_code=task.exit_code,
        reason=reason.code if reason is not None else "",
        message=str(reason or ""),
        fix=reason.fix if reason is not None else "",
    )


def _state(
    task: ObservedTask,
) -> Literal["created", "running", "frozen", "exited", "completed"]:
    if task.is_completed:
        return "completed"
    return "frozen" if task.frozen else task.state


def _image(task: ObservedTask, replica: ObservedReplica, snapshot: Snapshot) -> str:
    """As it was written, where the replica is of what is declared; else the engine's id."""
    version = snapshot.situation.version(replica.ref)
    for spec in version.spec.tasks if version is not None else ():
        if (
            spec.id == task.task
            and version is not None
            and version.images.get(spec.id) == task.image
        ):
            return spec.docker.image
    return short_image(task.image)
