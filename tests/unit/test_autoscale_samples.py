"""What is remembered of load reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecloud.autoscale.samples import HORIZON_SECONDS, Means, Samples, TimedMeans
from spacecloud.autoscale.signals import signals_of
from spacecloud.model.scale import Tuning


def reported(*active: float, begin: float = 0, seconds: float = 1) -> Samples:
    samples = Samples()
    for n, value in enumerate(active, 1):
        samples.record(begin + n * seconds, value, round(value * 10), seconds)
    return samples


def test_a_mean_is_weighted_by_the_time_that_each_value_held() -> None:
    samples = Samples()
    samples.record(0.2, 10, 4, 0.2)
    samples.record(1.0, 1, 4, 0.8)

    assert samples.active.mean(0.9, 6) == pytest.approx((10 * 0.2 + 1 * 0.8) / 1)
    assert samples.rate.mean(0.9, 6) == pytest.approx(8 / 1)


def test_a_report_is_shared_among_the_seconds_that_it_covers() -> None:
    samples = Samples()
    samples.record(3.5, 4, 40, 3)

    assert samples.active.mean(0.9, 1) == pytest.approx(4)
    assert samples.rate.mean(2.5, 1) == pytest.approx(40 / 3)
    assert samples.active.mean(3.5, 60) == pytest.approx(4)


def test_the_windows_are_the_last_sixty_and_the_last_six_seconds() -> None:
    samples = reported(*[1.0] * 54, *[7.0] * 6)

    means = samples.active.means(59.9, 60, 6)

    assert means is not None
    assert (means.stable, means.panic) == pytest.approx(((54 * 1 + 6 * 7) / 60, 7))


def test_seconds_of_which_nothing_was_told_count_for_nothing() -> None:
    samples = reported(10, 10)
    samples.record(40, 4, 4, 1)

    assert samples.active.means(39.9, 60, 6) == Means(8, 4)


def test_without_a_report_in_the_panic_window_there_is_no_data() -> None:
    samples = reported(10, 10)

    assert samples.active.means(7.9, 60, 6) is None
    assert samples.active.means(6.9, 60, 6) is not None
    assert Samples().active.means(0, 60, 6) is None


def test_what_is_not_later_than_the_last_or_has_no_duration_is_dropped() -> None:
    samples = reported(1, 1, 1)
    samples.record(2, 100, 100, 1)
    samples.record(9, 100, 100, 0)

    assert samples.active.mean(2.9, 60) == pytest.approx(1)


def test_it_is_quiet_since_the_first_report_of_nothing_without_a_gap() -> None:
    samples = reported(0, 0, 5, 0, 0)
    assert (samples.quiet_since, samples.last_active) == (3, 2)

    samples.record(6, 0, 1, 1)
    assert (samples.quiet_since, samples.last_active) == (None, 5)

    samples.record(7, 0, 0, 1)
    samples.record(30, 0, 0, 1)
    assert samples.quiet_since == 29


def test_a_gap_is_no_quiet() -> None:
    samples = reported(0, 0)

    def quiet(now: float) -> float | None:
        return signals_of(samples, Tuning(), now).quiet_since

    assert (quiet(2), quiet(5), quiet(5.1)) == (0, 0, None)


def test_of_an_interval_of_any_length_a_window_is_remembered() -> None:
    samples = Samples()

    samples.record(1e12, 5, 10**13, 1e12)

    assert len(samples.active) <= HORIZON_SECONDS + 1
    assert samples.rate.mean(1e12, 60) == pytest.approx(10)


reports = st.lists(
    st.tuples(st.floats(0.01, 200), st.floats(0, 1e6), st.integers(0, 10**6), st.floats(0.01, 500)),
    max_size=150,
)


@given(reports)
def test_it_is_bounded_and_a_mean_is_between_the_least_and_the_most(
    told: list[tuple[float, float, int, float]],
) -> None:
    samples, at, values = Samples(), 0.0, [0.0]
    for later, active, issued, seconds in told:
        at += later
        values.append(active)
        samples.record(at, active, issued, seconds)
        mean = samples.active.mean(at, HORIZON_SECONDS)
        assert mean is None or 0 <= mean <= max(values) * (1 + 1e-9)
        assert len(samples.active) <= HORIZON_SECONDS + 1


def test_a_mean_of_one_quantity_needs_no_other() -> None:
    cpu = TimedMeans()
    cpu.record(15, 120, 15)
    cpu.record(30, 60, 15)

    assert cpu.mean(29.9, 60) == pytest.approx(90)
