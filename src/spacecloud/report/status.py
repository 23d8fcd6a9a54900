"""
How a version is doing, in the words that a person reads.

| what is so                                              | state       |
|---------------------------------------------------------|-------------|
| the latest apply was not looked at yet, or that failed  | progressing |
| the engine or the gateway refuse it as written          | failed      |
| the latest revision was given up before it was confirmed | failed     |
| a task ended three times in a row and is not ready      | failed      |
| there is no such program in the image                   | failed      |
| a task ended for good, and not with 0                   | failed      |
| none are wanted, none run                               | asleep      |
| it is to sleep, and its replica is laid down            | asleep      |
| it is to sleep, and its replica still takes requests    | ready       |
| as many as are wanted have ended for good, with 0       | completed   |
| as many serve, and a job among them still runs          | progressing |
| as many serve as are wanted, of the wanted revision: confirmed | ready |
| … not confirmed yet                                     | progressing |
| some serve, but not as declared, and a task is in trouble | degraded  |
| anything else                                           | progressing |
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.lines import message
from spacecloud.model.refs import ServiceKey, ServiceRef, short_image
from spacecloud.model.scale import declared_replicas, policy_in_force
from spacecloud.model.service import confirm_seconds
from spacecloud.model.status import (
    DeniedCallView,
    EventView,
    PullView,
    ReplicaState,
    ReplicaStatus,
    ServiceStatus,
    State,
    TaskStatus,
)
from spacecloud.reasons.notices import Notice, RouteNotServed
from spacecloud.reasons.scaling import MemoryShort
from spacecloud.reasons.services import (
    Asleep,
    BeingObserved,
    Confirming,
    LookFailed,
    NoneAskedFor,
    NotConfirmed,
    NotObserved,
    RolledBack,
    Sleeping,
)
from spacecloud.reasons.tasks import (
    CrashLoop,
    Ending,
    JobRunning,
    NotRestarted,
    PodDown,
    ProbeReason,
    ProgramNotFound,
    StartFailed,
)
from spacecloud.reasons.union import Reason
from spacecloud.report.sleeping import depth_of, depth_of_all
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.observed import ObservedReplica, ObservedTask
from spacecloud.workloads.operations import AwaitConfirmed, AwaitPull, Op, PullImage, Wait
from spacecloud.workloads.rollout import serves, wanted_revision
from spacecloud.workloads.situation import Declared, Resolution, in_service

CRASHES_UNTIL_FAILED = 3
LONG_START = timedelta(seconds=10)
"""A start that takes longer, beside replicas that serve, is told as trouble."""


@dataclass(frozen=True, slots=True)
class Relations:
    """What other parts know of a service."""

    urls: tuple[str, ...] = ()
    not_served: tuple[RouteNotServed, ...] = ()
    pulls: tuple[PullView, ...] = ()
    admits: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    refusals: tuple[DeniedCallView, ...] = ()
    notices: tuple[Notice, ...] = ()
    events: tuple[EventView, ...] = ()
    unobserved: LookFailed | BeingObserved | NotObserved = NotObserved()
    """Why nothing is known of its latest declaration, where nothing is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    state: State
    reason: Reason | None = None
    replica: str = ""
    """The one that it is about; empty where it is about the version."""

    task: str = ""
    """Of that replica; empty where it is about the replica."""

    @property
    def subject(self) -> str:
        return "/".join(part for part in (self.replica, self.task) if part)

    @property
    def message(self) -> str:
        if self.reason is None:
            return ""
        return f"{self.subject}: {self.reason}" if self.subject else str(self.reason)


