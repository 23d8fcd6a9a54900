"""
Whether a new revision lasts. What is told here is read from store and engine, so that a control
plane that is killed goes on where it was.

| an unconfirmed revision, with ``confirmSeconds`` above 0         | what is done              |
|------------------------------------------------------------------|---------------------------|
| not all of its replicas take requests yet                        | waited for                |
| all take requests for the first time                             | the moment is noted       |
| a replica that took requests ended, or fails its probe           | it is given up            |
| all take requests, and have for ``confirmSeconds``               | it is confirmed           |

Given up: the last confirmed revision is wanted again, whose replicas have stayed. Where there is
none it is started again like any other, and confirmed once it lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.lines import message
from spacecloud.model.revision import RevisionFailure
from spacecloud.model.service import confirm_seconds
from spacecloud.reasons.services import Confirming
from spacecloud.reasons.steps import AllServe, Lasted, Unhealthy
from spacecloud.reasons.tasks import Ending
from spacecloud.workloads.observed import ObservedReplica, ObservedTask
from spacecloud.workloads.operations import (
    AwaitConfirmed,
    ConfirmRevision,
    FailRevision,
    RecordServing,
    StartTask,
)
from spacecloud.workloads.plan import PlanBuilder
from spacecloud.workloads.situation import Resolution, Situation, may_serve


@dataclass(frozen=True, slots=True)
class Broken:
    """The task of a replica that did not last."""

    replica: str
    task: str
    why: Ending | Unhealthy


def broken(
    situation: Situation,
    version: DeclaredVersion,
    resolution: Resolution,
    replicas: Sequence[ObservedReplica],
) -> Broken | None:
    """
    The first of an unconfirmed revision's replicas that took requests and is of no use any more.

    None while what would be returned to is no better: then the machine is to blame, not the app.
    """
    if situation.sleeps(version) is not None:
        return None
    if not _is_on_trial(version, resolution) or not _can_return(situation, version):
        return None
    taking = {e.address for e in situation.acknowledged if not e.draining}
    for replica in replicas:
        if version.serving_since is None and replica.address not in taking:
            continue
        if replica.sandbox != "running" or replica.id in situation.history.stopping_since:
            continue
        for task in replica.tasks:
            why = _why_broken(situation, replica, task)
            if why is not None:
                return Broken(replica.id, task.task, why)
    return None


def judge(
    situation: Situation,
    version: DeclaredVersion,
    resolution: Resolution,
    serving: Sequence[ObservedReplica],
    builder: PlanBuilder,
) -> None:
    """``serving``: all replicas that are wanted of the latest revision; they take requests."""
    number, seconds = resolution.number, confirm_seconds(version.spec)
    its = (version.ref, version.generation, number)
    since = version.serving_since
    if seconds == 0 or resolution.is_confirmed:
        builder.add(ConfirmRevision(*its), AllServe())
    elif since is None or since > situation.now:
        # What is still to come was before the clock was set back: it begins now, then.
        builder.add(RecordServing(*its), AllServe())
    elif (due := _due(situation, since, serving, seconds)) > situation.now:
        builder.add(AwaitConfirmed(version.ref, number, due), Confirming(seconds))
        builder.look_again(due)
    else:
        builder.add(ConfirmRevision(*its), Lasted(seconds))


def giving_up(version: DeclaredVersion, number: int, broken: Broken) -> FailRevision:
    return FailRevision(
        version.ref, version.generation, number, broken.replica, broken.task, broken.why
    )


def failure_of(op: FailRevision, why: Ending | Unhealthy) -> RevisionFailure:
    """In the words that are kept; ``why`` with the task's last ones, where they are known."""
    fix = why.fix
    if isinstance(why, Unhealthy) and why.why is not None:
        fix = why.why.fix
    return RevisionFailure(f"{op.replica}/{op.task}", why.code, message(str(why)), message(fix))


def _is_on_trial(version: DeclaredVersion, resolution: Resolution) -> bool:
    if resolution.is_confirmed or not resolution.is_recorded or not confirm_seconds(version.spec):
        return False
    # Given up, with nothing to return to: on trial again when it serves again.
    return version.failure is None or version.serving_since is not None


def _can_return(situation: Situation, version: DeclaredVersion) -> bool:
    """
    There is nothing to return to, or it can serve, or it has to be made anew in any case, or it
    sleeps.
    """
    if version.fallback is None or version.confirmed is None:
        return True
    older = [
        replica
        for replica in situation.observed.workloads.replicas
        if replica.ref == version.ref and replica.revision == version.confirmed.hash
    ]
    is_to_sleep = situation.bedtime(version) is not None
    return not older or is_to_sleep or any(may_serve(replica) for replica in older)


def _why_broken(
    situation: Situation, replica: ObservedReplica, task: ObservedTask
) -> Ending | Unhealthy | None:
    health = task.health
    if task.is_completed or task.is_job:
        # What its end means its restart policy says.
        return None
    if task.state == "exited":
        is_started = any(
            isinstance(op, StartTask) and (op.replica, op.task) == (replica.id, task.task)
            for op in situation.history.under_way
        )
        return None if is_started else task.ending()
    is_failing = health.state == "failing" and health.failures >= task.tolerated_failures
    if task.state == "running" and is_failing and not task.orphaned and not task.frozen:
        return Unhealthy(health.failures, health.reason)
    return None


def _due(
    situation: Situation, since: datetime, serving: Sequence[ObservedReplica], seconds: float
) -> datetime:
    """A replica that was made anew meanwhile has to last as long as the others."""
    starts = [
        task.started_at
        for replica in serving
        for task in replica.tasks
        if task.started_at is not None and task.started_at <= situation.now
    ]
    return max([since, *starts]) + timedelta(seconds=seconds)
