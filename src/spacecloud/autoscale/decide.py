"""
How many replicas a version is to have, and whether it sleeps. Pure.

| so it is                                        | decision                                      |
|-------------------------------------------------|-----------------------------------------------|
| a person has asked for a number                 | that number                                   |
| asleep, and it was called, or must be awake     | awake                                         |
| asleep                                          | asleep, deeper when its time has come         |
| may sleep, and was idle for long enough         | asleep, one replica is kept                   |
| no trigger has data                             | none: all stays as it is                      |
| some trigger has no data                        | as the others want, and none fewer            |
| else                                            | as the trigger that wants the most, in bounds |

Nothing here knows a clock: ``now`` is of one that only goes forward, ``wall_clock`` tells hours.
"""

from dataclasses import replace
from datetime import datetime

from spacecloud.autoscale.decision import (
    Decision,
    Limit,
    LimitKind,
    Mode,
    Next,
    ScalerState,
    Want,
    woken,
)
from spacecloud.autoscale.idleness import busy_reasons, depth_after, hours, next_depths
from spacecloud.autoscale.pod_autoscaler import Wanted, scale
from spacecloud.autoscale.signals import Signals
from spacecloud.autoscale.wants import most, wants
from spacecloud.model.scale import ScalePolicy, ScheduleTrigger, SleepPolicy
from spacecloud.reasons.scaling import (
    AskedFor,
    BoundsChanged,
    Called,
    LoadChanged,
    LoadUnknown,
    ScalingReason,
    ScheduleOpen,
    SleepNotAllowed,
    Unused,
)


def decide(
    policy: ScalePolicy,
    scaler: ScalerState,
    signals: Signals,
    ready: int,
    wanted: int,
    now: float,
    wall_clock: datetime,
) -> tuple[Decision, ScalerState]:
    """
    ``ready``: replicas that take requests. ``wanted``: how many were wanted until now. A decision
    that is not valid repeats what was, and changes nothing of the state but how idle it is.
    """
    why_awake: ScalingReason | None = None
    if scaler.asleep is not None:
        why_awake = _why_awake(policy, scaler, signals, wall_clock)
        if why_awake is None:
            return _still_asleep(policy, scaler, now, wall_clock)
        scaler = woken(now)
    decision, scaler = _awake(policy, scaler, signals, ready, wanted, now, wall_clock)
    if why_awake is not None:
        # It is awake whether its load is known or not.
        decision = replace(decision, cause=why_awake, why_invalid=None)
    return decision, scaler


def _why_awake(
    policy: ScalePolicy, scaler: ScalerState, signals: Signals, wall_clock: datetime
) -> ScalingReason | None:
    """Why it sleeps no more; None: it does."""
    if policy.pinned is not None:
        return AskedFor(policy.pinned)
    if policy.sleep is None:
        return SleepNotAllowed()
    if signals.last_active is not None and signals.last_active > scaler.asleep_since:
        return Called()
    return next(hours(policy, policy.sleep, wall_clock), None)


def _still_asleep(
    policy: ScalePolicy, scaler: ScalerState, now: float, wall_clock: datetime
) -> tuple[Decision, ScalerState]:
    sleep, idle = policy.sleep or SleepPolicy(), now - scaler.asleep_since
    is_deeper = scaler.asleep == "frozen" and depth_after(sleep, idle) == "stopped"
    depth = "stopped" if is_deeper else scaler.asleep
    decision = Decision(
        1,
        depth,
        cause=Unused(idle) if is_deeper else None,
        minimum=policy.minimum,
        maximum=policy.maximum,
        next=_soonest(*next_depths(sleep, idle, depth), *_schedules(policy, wall_clock)),
    )
    return decision, replace(scaler, asleep=depth)


def _awake(
    policy: ScalePolicy,
    scaler: ScalerState,
    signals: Signals,
    ready: int,
    wanted: int,
    now: float,
    wall_clock: datetime,
) -> tuple[Decision, ScalerState]:
    found = wants(policy, signals, ready, wall_clock)
    decision, scaler = _number(policy, scaler, found, ready, wanted, now)
    coming = (*_of_scaler(policy, scaler, now), *_schedules(policy, wall_clock))
    decision = replace(decision, next=_soonest(*coming))
    if policy.sleep is None:
        return decision, scaler
    busy = busy_reasons(policy, policy.sleep, signals, ready, wall_clock)
    if busy or signals.quiet_since is None:
        return replace(decision, busy=busy), replace(scaler, awake_since=now)
    idle = now - max(scaler.awake_since, signals.quiet_since)
    return _idle(policy.sleep, scaler, decision, idle, now)