def status_of(
    service: DeclaredService,
    version: DeclaredVersion,
    snapshot: Snapshot | None,
    relations: Relations,
) -> ServiceStatus:
    seen = snapshot.situation.version(version.ref) if snapshot is not None else None
    replicas = _replicas(version.ref, snapshot)
    verdict = _verdict(version, seen, snapshot, relations.unobserved)
    sleeping = verdict.reason if isinstance(verdict.reason, Sleeping) else None
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
        confirmed_revision=version.confirmed.number if version.confirmed is not None else 0,
        serving=verdict.state == "ready" or isinstance(verdict.reason, Confirming),
        confirmed_at=_confirmed_at(version.ref, snapshot),
        state=verdict.state,
        message=verdict.message,
        reason=verdict.reason.code if verdict.reason is not None else "",
        cause=_cause(verdict.reason),
        fix=verdict.reason.fix if verdict.reason is not None else "",
        subject=verdict.subject,
        task=verdict.task,
        next_step=_next_step(version.ref, snapshot, relations.pulls)
        if verdict.state != "ready"
        else "",
        asleep=sleeping.depth if sleeping is not None else None,
        asleep_since=sleeping.since if sleeping is not None else None,
        pulls=relations.pulls,
        domain=version.ref.key.domain,
        version_domain=version.ref.domain,
        default_version=service.versions[0].ref == version.ref,
        ports=tuple(f"{p.port}/{p.protocol}" for p in version.running.ports),
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


def left(key: ServiceKey, snapshot: Snapshot) -> ServiceStatus:
    """Of a deleted service of which no replica is there any more, and something else is."""
    reason = snapshot.last_error
    return ServiceStatus(
        service_id=key.service,
        version="",
        desired_replicas=0,
        project=key.project,
        state="removing",
        message=str(reason or ""),
        reason=reason.code if reason is not None else "",
        fix=reason.fix if reason is not None else "",
        next_step="; ".join(str(step.op) for step in snapshot.plan.steps[:1]),
        domain=key.domain,
    )


def _wanted(version: DeclaredVersion, snapshot: Snapshot | None) -> int:
    """As it was decided at the last look; before that, what the document says."""
    if snapshot is not None and snapshot.situation.version(version.ref) is not None:
        situation = snapshot.situation
        return 0 if situation.sleeps(version) is not None else situation.wanted(version)
    return declared_replicas(version.spec)


def _replicas(ref: ServiceRef, snapshot: Snapshot | None) -> list[ObservedReplica]:
    if snapshot is None:
        return []
    return [r for r in snapshot.situation.observed.workloads.replicas if r.ref == ref]


def _verdict(
    version: DeclaredVersion,
    seen: DeclaredVersion | None,
    snapshot: Snapshot | None,
    unobserved: Reason,
) -> Verdict:
    if snapshot is None or seen is None or seen.generation < version.generation:
        return Verdict("progressing", unobserved)
    refused = _refused(seen, snapshot)
    if refused is not None:
        return Verdict("failed", refused)
    resolution, found = wanted_revision(snapshot.situation, seen)
    if found is not None:
        # Until the store knows, the latest revision is all that was decided upon.
        return Verdict("progressing", found.why, f"{found.replica}/{found.task}")
    return _of_replicas(seen, snapshot, resolution)


def _refused(version: DeclaredVersion, snapshot: Snapshot) -> Reason | None:
    """Why it will not be as it is declared."""
    situation = snapshot.situation
    refused = situation.history.refused.get((version.ref, version.generation))
    rejected = situation.history.rejected_publication
    if refused is not None:
        return refused
    if rejected is not None and snapshot.plan.problems:
        return rejected[1]
    return _failure(version) if situation.has_failed(version) else None


