"""
Keep a replica that stays alive: restart what ended, restart what does not answer, wait.

| task                                  | what is done                                        |
|---------------------------------------|-----------------------------------------------------|
| missing, or made and never started    | made and started (current revision only)            |
| exited                                | started after 1 s, 2 s, 4 s … 5 min                 |
| alive in a namespace its pause left   | restarted                                           |
| not ready for longer than its grace   | restarted                                           |
| failing twice as often as is tolerated| restarted                                           |
| starting                              | waited for                                          |
"""

from datetime import datetime, timedelta

from spacecloud.workloads.creation import creation
from spacecloud.workloads.draft import Draft
from spacecloud.workloads.ops import AwaitReady, AwaitRestart, RestartTask, StartTask
from spacecloud.workloads.rollout import VersionRollout
from spacecloud.workloads.situation import Situation
from spacecloud.workloads.world import ObservedReplica, ObservedTask

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
PEACE = timedelta(minutes=10)
"""A task that ran this long before it ended starts from the first pause again."""


def restart_pause(exits: int) -> timedelta:
    """1 s after the first exit in a row, doubling to 5 min."""
    return min(FIRST_PAUSE * (1 << min(max(exits, 1) - 1, 16)), LONGEST_PAUSE)


def maintain(
    situation: Situation, replica: ObservedReplica, rollout: VersionRollout, draft: Draft
) -> None:
    if replica.id in situation.history.stopping_since:
        return
    if _complete(situation, replica, rollout, draft):
        return
    waits = False
    for task in replica.tasks:
        match task.state:
            case "exited":
                _restart_exited(situation, replica, task, draft)
            case "running":
                waits |= _look_after_running(situation, replica, task, draft)
            case "created":
                pass
    if waits:
        draft.add(AwaitReady(replica.id), "not every task is ready")


def _complete(
    situation: Situation, replica: ObservedReplica, rollout: VersionRollout, draft: Draft
) -> bool:
    """Was something of it missing? Only a current replica can be completed: its spec is known."""
    there = {task.task for task in replica.tasks if task.state != "created"}
    missing = sorted(set(replica.expected_tasks) - there)
    refused = (rollout.version.ref, rollout.version.generation) in situation.history.refused
    if not missing or rollout.revision is None or refused:
        return False
    if replica.revision != rollout.revision:
        return False
    cause = f"{' and '.join(missing)} not there" if len(missing) < 4 else "tasks are not there"
    draft.add(creation(situation, rollout, replica.slot, replica.address), cause)
    return True


def _restart_exited(
    situation: Situation, replica: ObservedReplica, task: ObservedTask, draft: Draft
) -> None:
    exits = max(situation.history.exits.get(task.container, 1), 1)
    why = _why_it_ended(task)
    exited_at = task.exited_at or situation.now
    due = exited_at + restart_pause(exits)
    # What ended in the future ended before the clock was set back: nobody knows when.
    if exited_at <= situation.now < due:
        draft.add(AwaitRestart(replica.id, task.task, due), f"{why}, exit {exits} in a row")
        draft.look_again(due)
    else:
        draft.add(StartTask(replica.ref, replica.id, task.task, task.container), why)


def _why_it_ended(task: ObservedTask) -> str:
    if task.out_of_memory:
        return "killed: it used more memory than its limit"
    return f"exited with code {task.exit_code}" if task.exit_code is not None else "exited"


def _look_after_running(
    situation: Situation, replica: ObservedReplica, task: ObservedTask, draft: Draft
) -> bool:
    """True while it must become ready."""
    restart = RestartTask(replica.ref, replica.id, task.task, task.container)
    if task.astray:
        draft.add(restart, "its pause container was restarted and left it behind")
        return False
    match task.health.state:
        case "ready":
            return False
        case "failing":
            if task.health.failures >= 2 * task.tolerated_failures:
                draft.add(restart, f"failed {task.health.failures} probes: {task.health.reason}")
                return False
            return task.health.failures >= task.tolerated_failures
        case "starting" | "unknown":
            overdue = _grace_ends(situation, task)
            if overdue <= situation.now:
                draft.add(
                    restart, f"not ready after {task.grace_seconds:g} s: {task.health.reason}"
                )
                return False
            draft.look_again(overdue)
            return True


def _grace_ends(situation: Situation, task: ObservedTask) -> datetime:
    return (task.started_at or situation.now) + timedelta(seconds=task.grace_seconds)
