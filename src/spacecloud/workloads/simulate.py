"""
What an operation makes of the world when all goes well.

The forecast of a plan is made with it, and so is the memory driver: there what is simulated
is the world.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.revision import Revision
from spacecloud.workloads.confirmation import failure_of
from spacecloud.workloads.drain import IDLE_REPORTS
from spacecloud.workloads.observed import (
    Health,
    History,
    Observed,
    ObservedPull,
    ObservedReplica,
    ObservedTask,
    ObservedWorkloads,
    Published,
)
from spacecloud.workloads.operations import (
    AwaitConfirmed,
    AwaitEnd,
    AwaitIdle,
    AwaitPull,
    AwaitReady,
    AwaitRestart,
    AwaitRetry,
    AwaitStopped,
    CancelPull,
    ConfirmRevision,
    CreateNetwork,
    CreateReplica,
    FailRevision,
    FreezeReplica,
    KillReplica,
    Op,
    PublishNames,
    PublishPolicy,
    PublishTraffic,
    PullImage,
    RecordCompletion,
    RecordRevision,
    RecordServing,
    ReleaseAddresses,
    RemoveNetwork,
    RemoveReplica,
    RestartTask,
    StartTask,
    StopReplica,
    ThawReplica,
    Wait,
    WaitOp,
    WithdrawTraffic,
    WorkloadOp,
)
from spacecloud.workloads.situation import UNKNOWN_IMAGE, Declared, Situation, Unknown


def simulate(situation: Situation, op: Op) -> Situation:
    """The situation after an operation, or after what it waits for."""
    match op:
        case PullImage() | CancelPull():
            return _pulling(situation, op)
        case (
            RecordRevision()
            | RecordCompletion()
            | RecordServing()
            | ConfirmRevision()
            | FailRevision()
        ):
            return _recorded(situation, op)
        case ReleaseAddresses():
            return replace(situation, desired=Unknown(op.key))
        case PublishNames() | PublishPolicy() | WithdrawTraffic():
            return replace(situation, observed=_in_place(situation.observed, op))
        case PublishTraffic():
            return _published(situation, op)
        case Wait():
            return _waited(situation, op)
        case _:
            workloads = state_after(situation.observed.workloads, op, situation.now)
            history = _remembered(situation, op)
            observed = replace(situation.observed, workloads=workloads)
            return replace(situation, observed=observed, history=history)


def _remembered(situation: Situation, op: WorkloadOp) -> History:
    history, now = situation.history, situation.now
    match op:
        case StopReplica(then="keep"):
            falling = {**history.falling_asleep_since, op.replica: now}
            return replace(history, falling_asleep_since=falling)
        case StopReplica():
            return replace(history, stopping_since={**history.stopping_since, op.replica: now})
        case RemoveReplica():
            left = {id: at for id, at in history.stopping_since.items() if id != op.replica}
            return replace(history, stopping_since=left)
        case KillReplica():
            return _ended_asleep(history, situation.observed.workloads, op.replica)
        case _:
            return history


def _ended_asleep(history: History, world: ObservedWorkloads, replica: str) -> History:
    """Where it was asked to end in its sleep, that is no crash."""
    if replica not in history.falling_asleep_since:
        return history
    falling = {id: at for id, at in history.falling_asleep_since.items() if id != replica}
    containers = [t.container for r in world.replicas if r.id == replica for t in r.tasks]
    exits = {**history.exits, **dict.fromkeys(containers, 0)}
    return replace(history, falling_asleep_since=falling, exits=exits)


def state_after(world: ObservedWorkloads, op: WorkloadOp, now: datetime) -> ObservedWorkloads:
    """One service on an engine, after an operation. New tasks run and are not ready yet."""
    match op:
        case CreateNetwork():
            return replace(world, network=op.subnet)
        case RemoveNetwork():
            return replace(world, network=None)
        case CreateReplica():
            others = [r for r in world.replicas if r.id != op.replica]
            before = next((r for r in world.replicas if r.id == op.replica), None)
            made = _replica(op, before, now)
            return replace(world, replicas=tuple(sorted([*others, made], key=lambda r: r.id)))
        case RemoveReplica():
            return replace(world, replicas=tuple(r for r in world.replicas if r.id != op.replica))
        case StartTask() | RestartTask():
            return _each_task(
                world, op.replica, lambda t: _started(t, now) if t.task == op.task else t
            )
        case FreezeReplica() | ThawReplica():
            is_frozen = isinstance(op, FreezeReplica)
            return _each_task(
                world,
                op.replica,
                lambda t: replace(t, frozen=is_frozen) if t.state == "running" else t,
            )
        case KillReplica():
            return ended(world, op.replica, now)
        case StopReplica() | PullImage() | CancelPull():
            return world


def ended(world: ObservedWorkloads, replica: str, now: datetime) -> ObservedWorkloads:
    return _each_task(
        world,
        replica,
        lambda t: replace(t, state="exited", exited_at=now, exit_code=0, frozen=False),
    )


def became_ready(world: ObservedWorkloads, replica: str) -> ObservedWorkloads:
    def ready(task: ObservedTask) -> ObservedTask:
        can_answer = task.state == "running" and not task.frozen
        return replace(task, health=Health("ready")) if can_answer else task

    return _each_task(world, replica, ready)


def _pulled(situation: Situation, op: PullImage) -> Situation:
    images = dict(situation.observed.images)
    if images.get(op.image) is None:
        images[op.image] = UNKNOWN_IMAGE + op.image
    pulled = situation.history.pulled | {(op.ref, op.generation, op.image)}
    return replace(
        situation,
        observed=replace(
            situation.observed,
            images=images,
            pulls=tuple(p for p in situation.observed.pulls if p.op != op),
        ),
        history=replace(situation.history, pulled=pulled),
    )


def _pulling(situation: Situation, op: PullImage | CancelPull) -> Situation:
    before = situation.observed.pulls
    match op:
        case PullImage():
            pulls = (*before, ObservedPull(op, "running"))
        case CancelPull():
            pulls = tuple(p for p in before if p.op != op.pull)
    return replace(situation, observed=replace(situation.observed, pulls=pulls))


Recording = RecordRevision | RecordCompletion | RecordServing | ConfirmRevision | FailRevision
"""What the store is told of a version's revisions."""


