"""
Lay a version's replica down and wake it: nothing that is in flight is lost, and no request.

| a replica that is kept of a version that sleeps  | what is done                               |
|--------------------------------------------------|--------------------------------------------|
| runs, and is not ready                           | looked after as ever, until it is          |
| runs, and not all calls wait at the gate yet     | nothing: that is on its way                |
| runs, with something in flight or a running job  | waited for                                 |
| runs, idle in two reports                        | frozen, or asked to end and kept           |
| frozen, with something in flight                 | thawed: it was sent by an older table      |
| frozen, and is to be stopped                     | thawed and asked to end                    |
| asked to end                                     | waited for, killed when its grace is over  |
| ended, or without its sandbox                    | left: a wake makes it good                 |

A version is to sleep *at most* as deep as it says: what has ended while it was frozen is not made
again to be frozen. Awake, a frozen replica is thawed, and one that ended in its sleep is started at
once. What of an earlier revision sleeps does so until a new one serves.
"""

from datetime import timedelta

from spacecloud.model.scaling import Depth
from spacecloud.reasons.steps import (
    AskedToEnd,
    Awake,
    BusyWhileFrozen,
    FallsAsleep,
    GraceOver,
)
from spacecloud.workloads.drain import BETWEEN_REPORTS, IDLE_REPORTS
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import (
    AwaitIdle,
    AwaitStopped,
    FreezeReplica,
    KillReplica,
    StopReplica,
    ThawReplica,
)
from spacecloud.workloads.plan import PlanBuilder
from spacecloud.workloads.repair import repair
from spacecloud.workloads.rollout import VersionRollout
from spacecloud.workloads.situation import Declared, Situation, in_service, is_live

WHILE_BUSY = timedelta(seconds=1)
"""Between two looks at what has something in flight."""

LATE_CALLS = timedelta(seconds=3)
"""After a freeze: for so long what a worker of the gateway sent by its old table is looked for."""


def look_after(
    situation: Situation,
    declared: Declared,
    replica: ObservedReplica,
    rollout: VersionRollout,
    builder: PlanBuilder,
) -> None:
    """A replica that stays, asleep or awake."""
    if replica.id in situation.history.falling_asleep_since and is_live(replica):
        _await_end(situation, replica, builder)
    elif rollout.depth is not None:
        _keep_asleep(situation, declared, replica, rollout, builder)
    elif situation.rests(replica, rollout.revision):
        pass
    elif replica.has_frozen:
        builder.add(ThawReplica(replica.ref, replica.id), Awake())
    else:
        repair(situation, declared, replica, rollout, builder)


def _await_end(situation: Situation, replica: ObservedReplica, builder: PlanBuilder) -> None:
    """Of what was asked to end in its sleep. Nobody can take a SIGTERM back, a wake neither."""
    limit = situation.termination_of(replica).grace
    ends = situation.history.falling_asleep_since[replica.id] + limit
    if situation.now < ends:
        builder.add(AwaitStopped(replica.id), AskedToEnd())
        builder.look_again(ends)
    else:
        builder.add(KillReplica(replica.ref, replica.id), GraceOver(limit.total_seconds()))


def _keep_asleep(
    situation: Situation,
    declared: Declared,
    replica: ObservedReplica,
    rollout: VersionRollout,
    builder: PlanBuilder,
) -> None:
    depth = depth_of(replica, rollout.depth or "frozen")
    if not is_live(replica):
        return
    if not replica.has_frozen and not in_service(replica):
        repair(situation, declared, replica, rollout, builder)
    elif situation.history.idle_reports.get(replica.address) == 0:
        _let_it_finish(situation, replica, depth, builder)
    elif replica.is_frozen and depth == "frozen":
        _look_for_late_calls(situation, replica, builder)
    elif _all_calls_wait(situation, replica) and not _has_running_job(replica):
        _lay_down(situation, replica, depth, builder)


def depth_of(replica: ObservedReplica, wanted: Depth) -> Depth:
    """A task that is not restarted whenever it ends is never ended: it might count as done."""
    return wanted if all(task.restart == "always" for task in replica.tasks) else "frozen"


def _let_it_finish(
    situation: Situation, replica: ObservedReplica, depth: Depth, builder: PlanBuilder
) -> None:
    if replica.has_frozen:
        builder.add(ThawReplica(replica.ref, replica.id), BusyWhileFrozen())
    else:
        builder.add(AwaitIdle(replica.id), FallsAsleep(depth))
        builder.look_again(situation.now + WHILE_BUSY)


def _look_for_late_calls(
    situation: Situation, replica: ObservedReplica, builder: PlanBuilder
) -> None:
    since = situation.history.frozen_since.get(replica.id)
    if since is not None and situation.now < since + LATE_CALLS:
        builder.look_again(situation.now + WHILE_BUSY)


def _lay_down(
    situation: Situation, replica: ObservedReplica, depth: Depth, builder: PlanBuilder
) -> None:
    cause = FallsAsleep(depth)
    if situation.history.idle_reports.get(replica.address, 0) < IDLE_REPORTS:
        # One of no verdict on what is in flight, as after a restart of this process.
        builder.add(AwaitIdle(replica.id), cause)
        builder.look_again(situation.now + BETWEEN_REPORTS)
    elif depth == "frozen":
        builder.add(FreezeReplica(replica.ref, replica.id), cause)
    else:
        thawed: tuple[int, ...] = ()
        if replica.has_frozen:
            # A frozen process does not hear a SIGTERM.
            thawed = builder.add(ThawReplica(replica.ref, replica.id), cause)
        builder.add(StopReplica(replica.ref, replica.id, then="keep"), cause, after=thawed)


def _all_calls_wait(situation: Situation, replica: ObservedReplica) -> bool:
    """The gateway has acknowledged that none goes to the replica but through the gate."""
    published = situation.observed.published
    return (
        published is not None and published.acknowledged and replica.ref.version in published.gated
    )


def _has_running_job(replica: ObservedReplica) -> bool:
    return any(task.is_job and task.state == "running" for task in replica.tasks)