def _idle(
    sleep: SleepPolicy, scaler: ScalerState, decision: Decision, idle: float, now: float
) -> tuple[Decision, ScalerState]:
    depth = depth_after(sleep, idle)
    coming = tuple(next_depths(sleep, idle, depth))
    if depth is None:
        coming = _soonest(*decision.next, *coming)
        return replace(decision, idle_seconds=idle, next=coming), scaler
    fallen = replace(
        decision,
        replicas=1,
        asleep=depth,
        why_invalid=None,
        cause=Unused(idle),
        mode="stable",
        limits=(),
        next=coming,
    )
    return fallen, ScalerState(scaler.awake_since, depth, now - idle)


def _number(
    policy: ScalePolicy,
    scaler: ScalerState,
    found: tuple[Want, ...],
    ready: int,
    wanted: int,
    now: float,
) -> tuple[Decision, ScalerState]:
    bounds = Decision(policy.clamp(wanted), minimum=policy.minimum, maximum=policy.maximum)
    if not found:
        return _fixed(policy, bounds, wanted), scaler
    unknown = tuple(want.trigger for want in found if not want.has_data)
    if len(unknown) == len(found):
        return replace(bounds, why_invalid=LoadUnknown(unknown), wants=found), scaler
    together = Wanted(
        max(want.stable_replicas for want in found), max(want.panic_replicas for want in found)
    )
    number, limits, scaler = scale(policy.tuning, scaler, together, ready, now)
    if unknown and number < wanted:
        limits, number = (*limits, Limit("no-data", number, wanted)), wanted
    allowed = policy.clamp(number)
    if allowed != number:
        kind: LimitKind = "minimum" if allowed > number else "maximum"
        limits = (*limits, Limit(kind, number, allowed))
    mode: Mode = "panic" if scaler.panic_since is not None else "stable"
    decision = replace(bounds, replicas=allowed, mode=mode, wants=found, limits=limits)
    return replace(decision, cause=_cause(policy, decision, wanted)), scaler


def _fixed(policy: ScalePolicy, bounds: Decision, wanted: int) -> Decision:
    """No trigger moves it."""
    number = policy.clamp(policy.minimum)
    if number == wanted:
        return replace(bounds, replicas=number)
    if policy.pinned is not None:
        return replace(bounds, replicas=number, cause=AskedFor(number))
    return replace(bounds, replicas=number, cause=BoundsChanged(policy.minimum, policy.maximum))


def _cause(policy: ScalePolicy, decision: Decision, wanted: int) -> ScalingReason | None:
    """Why it is another number than before; None where it is the same."""
    if decision.replicas == wanted:
        return None
    if policy.clamp(wanted) == decision.replicas:
        return BoundsChanged(policy.minimum, policy.maximum)
    want = most(decision.wants, decision.mode)
    if want is None:
        return None
    if want.metric == "cron" and want.stable_replicas:
        return ScheduleOpen(want.trigger, want.stable_replicas)
    return LoadChanged(want.trigger, want.value(decision.mode), want.target)


def _of_scaler(policy: ScalePolicy, scaler: ScalerState, now: float) -> tuple[Next, ...]:
    tuning, found = policy.tuning, []
    if scaler.panic_since is not None:
        end = scaler.panic_since + tuning.stable_window_seconds
        found.append(Next("panic-ends", max(0, end - now)))
    if len(scaler.recent) > 1:
        end = scaler.recent[0][0] + tuning.scale_down_delay_seconds
        found.append(Next("scales-down", max(0, end - now)))
    return tuple(found)


def _schedules(policy: ScalePolicy, wall_clock: datetime) -> tuple[Next, ...]:
    schedules = [t.schedule for t in policy.triggers if isinstance(t, ScheduleTrigger)]
    schedules += policy.sleep.awake if policy.sleep is not None else ()
    changes = [at for s in schedules if (at := s.next_change(wall_clock)) is not None]
    if not changes:
        return ()
    return (Next("schedule-changes", (min(changes) - wall_clock).total_seconds()),)


def _soonest(*coming: Next) -> tuple[Next, ...]:
    return tuple(sorted(coming, key=lambda each: (each.seconds, each.kind)))
