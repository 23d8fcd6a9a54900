"""
How many replicas each trigger asks for. Pure.

| trigger                              | replicas                                                  |
|--------------------------------------|-----------------------------------------------------------|
| requests-per-second, active-requests | mean / (total x target utilization), rounded up           |
| cpu, memory                          | ready x (mean of one / target), rounded up; within the    |
|                                      | tolerance of the target: as many as are ready             |
| cron                                 | its number while it is open, else none                    |

CPU, memory and hours have one window: a replica that starts is no reason to panic.
"""

from collections.abc import Iterable
from datetime import datetime
from math import ceil

from spacecloud.autoscale.decision import Mode, Want
from spacecloud.autoscale.signals import Signals
from spacecloud.model.scale import (
    PolicyTrigger,
    RequestTrigger,
    ScalePolicy,
    ScheduleTrigger,
    Tuning,
    UnusedTrigger,
    UsageTrigger,
)

ROUNDING = 1e-9
"""A mean of floats that should be a whole multiple of the target is one."""


def wants(
    policy: ScalePolicy, signals: Signals, ready: int, wall_clock: datetime
) -> tuple[Want, ...]:
    """Sorted: their order in the document means nothing."""
    found = (
        _want(trigger, policy.tuning, signals, ready, wall_clock) for trigger in policy.triggers
    )
    return tuple(
        sorted(
            (w for w in found if w is not None),
            key=lambda w: (w.trigger, w.metric, w.target, w.stable_replicas),
        )
    )


def most(wants: Iterable[Want], mode: Mode) -> Want | None:
    """The one that decides; of equals the first. None: nothing is known of any."""
    known = (want for want in wants if want.has_data)
    return max(known, key=lambda want: want.replicas(mode), default=None)


def _want(
    trigger: PolicyTrigger, tuning: Tuning, signals: Signals, ready: int, wall_clock: datetime
) -> Want | None:
    match trigger:
        case RequestTrigger():
            return _requests(trigger, tuning, signals)
        case UsageTrigger():
            return _usage(trigger, tuning, signals, max(1, ready))
        case ScheduleTrigger(name, schedule, replicas):
            n = replicas if schedule.is_open(wall_clock) else 0
            return Want(name, "cron", 1, n, stable_replicas=n)
        case UnusedTrigger():
            return None


def _requests(trigger: RequestTrigger, tuning: Tuning, signals: Signals) -> Want:
    means = signals.active if trigger.metric == "active-requests" else signals.rate
    target = trigger.total * tuning.target_utilization
    if means is None:
        return Want(trigger.name, trigger.metric, target, None)
    return Want(
        trigger.name,
        trigger.metric,
        target,
        means.stable,
        means.panic,
        _replicas(means.stable / target),
        _replicas(means.panic / target),
    )


def _usage(trigger: UsageTrigger, tuning: Tuning, signals: Signals, ready: int) -> Want:
    of_one = signals.cpu_millicores if trigger.metric == "cpu" else signals.memory_bytes
    if of_one is None:
        return Want(trigger.name, trigger.metric, trigger.target, None)
    ratio = of_one / trigger.target
    is_near = abs(ratio - 1) <= tuning.usage_tolerance + ROUNDING
    n = ready if is_near else _replicas(ready * ratio)
    return Want(trigger.name, trigger.metric, trigger.target, of_one * ready, stable_replicas=n)


def _replicas(amount: float) -> int:
    return ceil(amount - ROUNDING)
