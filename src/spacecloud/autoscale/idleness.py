"""
May a version sleep now, since when, and how deep? Pure.

| it                                                              | is                             |
|-----------------------------------------------------------------|--------------------------------|
| is busy, or of whether it is called nothing is known            | awake, and not idle            |
| has been idle for ``freezeAfter``                               | frozen                         |
| has been idle for ``stopAfter``                                 | stopped                        |

Both are counted from when it became idle. What keeps it awake begins that time anew.
"""

from collections.abc import Iterator
from datetime import datetime

from spacecloud.autoscale.decision import Next
from spacecloud.autoscale.signals import Signals
from spacecloud.model.scale import ScalePolicy, ScheduleTrigger, SleepPolicy
from spacecloud.model.scaling import Depth
from spacecloud.reasons.scaling import (
    AwakeHour,
    BusyReason,
    CpuBusy,
    InFlight,
    LoadUnknown,
    NoReplicaReady,
    ScheduleOpen,
)


def busy_reasons(
    policy: ScalePolicy, sleep: SleepPolicy, signals: Signals, ready: int, wall_clock: datetime
) -> tuple[BusyReason, ...]:
    """All that keeps it awake: of whoever asked, and what the signals and the clock say."""
    return (
        *_calls(signals),
        *([NoReplicaReady()] if ready == 0 else []),
        *signals.busy,
        *_cpu(sleep, signals),
        *hours(policy, sleep, wall_clock),
    )


def hours(
    policy: ScalePolicy, sleep: SleepPolicy, wall_clock: datetime
) -> Iterator[AwakeHour | ScheduleOpen]:
    for schedule in sleep.awake:
        if schedule.is_open(wall_clock):
            yield AwakeHour(schedule.next_change(wall_clock))
    for trigger in policy.triggers:
        if isinstance(trigger, ScheduleTrigger) and trigger.schedule.is_open(wall_clock):
            yield ScheduleOpen(trigger.name, trigger.replicas)


def depth_after(sleep: SleepPolicy, idle_seconds: float) -> Depth | None:
    """None: not long enough to sleep."""
    freeze, stop = sleep.freeze_after_seconds, sleep.stop_after_seconds
    if stop is not None and idle_seconds >= stop:
        return "stopped"
    return "frozen" if freeze is not None and idle_seconds >= freeze else None


def next_depths(sleep: SleepPolicy, idle_seconds: float, depth: Depth | None) -> Iterator[Next]:
    """When it sleeps, or sleeps deeper, where it stays idle."""
    freeze, stop = sleep.freeze_after_seconds, sleep.stop_after_seconds
    is_skipped = freeze is not None and stop is not None and stop <= freeze
    if depth is None and freeze is not None and not is_skipped:
        yield Next("freezes", freeze - idle_seconds)
    if depth != "stopped" and stop is not None:
        yield Next("stops", stop - idle_seconds)


def _calls(signals: Signals) -> Iterator[InFlight | LoadUnknown]:
    if signals.quiet_since is not None:
        return
    if signals.active is not None and signals.active.panic > 0:
        yield InFlight(signals.active.panic)
    else:
        yield LoadUnknown()


def _cpu(sleep: SleepPolicy, signals: Signals) -> Iterator[CpuBusy]:
    used, floor = signals.cpu_millicores, sleep.busy_cpu_millicores
    if floor and used is not None and used > floor:
        yield CpuBusy(used, floor)
