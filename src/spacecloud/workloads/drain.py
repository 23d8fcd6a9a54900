"""
Let a replica go without losing a request.

draining published → acknowledged → nothing in flight (two reports) or the time limit over →
asked to end → ended or grace over → out of the endpoints → removed. Each look takes the step
that is due; a crash in between only starts the waiting anew.
"""

from collections.abc import Iterable
from datetime import timedelta

from spacecloud.model.traffic import Endpoint
from spacecloud.reasons.steps import AskedToEnd, GoingReason, GraceOver, Idle, StillBusy
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import (
    AwaitIdle,
    AwaitStopped,
    RemoveReplica,
    StopReplica,
    ThawReplica,
)
from spacecloud.workloads.plan import PlanBuilder, Steps
from spacecloud.workloads.situation import Situation, is_live

IDLE_REPORTS = 2
BETWEEN_REPORTS = timedelta(milliseconds=200)


def drain(
    situation: Situation,
    replica: ObservedReplica,
    endpoints: Iterable[Endpoint],
    cause: GoingReason,
    builder: PlanBuilder,
    *,
    after: Steps,
) -> None:
    """``after``: the publication of ``endpoints``, where this plan has one."""
    if not is_live(replica):
        builder.add(RemoveReplica(replica.ref, replica.id), cause, after=after)
        return
    if replica.has_frozen:
        # It finishes what it has, and hears that it is to end.
        builder.add(ThawReplica(replica.ref, replica.id), cause)
        return
    history = situation.history
    asked = history.stopping_since.get(replica.id) or history.falling_asleep_since.get(replica.id)
    if asked is not None:
        limit = situation.termination_of(replica).grace
        grace = asked + limit
        if situation.now < grace:
            builder.add(AwaitStopped(replica.id), AskedToEnd())
            builder.look_again(grace)
        else:
            late = GraceOver(limit.total_seconds())
            builder.add(RemoveReplica(replica.ref, replica.id), late, after=after)
        return
    acknowledged = {e.address: e for e in situation.acknowledged}.get(replica.address)
    if acknowledged is not None and acknowledged.draining:
        _drain(situation, replica, cause, builder)
    elif acknowledged is None and replica.address not in {e.address for e in endpoints}:
        builder.add(StopReplica(replica.ref, replica.id), cause)


def _drain(
    situation: Situation, replica: ObservedReplica, cause: GoingReason, builder: PlanBuilder
) -> None:
    history, stop = situation.history, StopReplica(replica.ref, replica.id)
    since = history.draining_since.get(replica.address, situation.now)
    limit = situation.termination_of(replica).drain
    until = since + limit
    if history.idle_reports.get(replica.address, 0) >= IDLE_REPORTS:
        builder.add(stop, Idle(cause))
    elif situation.now >= until:
        builder.add(stop, StillBusy(cause, limit.total_seconds()))
    else:
        builder.add(AwaitIdle(replica.id, until), cause)
        builder.look_again(min(until, situation.now + BETWEEN_REPORTS))