def _recorded(situation: Situation, op: Recording) -> Situation:
    """Where the operation's generation is still the latest."""
    desired, known = situation.desired, situation.observed.images
    if not isinstance(desired, Declared):
        return situation
    if isinstance(op, RecordRevision):
        known = {**known, **{image: image for _, image in op.images}}
    versions = tuple(
        _after_verdict(v, op, situation.now) if _is_about(op, v) else v for v in desired.versions
    )
    return replace(
        situation,
        desired=replace(desired, service=replace(desired.service, versions=versions)),
        observed=replace(situation.observed, images=known),
    )


def _is_about(op: Recording, version: DeclaredVersion) -> bool:
    if isinstance(op, RecordCompletion):
        return version.ref == op.ref
    return (version.ref, version.generation) == (op.ref, op.generation)


def _after_verdict(version: DeclaredVersion, op: Recording, now: datetime) -> DeclaredVersion:
    latest = version.revision
    match op:
        case RecordRevision() if latest is not None and latest.number == op.number:
            return replace(version, resolved=op.generation)
        case RecordRevision():
            next = _revision(version, op, now)
            fresh = replace(version, serving_since=None, failure=None)
            return replace(fresh, revision=next, resolved=op.generation)
        case RecordCompletion():
            return replace(version, completed=op.number)
        case RecordServing():
            return replace(version, serving_since=now)
        case ConfirmRevision():
            return replace(version, confirmed=latest, failure=None)
        case FailRevision():
            return replace(version, failure=failure_of(op, op.why), serving_since=None)


def _revision(version: DeclaredVersion, op: RecordRevision, now: datetime) -> Revision:
    document, images = version.spec.as_given(), dict(op.images)
    return Revision(op.number, op.hash, document, images, op.secrets, op.generation, now)


def _in_place(observed: Observed, op: PublishNames | PublishPolicy | WithdrawTraffic) -> Observed:
    match op:
        case PublishNames():
            return replace(observed, names=op.names)
        case PublishPolicy():
            return replace(observed, policy=op.face)
        case WithdrawTraffic():
            return replace(observed, published=None, policy=None, in_gateway=False)


