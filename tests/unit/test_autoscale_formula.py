"""
The number of replicas against Knative's published formulae, computed here from stated inputs.

    desired stable = clamp(ceil(stable / target), floor(ready / max down rate), ceil(max up rate x ready))
    panic          = ceil(panic / target) / ready >= 2; ends a stable window after it was last so
    in panic       = the most that either window has wanted since it began
"""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecloud.autoscale.decide import decide
from spacecloud.autoscale.decision import Decision, Limit, Next, ScalerState, begin
from spacecloud.autoscale.samples import Means
from spacecloud.autoscale.signals import Signals
from spacecloud.model.scale import RequestTrigger, ScalePolicy, Tuning, UsageTrigger

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOTAL = 100
TARGET = 70.0
"""Of a total of 100, at a target utilization of 0.7."""

TRIGGER = RequestTrigger("calls", "active-requests", TOTAL)
POLICY = ScalePolicy(0, 1000, 1, (TRIGGER,))
STABLE = ScalerState(0)
DEFAULTS = Tuning()
CALM = Tuning(panic_threshold=1000)
"""Without panic nothing else holds the number."""


def signals(stable: float, panic: float) -> Signals:
    return Signals(active=Means(stable, panic), last_active=0)


def decided(
    stable: float,
    panic: float | None = None,
    *,
    ready: int = 1,
    state: ScalerState = STABLE,
    now: float = 0,
    tuning: Tuning = DEFAULTS,
) -> tuple[Decision, ScalerState]:
    policy = replace(POLICY, tuning=tuning)
    measured = signals(stable, stable if panic is None else panic)
    return decide(policy, state, measured, ready, ready, now, NOON)


@pytest.mark.parametrize(("up", "down"), [(1000, 2), (1.1, 2), (2, 1.5), (10, 4)])
def test_the_number_is_that_of_the_formula(up: float, down: float) -> None:
    rates = replace(CALM, max_scale_up_rate=up, max_scale_down_rate=down)
    stables = (0, 1, 69.9, 70, 70.1, 139, 140, 141, 700, 2310)
    for ready, stable in product((0, 1, 2, 3, 10, 11), stables):
        counted = max(1, ready)
        formula = min(max(ceil(stable / TARGET), floor(counted / down)), ceil(up * counted))

        decision, _ = decided(stable, ready=ready, tuning=rates)

        assert decision.replicas == max(1, formula), (ready, stable)


def test_each_request_trigger_has_its_own_metric() -> None:
    measured = Signals(active=Means(70, 70), rate=Means(210, 210))
    rate = replace(POLICY, triggers=(RequestTrigger("calls", "requests-per-second", TOTAL),))

    assert decide(POLICY, STABLE, measured, 1, 1, 0, NOON)[0].replicas == 1
    assert decide(rate, STABLE, measured, 1, 1, 0, NOON)[0].replicas == 3


def test_a_low_rate_up_still_lets_it_grow_by_one() -> None:
    decision, _ = decided(9 * TARGET, ready=2, tuning=replace(CALM, max_scale_up_rate=1.1))

    assert decision.replicas == ceil(1.1 * 2) == 3
    assert decision.limits == (Limit("max-scale-up-rate", 9, 3),)


def test_a_rate_down_lets_it_shrink_by_half() -> None:
    decision, _ = decided(TARGET, ready=11)

    assert decision.replicas == floor(11 / 2)
    assert decision.limits == (Limit("max-scale-down-rate", 1, 5),)


