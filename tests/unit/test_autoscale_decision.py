"""What is decided about a version, beside the number that its windows ask for."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from spacecloud.autoscale.decide import decide
from spacecloud.autoscale.decision import (
    Decision,
    Limit,
    Next,
    ScalerState,
    begin,
    begin_asleep,
    woken,
)
from spacecloud.autoscale.samples import Means
from spacecloud.autoscale.signals import Signals
from spacecloud.model.scale import (
    RequestTrigger,
    ScalePolicy,
    ScheduleTrigger,
    SleepPolicy,
    UnusedTrigger,
    UsageTrigger,
)
from spacecloud.model.schedule import Schedule
from spacecloud.reasons.scaling import (
    AskedFor,
    AwakeHour,
    BoundsChanged,
    Called,
    CpuBusy,
    InFlight,
    LeaseHeld,
    LoadChanged,
    LoadUnknown,
    NoReplicaReady,
    ScheduleOpen,
    SleepNotAllowed,
    Unused,
)

NIGHT = datetime(2026, 7, 3, 2, tzinfo=UTC)
DAY = datetime(2026, 7, 3, 9, tzinfo=UTC)
HOURS = Schedule("0 8 * * *", "0 18 * * *")
ACTIVE = RequestTrigger("active-requests", "active-requests", 10)
"""Seven per replica are steered for."""

SCALES = ScalePolicy(1, 20, 1, (ACTIVE,))
SLEEPS = replace(SCALES, minimum=0, sleep=SleepPolicy())
QUIET = Signals(Means(0, 0), Means(0, 0), quiet_since=0)


def calls(stable: float, panic: float | None = None) -> Signals:
    means = Means(stable, stable if panic is None else panic)
    return Signals(means, means, last_active=0)


def decided(
    policy: ScalePolicy,
    signals: Signals,
    *,
    state: ScalerState | None = None,
    ready: int = 1,
    wanted: int | None = None,
    now: float = 100,
    at: datetime = NIGHT,
) -> Decision:
    wanted = ready if wanted is None else wanted
    return decide(policy, state or begin(0, 1), signals, ready, wanted, now, at)[0]


def test_the_trigger_that_wants_the_most_decides_and_is_the_cause() -> None:
    policy = replace(SCALES, triggers=(UsageTrigger("cpu", "cpu", 200), ACTIVE))

    decision = decided(policy, replace(calls(14), cpu_millicores=600))

    assert decision.replicas == 3
    assert decision.cause == LoadChanged("cpu", 600, 200)
    assert [(w.trigger, w.stable_replicas) for w in decision.wants] == [
        ("active-requests", 2),
        ("cpu", 3),
    ]


def test_no_data_is_no_decision_and_not_zero() -> None:
    decision = decided(SCALES, Signals(), ready=5)

    assert not decision.valid
    assert decision.replicas == 5
    assert decision.why_invalid == LoadUnknown(("active-requests",))
    assert decision.cause is None


def test_with_some_data_there_may_be_more_and_never_fewer() -> None:
    policy = replace(SCALES, triggers=(UsageTrigger("cpu", "cpu", 200), ACTIVE))

    fewer = decided(policy, calls(7), ready=5)
    more = decided(policy, calls(70), ready=5)

    assert fewer.valid
    assert (fewer.replicas, fewer.limits[-1]) == (5, Limit("no-data", 2, 5))
    assert more.replicas == 10


@pytest.mark.parametrize(
    ("of_target", "ready", "replicas"),
    [(1.0, 4, 4), (1.1, 4, 4), (0.9, 4, 4), (1.11, 4, 5), (0.89, 9, 9), (0.5, 4, 2), (3.0, 4, 12)],
)
def test_cpu_and_memory_are_steered_for_as_by_the_horizontal_pod_autoscaler(
    of_target: float, ready: int, replicas: int
) -> None:
    cpu = replace(SCALES, triggers=(UsageTrigger("cpu", "cpu", 200),))
    memory = replace(SCALES, triggers=(UsageTrigger("memory", "memory", 2**20),))

    by_cpu = decided(cpu, Signals(cpu_millicores=of_target * 200), ready=ready)
    by_memory = decided(memory, Signals(memory_bytes=of_target * 2**20), ready=ready)

    assert by_cpu.replicas == by_memory.replicas == replicas
    assert by_cpu.mode == by_memory.mode == "stable"


def test_a_schedule_wants_its_number_while_it_is_open() -> None:
    policy = replace(SCALES, triggers=(ScheduleTrigger("office", HOURS, 6), ACTIVE))

    day, night = decided(policy, calls(7), at=DAY), decided(policy, calls(7), at=NIGHT)

    assert (day.replicas, day.cause) == (6, ScheduleOpen("office", 6))
    assert Next("schedule-changes", 9 * 3600) in day.next
    assert night.replicas == 1


def test_a_service_that_nobody_can_call_runs_by_its_schedule_alone() -> None:
    policy = ScalePolicy(0, 5, 1, (ScheduleTrigger("office", HOURS, 2),))

    assert decided(policy, Signals(), at=DAY).replicas == 2
    assert decided(policy, Signals(), ready=1, at=NIGHT).replicas == 0


def test_without_a_trigger_the_bounds_decide() -> None:
    fixed = ScalePolicy(3, 3, 3)
    foreign = ScalePolicy(2, 9, 2, (UnusedTrigger("queue", "rabbitmq"),))

    assert decided(fixed, Signals(), ready=3).cause is None
    assert decided(fixed, Signals(), ready=1).cause == BoundsChanged(3, 3)
    assert decided(foreign, Signals()).replicas == 2


def test_what_a_person_asked_for_holds() -> None:
    pinned = ScalePolicy(4, 4, 4, pinned=4)

    awake = decided(pinned, calls(700), ready=1)
    asleep = decided(pinned, QUIET, state=begin_asleep(0, "frozen", 0))

    assert (awake.replicas, awake.asleep, awake.cause) == (4, None, AskedFor(4))
    assert (asleep.replicas, asleep.asleep, asleep.cause) == (4, None, AskedFor(4))
    assert decided(pinned, calls(700), ready=4).cause is None


def test_bounds_hold_and_say_so() -> None:
    most = decided(SCALES, calls(700))
    least = decided(replace(SCALES, minimum=3), calls(1), ready=3)

    assert (most.replicas, most.limits[-1]) == (20, Limit("maximum", 100, 20))
    assert (least.replicas, least.limits[-1]) == (3, Limit("minimum", 1, 3))


@pytest.mark.parametrize(
    ("freeze", "stop", "idle", "depth"),
    [
        (60.0, 900.0, 59.9, None),
        (60.0, 900.0, 60.0, "frozen"),
        (60.0, 900.0, 900.0, "stopped"),
        (None, 900.0, 899.9, None),
        (None, 900.0, 900.0, "stopped"),
        (60.0, None, 9e6, "frozen"),
        (None, None, 9e6, None),
        (900.0, 60.0, 60.0, "stopped"),
    ],
)
def test_it_sleeps_exactly_when_it_was_idle_for_long_enough(
    freeze: float | None, stop: float | None, idle: float, depth: str | None
) -> None:
    policy = replace(SLEEPS, sleep=SleepPolicy(freeze, stop))

    decision = decided(policy, QUIET, now=idle)

    assert decision.asleep == depth
    assert decision.replicas == 1
    assert decision.cause == (Unused(idle) if depth else None)


def test_it_says_when_it_will_sleep_and_when_deeper() -> None:
    awake = decided(SLEEPS, QUIET, now=26)
    frozen = decided(SLEEPS, QUIET, state=begin_asleep(0, "frozen", 60), now=120)
    stopped = decided(SLEEPS, QUIET, state=begin_asleep(0, "stopped", 60), now=120)

    assert awake.idle_seconds == 26
    assert awake.next == (Next("freezes", 34), Next("stops", 874))
    assert frozen.next == (Next("stops", 720),)
    assert stopped.next == ()


def test_asleep_it_sleeps_deeper_at_its_time_and_wakes_by_no_report_from_before() -> None:
    state = begin_asleep(1000, "frozen", 100)

    before, kept = decide(SLEEPS, state, QUIET, 1, 1, 1799.9, NIGHT)
    deeper, after = decide(SLEEPS, kept, QUIET, 1, 1, 1800, NIGHT)

    assert (before.asleep, before.cause) == ("frozen", None)
    assert (deeper.asleep, deeper.cause) == ("stopped", Unused(900))
    assert after.asleep == "stopped"


def test_what_ended_when_it_became_idle_wakes_it_not() -> None:
    state = begin_asleep(100, "frozen", 0)

    assert decided(SLEEPS, replace(QUIET, last_active=100), state=state).asleep == "frozen"


def test_it_is_awake_in_its_hours_though_nothing_is_known_of_its_load() -> None:
    policy = replace(SLEEPS, sleep=SleepPolicy(awake=(HOURS,)))

    decision = decided(policy, Signals(), state=begin_asleep(0, "stopped", 0), ready=0, at=DAY)

    assert decision.valid
    assert (decision.replicas, decision.asleep) == (1, None)


def test_a_freeze_by_a_person_is_not_undone_by_a_policy_that_never_freezes() -> None:
    never = replace(SLEEPS, sleep=SleepPolicy(None, None))

    assert decided(never, QUIET, state=begin_asleep(0, "frozen", 0), now=9e6).asleep == "frozen"


@pytest.mark.parametrize(
    ("policy", "signals", "at", "cause"),
    [
        (SLEEPS, replace(QUIET, last_active=101), NIGHT, Called()),
        (SCALES, QUIET, NIGHT, SleepNotAllowed()),
        (
            replace(SLEEPS, sleep=SleepPolicy(awake=(HOURS,))),
            QUIET,
            DAY,
            AwakeHour(datetime(2026, 7, 3, 18, tzinfo=UTC)),
        ),
        (
            replace(SLEEPS, triggers=(ScheduleTrigger("office", HOURS, 2),)),
            QUIET,
            DAY,
            ScheduleOpen("office", 2),
        ),
    ],
)
def test_asleep_it_wakes_when_it_was_called_or_must_be_awake(
    policy: ScalePolicy, signals: Signals, at: datetime, cause: object
) -> None:
    state = begin_asleep(100, "frozen", 0)

    decision = decided(policy, signals, state=state, ready=0, wanted=1, now=102, at=at)

    assert decision.valid
    assert (decision.asleep, decision.cause) == (None, cause)


@pytest.mark.parametrize(
    ("policy", "signals", "ready", "reason"),
    [
        (SLEEPS, replace(calls(0, 0.5), quiet_since=None), 1, InFlight(0.5)),
        (SLEEPS, Signals(), 1, LoadUnknown()),
        (SLEEPS, QUIET, 0, NoReplicaReady()),
        (SLEEPS, replace(QUIET, busy=(LeaseHeld(NIGHT),)), 1, LeaseHeld(NIGHT)),
        (
            replace(SLEEPS, sleep=SleepPolicy(busy_cpu_millicores=100)),
            replace(QUIET, cpu_millicores=101),
            1,
            CpuBusy(101, 100),
        ),
    ],
)
def test_busy_is_awake_says_why_and_begins_the_idle_time_anew(
    policy: ScalePolicy, signals: Signals, ready: int, reason: object
) -> None:
    busy, state = decide(policy, begin(0, 1), signals, ready, 1, 1000, NIGHT)
    later, _ = decide(policy, state, QUIET, 1, 1, 1059, NIGHT)
    asleep, _ = decide(policy, state, QUIET, 1, 1, 1060, NIGHT)

    assert busy.busy == (reason,)
    assert busy.asleep is None
    assert later.asleep is None
    assert asleep.asleep == "frozen"


def test_woken_it_is_idle_from_then_on() -> None:
    state = woken(500)

    assert decided(SLEEPS, QUIET, state=state, now=559).asleep is None
    assert decided(SLEEPS, QUIET, state=state, now=560).asleep == "frozen"


def test_cpu_below_its_floor_or_unknown_keeps_nobody_awake() -> None:
    policy = replace(SLEEPS, sleep=SleepPolicy(busy_cpu_millicores=100))

    assert decided(policy, replace(QUIET, cpu_millicores=100)).asleep == "frozen"
    assert decided(policy, QUIET).asleep == "frozen"


def test_one_without_triggers_sleeps_too_and_keeps_one() -> None:
    policy = ScalePolicy(0, 1, 1, sleep=SleepPolicy())

    assert decided(policy, QUIET).asleep == "frozen"
    assert decided(policy, QUIET, now=30).replicas == 1
    assert decided(policy, Signals(), now=3000).asleep is None
