"""
How a version is doing, in the words that a person reads.

| what is so                                              | state       |
|---------------------------------------------------------|-------------|
| the latest apply was not looked at yet, or that failed  | progressing |
| the engine or the gateway refuse it as written          | failed      |
| a task ended three times in a row and is not ready      | failed      |
| none are wanted, none run                               | asleep      |
| as many serve as are wanted, of the wanted revision     | ready       |
| some serve, but not as declared, and a task is in trouble | degraded  |
| anything else                                           | progressing |
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceRef, short_image
from spacecloud.model.service import declared_replicas
from spacecloud.model.status import (
    NOT_LOOKED_AT,
    DeniedCallView,
    EventView,
    PullView,
    ReplicaState,
    ReplicaStatus,
    ServiceStatus,
    State,
    TaskStatus,
)
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.observed import ObservedReplica, ObservedTask
from spacecloud.workloads.operations import AwaitPull, Op, PullImage, Wait
from spacecloud.workloads.rollout import serves
from spacecloud.workloads.situation import Declared, in_service

CRASHES_UNTIL_FAILED = 3
LONG_START = timedelta(seconds=10)
"""A start that takes longer, beside replicas that serve, is told as trouble."""


@dataclass(frozen=True, slots=True)
class Relations:
    """What other parts know of a service."""

    urls: tuple[str, ...] = ()
    not_served: tuple[str, ...] = ()
    pulls: tuple[PullView, ...] = ()
    admits: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    refusals: tuple[DeniedCallView, ...] = ()
    notices: tuple[str, ...] = ()
    events: tuple[EventView, ...] = ()
    look_failure: str = ""
    """Why the last look at it did not succeed; empty where it did."""


def status_of(
    service: DeclaredService,
    version: DeclaredVersion,
    snapshot: Snapshot | None,
    relations: Relations,
) -> ServiceStatus:
    seen = snapshot.situation.version(version.ref) if snapshot is not None else None
    replicas = _replicas(version.ref, snapshot)
    state, message = _verdict(version, seen, snapshot, relations.look_failure)
    return ServiceStatus(
        service_id=version.ref.service,
        version=version.ref.version,
        desired_replicas=_wanted(version, snapshot),
        replicas=tuple(_replica(r, snapshot) for r in replicas) if snapshot is not None else (),
        project=version.ref.project,
        ready_replicas=sum(in_service(r) for r in replicas),
        generation=version.generation,
        observed_generation=seen.generation if seen is not None else 0,
        revision=version.revision.number if version.revision is not None else 0,
        revision_hash=version.revision.hash if version.revision is not None else "",
        state=state,
        message=message,
        next_step=_next_step(version.ref, snapshot, relations.pulls) if state != "ready" else "",
        pulls=relations.pulls,
        domain=version.ref.key.domain,
        version_domain=version.ref.domain,
        default_version=service.versions[0].ref == version.ref,
        ports=tuple(f"{p.port}/{p.protocol}" for p in version.spec.ports),
        urls=relations.urls,
        not_served=relations.not_served,
        admits=relations.admits,
        calls=relations.calls,
        refusals=relations.refusals,
        notices=relations.notices,
        events=relations.events,
    )


def removing(ref: ServiceRef, snapshot: Snapshot) -> ServiceStatus:
    """Of a version that is deleted and not yet gone."""
    return ServiceStatus(
        service_id=ref.service,
        version=ref.version,
        desired_replicas=0,
        replicas=tuple(_replica(r, snapshot) for r in _replicas(ref, snapshot)),
        project=ref.project,
        state="removing",
        next_step=_next_step(ref, snapshot, ()),
        domain=ref.key.domain,
        version_domain=ref.domain,
    )


def _wanted(version: DeclaredVersion, snapshot: Snapshot | None) -> int:
    """As it was decided at the last look; before that, what the document says."""
    if snapshot is not None and snapshot.situation.version(version.ref) is not None:
        return snapshot.situation.wanted(version)
    return declared_replicas(version.spec)


def _replicas(ref: ServiceRef, snapshot: Snapshot | None) -> list[ObservedReplica]:
    if snapshot is None:
        return []
    return [r for r in snapshot.situation.observed.workloads.replicas if r.ref == ref]


def _verdict(
    version: DeclaredVersion,
    seen: DeclaredVersion | None,
    snapshot: Snapshot | None,
    look_failure: str,
) -> tuple[State, str]:
    if snapshot is None or seen is None or seen.generation < version.generation:
        return "progressing", look_failure or NOT_LOOKED_AT
    situation = snapshot.situation
    refused = situation.history.refused.get((version.ref, version.generation))
    if refused is not None:
        return "failed", refused
    if situation.history.rejected_publication is not None and snapshot.plan.problem:
        return "failed", f"the gateway refuses it: {snapshot.plan.problem}"
    revision = situation.resolution(seen).revision
    current = [r for r in _replicas(version.ref, snapshot) if r.revision == revision]
    serving = sum(serves(r, situation) for r in current)
    wanted = _wanted(version, snapshot)
    troubles = [t for r in current if (t := _trouble(r, snapshot))]
    watches = [t for r in current if (t := _crash_loop(r, snapshot))]
    message = next(iter(troubles), "") or snapshot.last_error or snapshot.plan.problem
    if watches and serving == 0:
        return "failed", watches[0]
    if wanted == 0:
        return ("progressing", "") if _replicas(version.ref, snapshot) else ("asleep", "")
    if serving >= wanted and revision is not None and _is_published(snapshot):
        return "ready", snapshot.last_error
    others = [r for r in _replicas(version.ref, snapshot) if serves(r, situation)]
    if others and any(_is_serious(r, situation.now) for r in current):
        return "degraded", message
    return "progressing", message


def _is_published(snapshot: Snapshot) -> bool:
    published, desired = snapshot.situation.observed.published, snapshot.situation.desired
    if published is None or not isinstance(desired, Declared):
        return False
    face = desired.face
    return (
        published.acknowledged
        and published.face.entries == face.entries
        and published.face.sources == face.sources
        and published.face.rule == face.rule
        and snapshot.situation.observed.names == face.names
    )


def _trouble(replica: ObservedReplica, snapshot: Snapshot) -> str:
    """Why it is not ready, in one line; empty when it only needs a moment."""
    for task in replica.tasks:
        reason = _reason(task, snapshot)
        if reason:
            return f"{replica.id}/{task.task}: {reason}"
    return f"{replica.id}: its pod is {replica.pause}" if replica.pause != "running" else ""


def _is_serious(replica: ObservedReplica, now: datetime) -> bool:
    """More than a start that takes its time."""
    return replica.pause != "running" or any(
        task.state == "exited"
        or task.error != ""
        or task.health.state == "failing"
        or (
            task.health.state != "ready"
            and task.started_at is not None
            and now - task.started_at > LONG_START
        )
        for task in replica.tasks
    )


def _crash_loop(replica: ObservedReplica, snapshot: Snapshot) -> str:
    for task in replica.tasks:
        exits = snapshot.situation.history.exits.get(task.container, 0)
        if exits >= CRASHES_UNTIL_FAILED and task.health.state != "ready":
            words = snapshot.last_output.get(task.container, "")
            said = f"; last said: {words}" if words else ""
            return f"{replica.id}/{task.task} ended {exits} times in a row: {_ending(task)}{said}"
    return ""


def _reason(task: ObservedTask, snapshot: Snapshot) -> str:
    if task.error:
        return task.error
    if task.state == "exited":
        words = snapshot.last_output.get(task.container, "")
        return _ending(task) + (f"; last said: {words}" if words else "")
    if task.state == "running" and task.health.state != "ready":
        return task.health.reason
    return ""


def _ending(task: ObservedTask) -> str:
    if task.out_of_memory:
        return "killed, it used more memory than its limit"
    return f"exited with code {task.exit_code}" if task.exit_code is not None else "ended"


def _replica(replica: ObservedReplica, snapshot: Snapshot) -> ReplicaStatus:
    draining = {e.address for e in snapshot.situation.acknowledged if e.draining}
    states = {task.state for task in replica.tasks}
    status: ReplicaState
    if any(t.state == "exited" and t.exit_code for t in replica.tasks):
        status = "FAILED"
    elif states == {"running"} and replica.pause == "running":
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
        tasks=tuple(_task(name, replica, snapshot) for name in replica.expected_tasks),
    )


def _task(name: str, replica: ObservedReplica, snapshot: Snapshot) -> TaskStatus:
    task = next((t for t in replica.tasks if t.task == name), None)
    if task is None:
        return TaskStatus(id=name, state="missing")
    return TaskStatus(
        id=name,
        state=task.state,
        health=task.health.state if task.state == "running" else "",
        image=_image(task, replica, snapshot),
        restarts=snapshot.situation.history.exits.get(task.container, 0),
        exit_code=task.exit_code,
        reason=_reason(task, snapshot),
    )


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


def _next_step(ref: ServiceRef, snapshot: Snapshot | None, pulls: tuple[PullView, ...]) -> str:
    """What takes longest of what is due: a pull, a wait, and only then the rest in order."""
    if pulls:
        return "; ".join(map(str, pulls))
    if snapshot is None:
        return ""
    ops = [s.op for s in snapshot.plan.steps if getattr(s.op, "ref", ref) == ref]
    ops.sort(key=_urgency)
    return str(ops[0]) if ops else ""


def _urgency(op: Op) -> int:
    match op:
        case PullImage() | AwaitPull():
            return 0
        case Wait():
            return 1
        case _:
            return 2