@pytest.mark.parametrize(
    ("panic", "ready", "mode"),
    [
        (2 * TARGET, 1, "panic"),
        (2 * TARGET - 1, 1, "panic"),  # rounded up to two replicas before it is compared
        (TARGET, 1, "stable"),
        (3 * TARGET, 2, "stable"),
        (4 * TARGET, 2, "panic"),
        (19 * TARGET, 10, "stable"),
        (20 * TARGET, 10, "panic"),
        (2 * TARGET, 0, "panic"),
    ],
)
def test_panic_begins_where_the_panic_window_wants_twice_what_is_ready(
    panic: float, ready: int, mode: str
) -> None:
    decision, _ = decided(0, panic, ready=ready)

    assert decision.mode == mode
    assert decision.replicas == (ceil(panic / TARGET) if mode == "panic" else max(1, ready // 2))


def test_in_panic_it_never_shrinks_and_grows_with_either_window() -> None:
    _, state = decided(0, 5 * TARGET, ready=1)
    fewer, state = decided(TARGET, TARGET, ready=5, state=state, now=2)
    panic, state = decided(TARGET, 7 * TARGET, ready=5, state=state, now=4)
    stable, state = decided(8 * TARGET, TARGET, ready=7, state=state, now=6)

    assert [d.replicas for d in (fewer, panic, stable)] == [5, 7, 8]
    assert fewer.limits[-1] == Limit("panic", 2, 5)
    assert state.panic_replicas == 8


def test_panic_ends_when_a_whole_stable_window_was_below_the_threshold() -> None:
    begun, state = decided(0, 2 * TARGET, ready=1, now=100)
    _, state = decided(TARGET, 4 * TARGET, ready=2, state=state, now=110)
    at_the_end, state = decided(TARGET, TARGET, ready=4, state=state, now=110 + 60)
    after, state = decided(TARGET, TARGET, ready=4, state=state, now=110 + 60.001)

    assert begun.next == (Next("panic-ends", 60),)
    assert (at_the_end.mode, at_the_end.replicas) == ("panic", 4)
    assert (after.mode, after.replicas) == ("stable", 2)
    assert state.panic_since is None


def test_a_panic_knows_nothing_of_the_one_before() -> None:
    _, state = decided(0, 9 * TARGET, ready=1, now=0)
    _, state = decided(0, 0, ready=1, state=state, now=61)
    again, _ = decided(0, 2 * TARGET, ready=1, state=state, now=63)

    assert (again.mode, again.replicas) == ("panic", 2)


def test_a_mean_that_is_a_multiple_of_the_target_but_for_rounding_is_one() -> None:
    tenths = sum([0.1] * 3) / 0.3 * 3 * TARGET

    assert tenths > 3 * TARGET
    assert decided(tenths, ready=2)[0].replicas == 3


def test_two_windows_that_want_the_same_are_no_panic_more() -> None:
    decision, _ = decided(3 * TARGET, 3 * TARGET, ready=2)

    assert (decision.mode, decision.replicas, decision.limits) == ("stable", 3, ())


def test_a_restart_with_more_than_one_begins_in_panic() -> None:
    """Its history is lost: what it measures first may be anything."""
    state = begin(1000, 5)
    quiet, state = decided(0, 0, ready=5, state=state, now=1002)
    still, state = decided(0, 0, ready=5, state=state, now=1060)
    over, _ = decided(0, 0, ready=5, state=state, now=1060.1)

    assert [d.replicas for d in (quiet, still, over)] == [5, 5, 2]
    assert begin(1000, 1) == ScalerState(1000)
    assert begin(1000, 2).panic_replicas == 2


def test_the_delay_keeps_the_most_that_was_wanted_within_it() -> None:
    wanted = [(0, 6), (10, 4), (20, 2), (29.9, 2), (30, 2), (39.9, 2), (40, 2), (50, 2)]
    state, numbers = STABLE, []
    for now, replicas in wanted:
        decision, state = decided(
            replicas * TARGET,
            ready=replicas,
            state=state,
            now=now,
            tuning=replace(CALM, scale_down_delay_seconds=30),
        )
        numbers.append(decision.replicas)

    assert numbers == [6, 6, 6, 6, 4, 4, 2, 2]


def test_a_delay_is_told_with_its_end() -> None:
    tuning = replace(CALM, scale_down_delay_seconds=30)
    _, state = decided(6 * TARGET, ready=6, tuning=tuning)

    decision, _ = decided(4 * TARGET, ready=6, state=state, now=12, tuning=tuning)

    assert decision.limits == (Limit("scale-down-delay", 4, 6),)
    assert decision.next == (Next("scales-down", 18),)


@pytest.mark.parametrize(("stable", "replicas"), [(0, 1), (1, 3), (4 * TARGET, 4)])
def test_the_activation_scale_is_the_least_where_any_are_wanted(
    stable: float, replicas: int
) -> None:
    decision, _ = decided(stable, ready=2, tuning=Tuning(activation_scale=3))

    assert decision.replicas == replicas


# Properties.

loads = st.floats(0, 1e5)
readies = st.integers(0, 300)
states = st.builds(
    lambda panic, most: ScalerState(0, panic_since=0 if panic else None, panic_replicas=most),
    st.booleans(),
    st.integers(0, 300),
)
bounds = st.tuples(st.integers(0, 50), st.integers(0, 300)).map(
    lambda both: ScalePolicy(both[0], sum(both), max(1, both[0]), (TRIGGER,))
)


@given(bounds, states, loads, loads, readies, readies)
def test_the_bounds_hold(
    policy: ScalePolicy,
    state: ScalerState,
    stable: float,
    panic: float,
    ready: int,
    wanted: int,
) -> None:
    decision, _ = decide(policy, state, signals(stable, panic), ready, wanted, 1, NOON)

    assert policy.floor <= decision.replicas <= policy.maximum


@given(st.lists(st.tuples(loads, loads, readies), min_size=1, max_size=30))
def test_it_never_shrinks_in_panic(measured: list[tuple[float, float, int]]) -> None:
    state, before = STABLE, 0
    for n, (stable, panic, ready) in enumerate(measured):
        decision, state = decide(POLICY, state, signals(stable, panic), ready, before, n, NOON)
        assert decision.mode == "stable" or decision.replicas >= before
        before = decision.replicas if decision.mode == "panic" else 0


@given(bounds, states, readies, readies)
def test_without_data_there_is_no_decision(
    policy: ScalePolicy, state: ScalerState, ready: int, wanted: int
) -> None:
    decision, after = decide(policy, state, Signals(), ready, wanted, 1, NOON)

    assert not decision.valid
    assert decision.replicas == policy.clamp(wanted)
    assert (after.panic_since, after.panic_replicas) == (state.panic_since, state.panic_replicas)


@given(bounds, states, loads, loads, loads, loads, readies)
def test_more_load_is_never_fewer_replicas(
    policy: ScalePolicy,
    state: ScalerState,
    stable: float,
    panic: float,
    more_stable: float,
    more_panic: float,
    ready: int,
) -> None:
    more = signals(stable + more_stable, panic + more_panic)

    less, _ = decide(policy, state, signals(stable, panic), ready, ready, 1, NOON)
    decision, _ = decide(policy, state, more, ready, ready, 1, NOON)

    assert decision.replicas >= less.replicas


triggers = st.lists(
    st.one_of(
        st.builds(
            RequestTrigger,
            st.sampled_from("ab"),
            st.sampled_from(["active-requests", "requests-per-second"]),
            st.integers(1, 200).map(float),
        ),
        st.builds(
            UsageTrigger,
            st.sampled_from("ab"),
            st.sampled_from(["cpu", "memory"]),
            st.floats(1, 1e3),
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(
    triggers.flatmap(lambda t: st.tuples(st.just(t), st.permutations(t))), states, loads, readies
)
def test_the_order_of_triggers_means_nothing(
    both: tuple[list[RequestTrigger | UsageTrigger], list[RequestTrigger | UsageTrigger]],
    state: ScalerState,
    load: float,
    ready: int,
) -> None:
    measured = Signals(Means(load, load), Means(load / 2, load / 3), 0, None, load / 5, None)
    one, other = (replace(POLICY, triggers=tuple(each)) for each in both)

    assert decide(one, state, measured, ready, ready, 1, NOON) == decide(
        other, state, measured, ready, ready, 1, NOON
    )


@given(triggers, loads, readies)
def test_of_several_triggers_the_highest_wins(
    several: list[RequestTrigger | UsageTrigger], load: float, ready: int
) -> None:
    measured = Signals(Means(load, load), Means(load / 2, load / 3), 0, None, load / 5, load / 7)

    def number(*triggers: RequestTrigger | UsageTrigger) -> int:
        policy = replace(POLICY, triggers=triggers)
        return decide(policy, STABLE, measured, ready, ready, 1, NOON)[0].replicas

    assert number(*several) == max(number(each) for each in several)
