"""Load over time, and what becomes of it: the windows, the decision and the replicas together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inline_snapshot import snapshot

from spacecloud.autoscale.decide import decide
from spacecloud.autoscale.decision import Decision, ScalerState, begin, woken
from spacecloud.autoscale.samples import Samples
from spacecloud.autoscale.signals import signals_of
from spacecloud.model.scale import RequestTrigger, ScalePolicy, SleepPolicy

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICK_SECONDS = 2
START_SECONDS = 3
"""From the decision until a replica takes requests."""

POLICY = ScalePolicy(
    0, 100, 1, (RequestTrigger("active-requests", "active-requests", 10),), SleepPolicy()
)
"""Seven in flight per replica are steered for."""


@dataclass(frozen=True, slots=True)
class Moment:
    second: int
    load: float
    ready: int
    decision: Decision


def run(load: Callable[[int], float], seconds: int, state: ScalerState) -> list[Moment]:
    """A report each second, a decision every two. What it decides is there three seconds later."""
    samples, moments = Samples(), []
    wanted, starting, ready = 1, list[tuple[int, int]](), 1
    for second in range(1, seconds + 1):
        now = float(second)
        samples.record(now, load(second), round(load(second)), 1)
        ready = min(wanted, max([ready, *(n for at, n in starting if at <= second)]))
        starting = [(at, n) for at, n in starting if at > second]
        if second % TICK_SECONDS:
            continue
        if state.asleep is not None and load(second):
            state = woken(now)
        measured = signals_of(samples, POLICY.tuning, now)
        at = NOON + timedelta(seconds=second)
        decision, state = decide(POLICY, state, measured, ready, wanted, now, at)
        if decision.replicas > wanted:
            starting.append((second + START_SECONDS, decision.replicas))
        wanted = decision.replicas
        moments.append(Moment(second, load(second), ready, decision))
    return moments


def table(moments: list[Moment]) -> str:
    """A line where the decision is another than before."""
    lines, before = ["second  load  ready  wanted"], None
    for m in moments:
        decided = m.decision.asleep or m.decision.mode
        if (m.decision.replicas, decided) != before:
            number = m.decision.replicas
            lines.append(f"{m.second:6d} {m.load:5.0f} {m.ready:6d} {number:7d}  {decided}")
        before = (m.decision.replicas, decided)
    return "\n".join(lines)


def test_a_step_from_nothing_to_fifty_and_back() -> None:
    moments = run(lambda second: 50 if 10 < second <= 130 else 0, 1200, begin(0, 1))

    assert table(moments) == snapshot("""\
second  load  ready  wanted
     2     0      1       1  stable
    12    50      1       3  panic
    14    50      1       6  panic
    16    50      3       8  panic
    78    50      8       8  stable
   132     0      8       7  stable
   140     0      7       6  stable
   148     0      6       5  stable
   156     0      5       4  stable
   166     0      4       3  stable
   174     0      3       2  stable
   182     0      2       1  stable
   190     0      1       1  frozen
  1030     0      1       1  stopped\
""")
    wanted = -(-50 // 7)
    up = [m for m in moments if 10 < m.second <= 130]
    to_target = next(m.second for m in up if m.ready >= wanted) - 10
    overshoot = max(m.decision.replicas for m in moments) - wanted
    settled = next(m.second for m in moments if m.second > 130 and m.decision.replicas == 1) - 130
    asleep = next(m.second for m in moments if m.decision.asleep == "frozen") - 130
    assert (to_target, overshoot, settled, asleep) == snapshot((10, 0, 52, 60))


def test_a_sawtooth_keeps_what_its_teeth_need() -> None:
    moments = run(lambda second: second % 40, 400, begin(0, 1))

    assert table(moments) == snapshot("""\
second  load  ready  wanted
     2     2      1       1  stable
    10    10      1       2  panic
    18    18      2       3  panic
    24    24      3       4  panic
    32    32      4       5  panic
    38    38      5       6  panic
    74    34      6       4  stable
    86     6      4       3  stable
   114    34      3       4  stable
   126     6      4       3  stable
   154    34      3       4  stable
   166     6      4       3  stable
   194    34      3       4  stable
   206     6      4       3  stable
   234    34      3       4  stable
   246     6      4       3  stable
   274    34      3       4  stable
   286     6      4       3  stable
   314    34      3       4  stable
   326     6      4       3  stable
   354    34      3       4  stable
   366     6      4       3  stable
   394    34      3       4  stable\
""")
    steady = [m for m in moments if m.second > 120]
    assert max(m.decision.replicas for m in steady) <= -(-39 // 7) + 1
    assert min(m.decision.replicas for m in steady) >= 20 // 7


def test_a_control_plane_that_restarts_under_load_makes_none_fewer() -> None:
    """Its first reports are of a moment with little to do."""
    moments = run(lambda second: 50, 60, begin(0, 1))
    running = moments[-1].decision.replicas

    samples, state = Samples(), begin(0, running)
    for second in range(1, 60):
        samples.record(second, 1, 1, 1)
        measured = signals_of(samples, POLICY.tuning, second)
        decision, state = decide(POLICY, state, measured, running, running, second, NOON)
        assert decision.replicas >= running


def test_a_gateway_that_is_away_changes_nothing() -> None:
    """Not when the reports end, and not while they are away; idle time begins anew after."""
    samples, state, numbers = Samples(), begin(0, 1), set[tuple[int, str | None, bool]]()
    for second in range(1, 300):
        if second < 30 or second > 200:
            samples.record(second, 20 if second < 30 else 0, 0, 1)
        measured = signals_of(samples, POLICY.tuning, second)
        decision, state = decide(POLICY, state, measured, 3, 3, second, NOON)
        if 40 < second <= 200:
            numbers.add((decision.replicas, decision.asleep, decision.valid))
        if second == 259:
            assert decision.asleep is None
        if second == 260:
            assert decision.asleep == "frozen"

    assert numbers == {(3, None, False)}


def test_idle_services_cost_a_look_and_no_change() -> None:
    policy = replace(POLICY, sleep=SleepPolicy(None, None))
    samples, state = Samples(), begin(0, 1)
    for second in range(1, 120):
        samples.record(second, 0, 0, 1)
        measured = signals_of(samples, policy.tuning, second)
        decision, state = decide(policy, state, measured, 1, 1, second, NOON)
        assert (decision.replicas, decision.cause, decision.asleep) == (1, None, None)