def _of_replicas(version: DeclaredVersion, snapshot: Snapshot, resolution: Resolution) -> Verdict:
    situation = snapshot.situation
    replicas = _replicas(version.ref, snapshot)
    current = [r for r in replicas if r.revision == resolution.revision]
    serving = sum(serves(r, situation) for r in current)
    wanted = situation.wanted(version)
    dead_end = _dead_end(current, serving, snapshot)
    if dead_end is not None:
        return dead_end
    if situation.sleeps(version) is not None:
        return _of_sleepers(version, current, snapshot)
    if wanted == 0:
        return Verdict("progressing") if replicas else Verdict("asleep", _none_wanted(version))
    arrived = _arrived(version, current, serving, resolution, snapshot)
    if arrived is not None:
        return arrived
    others = [r for r in replicas if serves(r, situation)]
    trouble = _first_trouble(current, snapshot)
    if others and any(_is_serious(r, situation.now) for r in current):
        return replace(trouble, state="degraded")
    return trouble


def _none_wanted(version: DeclaredVersion) -> Asleep | NoneAskedFor:
    return Asleep() if policy_in_force(version).pinned is None else NoneAskedFor()


def _of_sleepers(
    version: DeclaredVersion, current: list[ObservedReplica], snapshot: Snapshot
) -> Verdict:
    """Until it is laid down it takes requests like any other, through its gate."""
    if any(in_service(r) for r in current):
        return Verdict("ready", snapshot.last_error)
    depth = depth_of_all(current)
    if depth is None:
        return _first_trouble(current, snapshot)
    since = version.scaling.since if version.scaling is not None else snapshot.situation.now
    return Verdict("asleep", Sleeping(depth, since))


def _dead_end(current: list[ObservedReplica], serving: int, snapshot: Snapshot) -> Verdict | None:
    over = [failed for r in current if (failed := _end(r, snapshot))]
    loops = [loop for r in current if (loop := _crash_loop(r, snapshot))]
    return next(iter(over + loops * (serving == 0)), None)


def _arrived(
    version: DeclaredVersion,
    current: list[ObservedReplica],
    serving: int,
    resolution: Resolution,
    snapshot: Snapshot,
) -> Verdict | None:
    """All that is wanted is there, or done."""
    wanted = snapshot.situation.wanted(version)
    completed = sum(r.is_completed for r in current)
    if resolution.is_completed or completed >= wanted:
        return Verdict("completed", snapshot.last_error)
    if serving + completed < wanted or not _is_published(snapshot):
        return None
    return _running_job(current) or _of_serving(version, resolution, snapshot)


def _of_serving(version: DeclaredVersion, resolution: Resolution, snapshot: Snapshot) -> Verdict:
    seconds = confirm_seconds(version.spec)
    if seconds and not resolution.is_confirmed:
        return Verdict("progressing", Confirming(seconds))
    return Verdict("ready", snapshot.last_error)


def _failure(version: DeclaredVersion) -> Reason | None:
    failure, latest = version.failure, version.revision
    if failure is None or latest is None:
        return None
    told = (failure.subject, failure.message, failure.fix, failure.code)
    if version.fallback is None or version.confirmed is None:
        return NotConfirmed(latest.number, *told)
    return RolledBack(latest.number, version.confirmed.number, *told)


def _cause(reason: Reason | None) -> str:
    match reason:
        case RolledBack(cause=cause) | NotConfirmed(cause=cause):
            return cause
        case _:
            return ""


def _first_trouble(replicas: list[ObservedReplica], snapshot: Snapshot) -> Verdict:
    """Of the replicas, else of what failed last, else of the plan."""
    if isinstance(snapshot.last_error, MemoryShort):
        # Of what is to start; how it ended before it slept is no trouble.
        return Verdict("progressing", snapshot.last_error)
    for replica in replicas:
        trouble = _trouble(replica, snapshot)
        if trouble is not None:
            return trouble
    reason = snapshot.last_error or next(iter(snapshot.plan.problems), None)
    return Verdict("progressing", reason)


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
        and published.face.of_versions == face.of_versions
        and snapshot.situation.observed.names == face.names
    )


