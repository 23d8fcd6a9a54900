"""How soon a control plane that ended is started again."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from spacecloud.supervisor import (
    LONGEST_BACKOFF_SECONDS,
    QUICK_RESTARTS,
    RESTART_SECONDS,
    STABLE_SECONDS,
    Restarts,
    after_ending,
)


def delays(*lives: float) -> list[float]:
    """Of a control plane that lives so long each time, started anew after the delay."""
    restarts, now, found = Restarts(), 0.0, []
    for lived in lives:
        now += lived
        restarts = after_ending(restarts, lived, now)
        now += restarts.delay
        found.append(restarts.delay)
    return found


def test_a_control_plane_that_is_killed_five_times_in_ten_seconds_is_back_at_once() -> None:
    assert delays(1, 1, 1, 1, 1) == [RESTART_SECONDS] * 5


def test_one_that_ends_more_often_is_slowed_down_up_to_five_seconds() -> None:
    assert delays(*[0.5] * 11) == [0.1, 0.1, 0.1, 0.1, 0.1, 0.5, 1, 2, 4, 5, 5]


def test_six_ends_over_a_longer_time_are_all_restarted_at_once() -> None:
    assert delays(*[3.0] * 9) == [RESTART_SECONDS] * 9


def test_one_that_was_slowed_down_and_then_lived_begins_anew() -> None:
    assert delays(*[0.5] * 8, STABLE_SECONDS + 1, 0.5)[-2:] == [RESTART_SECONDS] * 2


@given(st.lists(st.floats(0, 60), max_size=40))
def test_the_delay_is_bounded_and_counts_no_more_than_it_needs(lives: list[float]) -> None:
    restarts = Restarts()
    for lived, now in zip(lives, accumulate(lives), strict=True):
        restarts = after_ending(restarts, lived, now)

        assert RESTART_SECONDS <= restarts.delay <= LONGEST_BACKOFF_SECONDS
        assert len(restarts.ended_at) <= QUICK_RESTARTS + 1
