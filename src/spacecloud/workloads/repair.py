"""
Keep a replica that stays alive: restart what ended, restart what does not answer, wait.

| task                                  | what is done                                        |
|---------------------------------------|-----------------------------------------------------|
| missing, or made and never started    | made and started (current revision only)            |
| exited                                | started after 1 s, 2 s, 4 s … 5 min                 |
| exited while its version slept        | started at once                                     |
| exited, and its policy ends there     | left as it is                                       |
| alive in a namespace its sandbox left | restarted                                           |
| not ready for longer than its grace   | restarted                                           |
| failing twice as often as is tolerated| restarted                                           |
| … and its policy is ``never``         | waited for, out of traffic                          |
| starting                              | waited for                                          |
| unknown: this process has no verdict  | left alone until a hint brings one                  |
"""

from datetime import datetime, timedelta

from spacecloud.reasons.steps import (
    Awake,
    NotEveryTaskReady,
    NotReadyInTime,
    Orphaned,
    TasksMissing,
    Unhealthy,
)
from spacecloud.reasons.tasks import BackOff
from spacecloud.workloads.observed import ObservedReplica, ObservedTask
from spacecloud.workloads.operations import AwaitReady, AwaitRestart, RestartTask, StartTask
from spacecloud.workloads.plan import PlanBuilder
from spacecloud.workloads.rollout import VersionRollout, creation
from spacecloud.workloads.situation import Declared, Situation

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=5)
LONGEST_RESTART = timedelta(seconds=60)
"""Between stop signal and end of a task that does not answer: it is to serve again soon."""

STABLE_AFTER = timedelta(minutes=10)
"""A task that ran this long before it ended starts from the first delay again."""


def restart_delay(exits: int) -> timedelta:
    """1 s after the first exit in a row, doubling to 5 min."""
    return min(FIRST_DELAY * (1 << min(max(exits, 1) - 1, 16)), LONGEST_DELAY)


def repair(
    situation: Situation,
    declared: Declared,
    replica: ObservedReplica,
    rollout: VersionRollout,
    builder: PlanBuilder,
) -> None:
    if replica.id in situation.history.stopping_since:
        return
    if _complete(situation, declared, replica, rollout, builder):
        return
    waits = False
    for task in replica.tasks:
        match task.state:
            case "exited" if task.is_over:
                pass
            case "exited":
                _restart_exited(situation, replica, task, builder)
            case "running":
                waits |= _look_after_running(situation, replica, task, builder)
            case "created":
                pass
    if waits:
        builder.add(AwaitReady(replica.id), NotEveryTaskReady())


def _complete(
    situation: Situation,
    declared: Declared,
    replica: ObservedReplica,
    rollout: VersionRollout,
    builder: PlanBuilder,
) -> bool:
    """Was something of it missing? Only a current replica can be completed: its spec is known."""
    there = {task.task for task in replica.tasks if task.state != "created"}
    missing = sorted(set(replica.expected_tasks) - there)
    refused = (rollout.version.ref, rollout.version.generation) in situation.history.refused
    if not missing or refused or replica.revision != rollout.revision:
        return False
    op = creation(declared, rollout, replica.slot, replica.address)
    if op is None:
        return False
    builder.add(op, TasksMissing(tuple(missing)))
    return True


def _restart_exited(
    situation: Situation, replica: ObservedReplica, task: ObservedTask, builder: PlanBuilder
) -> None:
    exits = situation.history.exits.get(task.container, 1)
    start = StartTask(replica.ref, replica.id, task.task, task.container)
    if exits == 0:
        builder.add(start, Awake())
        return
    why = task.ending()
    exited_at = task.exited_at or situation.now
    due = exited_at + restart_delay(exits)
    # What ended in the future ended before the clock was set back: nobody knows when.
    if exited_at <= situation.now < due:
        builder.add(AwaitRestart(replica.id, task.task, due), BackOff(why, exits))
        builder.look_again(due)
    else:
        builder.add(start, why)


def _look_after_running(
    situation: Situation, replica: ObservedReplica, task: ObservedTask, builder: PlanBuilder
) -> bool:
    """True while it must become ready."""
    restart = RestartTask(
        replica.ref, replica.id, task.task, task.container, _grace(situation, replica)
    )
    if task.orphaned:
        builder.add(restart, Orphaned())
        return False
    if task.restart == "never":
        return task.health.state != "ready"
    match task.health.state:
        case "ready":
            return False
        case "failing":
            if task.health.failures >= 2 * task.tolerated_failures:
                builder.add(restart, Unhealthy(task.health.failures, task.health.reason))
                return False
            return task.health.failures >= task.tolerated_failures
        case "unknown":
            return True
        case "starting":
            overdue = _grace_ends(situation, task)
            if overdue <= situation.now:
                builder.add(restart, NotReadyInTime(task.grace_seconds, task.health.reason))
                return False
            builder.look_again(overdue)
            return True


def _grace(situation: Situation, replica: ObservedReplica) -> int | None:
    """In seconds; None where the platform's own holds."""
    limits = situation.termination_of(replica)
    if limits == situation.termination:
        return None
    return int(min(limits.grace, LONGEST_RESTART).total_seconds())


def _grace_ends(situation: Situation, task: ObservedTask) -> datetime:
    """Of its start, and of the first question: a clock that is set ends nobody's grace."""
    grace = timedelta(seconds=task.grace_seconds)
    ends = (task.started_at or situation.now) + grace
    if task.health.asked is None:
        return ends
    return max(ends, situation.now + grace - task.health.asked)