def _trouble(replica: ObservedReplica, snapshot: Snapshot) -> Verdict | None:
    """Why it is not ready; None when it only needs a moment."""
    for task in replica.tasks:
        reason = _reason(task, snapshot)
        if reason is not None:
            return Verdict("progressing", reason, replica.id, task.task)
    if replica.sandbox != "running":
        return Verdict("progressing", PodDown(replica.sandbox), replica.id)
    return None


def _is_serious(replica: ObservedReplica, now: datetime) -> bool:
    """More than a start that takes its time."""
    return replica.sandbox != "running" or any(
        (task.state == "exited" and not task.is_completed)
        or task.error != ""
        or task.health.state == "failing"
        or (
            task.state == "running"
            and task.health.state != "ready"
            and task.started_at is not None
            and now - task.started_at > LONG_START
        )
        for task in replica.tasks
    )


def _running_job(replicas: list[ObservedReplica]) -> Verdict | None:
    for replica in replicas:
        for task in replica.tasks:
            if task.is_job and task.state == "running":
                return Verdict("progressing", JobRunning(), replica.id, task.task)
    return None


def _end(replica: ObservedReplica, snapshot: Snapshot) -> Verdict | None:
    for task in replica.tasks:
        if task.is_over and not task.is_completed:
            reason = NotRestarted(_ending(task, snapshot))
            return Verdict("failed", reason, replica.id, task.task)
    return None


def _crash_loop(replica: ObservedReplica, snapshot: Snapshot) -> Verdict | None:
    for task in replica.tasks:
        if task.is_completed:
            continue
        exits = snapshot.situation.history.exits.get(task.container, 0)
        ending = _ending(task, snapshot)
        if isinstance(ending, ProgramNotFound):
            return Verdict("failed", ending, replica.id, task.task)
        if exits >= CRASHES_UNTIL_FAILED and task.health.state != "ready":
            reason = CrashLoop(ending, exits)
            return Verdict("failed", reason, replica.id, task.task)
    return None


def _reason(
    task: ObservedTask, snapshot: Snapshot
) -> StartFailed | Ending | NotRestarted | ProbeReason | None:
    if task.is_completed:
        return None
    if task.is_over:
        return NotRestarted(_ending(task, snapshot))
    if task.error:
        return StartFailed(message(task.error))
    if task.state == "exited":
        return _ending(task, snapshot)
    if task.state == "running" and task.health.state != "ready":
        return task.health.reason
    return None


def _ending(task: ObservedTask, snapshot: Snapshot) -> Ending:
    return task.ending(snapshot.last_output.get(task.container, ""))


def _replica(replica: ObservedReplica, snapshot: Snapshot) -> ReplicaStatus:
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


def _task(name: str, replica: ObservedReplica, snapshot: Snapshot) -> TaskStatus:
    task = next((t for t in replica.tasks if t.task == name), None)
    if task is None:
        return TaskStatus(id=name, state="missing")
    is_resting = replica.id in snapshot.situation.resting
    # What ended in its sleep has nothing to answer for.
    reason = None if is_resting and task.state == "exited" else _reason(task, snapshot)
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


def _next_step(ref: ServiceRef, snapshot: Snapshot | None, pulls: tuple[PullView, ...]) -> str:
    """What takes longest of what is due: a pull, a wait, and only then the rest in order."""
    if pulls:
        return "; ".join(map(str, pulls))
    if snapshot is None:
        return ""
    ops = [s.op for s in snapshot.plan.steps if getattr(s.op, "ref", ref) == ref]
    ops.sort(key=_urgency)
    return str(ops[0]) if ops else ""


def _confirmed_at(ref: ServiceRef, snapshot: Snapshot | None) -> datetime | None:
    steps = snapshot.plan.steps if snapshot is not None else ()
    waits = (s.op for s in steps if isinstance(s.op, AwaitConfirmed) and s.op.ref == ref)
    return next((op.until for op in waits), None)


def _urgency(op: Op) -> int:
    match op:
        case PullImage() | AwaitPull():
            return 0
        case Wait():
            return 1
        case _:
            return 2