def _published(situation: Situation, op: PublishTraffic) -> Situation:
    published = Published(op.face, op.endpoints, gated=op.gated)
    observed = replace(situation.observed, published=published, policy=None, in_gateway=True)
    since = drained_since(situation.history.draining_since, published, situation.now)
    history = replace(situation.history, draining_since=since)
    return replace(situation, observed=observed, history=history)


def drained_since(
    before: Mapping[str, datetime], published: Published | None, now: datetime
) -> dict[str, datetime]:
    """Since when each address that drains, or is behind the gate, is acknowledged as such."""
    if published is None:
        return {}
    return {
        e.address: before.get(e.address, now)
        for e in published.endpoints
        if e.draining or e.version in published.gated
    }


def _waited(situation: Situation, op: WaitOp) -> Situation:
    observed, history = situation.observed, situation.history
    match op:
        case AwaitPull():
            return _pulled(situation, op.pull)
        case AwaitReady():
            world = became_ready(observed.workloads, op.replica)
            return replace(situation, observed=replace(observed, workloads=world))
        case AwaitStopped():
            world = ended(observed.workloads, op.replica, situation.now)
            after = _ended_asleep(history, world, op.replica)
            return replace(situation, observed=replace(observed, workloads=world), history=after)
        case AwaitRestart() | AwaitConfirmed():
            return replace(situation, now=max(situation.now, op.until))
        case AwaitIdle():
            return replace(situation, history=_idle(history, observed.workloads, op.replica))
        case AwaitEnd() | AwaitRetry():
            return _carried_out(situation, op)


def _carried_out(situation: Situation, op: AwaitEnd | AwaitRetry) -> Situation:
    """What an earlier look has begun ends; what failed may be tried again."""
    history = situation.history
    match op:
        case AwaitEnd():
            under_way = tuple(other for other in history.under_way if other != op.op)
            ended = replace(situation, history=replace(history, under_way=under_way))
            return simulate(ended, op.op)
        case AwaitRetry():
            failed = tuple(other for other in history.failed if other.op != op.op)
            now = max(situation.now, op.until)
            return replace(situation, history=replace(history, failed=failed), now=now)


def _idle(history: History, world: ObservedWorkloads, replica: str) -> History:
    addresses = [r.address for r in world.replicas if r.id == replica]
    reports = {**history.idle_reports, **dict.fromkeys(addresses, IDLE_REPORTS)}
    return replace(history, idle_reports=reports)


def _replica(op: CreateReplica, before: ObservedReplica | None, now: datetime) -> ObservedReplica:
    there = {t.task: t for t in before.tasks if t.state != "created"} if before else {}
    tasks = tuple(there.get(task.id) or _new_task(op, task.id, now) for task in op.spec.tasks)
    return ObservedReplica(
        id=op.replica,
        ref=op.ref,
        slot=op.slot,
        revision=op.revision,
        address=op.address,
        sandbox="running",
        expected_tasks=tuple(task.id for task in op.spec.tasks),
        tasks=tasks,
        termination_grace_seconds=op.spec.termination_grace_period_seconds,
    )


def _new_task(op: CreateReplica, task: str, now: datetime) -> ObservedTask:
    spec = next(t for t in op.spec.tasks if t.id == task)
    return ObservedTask(
        container=f"{op.ref.project}--{op.replica}--{task}--{op.revision}",
        task=task,
        state="running",
        image=op.images[task],
        started_at=now,
        health=Health("starting"),
        grace_seconds=spec.probe.grace_seconds if spec.probe else 60,
        tolerated_failures=spec.probe.failures if spec.probe else 3,
        restart=spec.restart,
        is_job=spec.is_job,
    )


def _started(task: ObservedTask, now: datetime) -> ObservedTask:
    return replace(
        task,
        state="running",
        started_at=now,
        exited_at=None,
        exit_code=None,
        out_of_memory=False,
        orphaned=False,
        frozen=False,
        health=Health("starting"),
    )


def _each_task(
    world: ObservedWorkloads, replica: str, change: Callable[[ObservedTask], ObservedTask]
) -> ObservedWorkloads:
    return replace(
        world,
        replicas=tuple(
            replace(r, tasks=tuple(change(t) for t in r.tasks)) if r.id == replica else r
            for r in world.replicas
        ),
    )
