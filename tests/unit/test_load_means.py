"""The mean of what is in flight, from a gauge that is read now and then: against known truths."""

import random
from bisect import bisect_right
from itertools import pairwise
from statistics import mean, pstdev

import pytest

from spacecloud.drivers.docker.xds.load_means import LoadMeans, Sample
from spacecloud.model.load import Load

API = ("shop/api|v1|8080", "10.180.0.2")
DB = ("shop/db|v1|5432", "10.180.0.2")

Requests = list[tuple[float, float]]
"""When each began and ended, in seconds."""


def requests(per_second: float, lasting: float, seconds: float) -> Requests:
    """At random moments, each as long as the next."""
    chance, at, found = random.Random(7), 0.0, []
    while (at := at + chance.expovariate(per_second)) < seconds:
        found.append((at, at + lasting))
    return found


def samples(load: Requests, interval: float, seconds: float) -> list[Sample]:
    """What a gauge and a counter show of each interval."""
    begins, ends = sorted(began for began, _ in load), sorted(ended for _, ended in load)
    edges = [n * interval for n in range(round(seconds / interval) + 1)]
    return [
        Sample(
            bisect_right(begins, until) - bisect_right(ends, until),
            bisect_right(begins, until) - bisect_right(begins, since),
        )
        for since, until in pairwise(edges)
    ]


def reported(load: Requests, interval: float, seconds: float) -> list[float]:
    """What is told of each interval."""
    means = LoadMeans()
    loads = (means.take({API: sample}, interval) for sample in samples(load, interval, seconds))
    return [told.get(API, Load(0, 0)).active for told in loads]


@pytest.mark.parametrize(
    ("per_second", "lasting"),
    [
        pytest.param(100, 0.005, id="short"),
        pytest.param(1000, 0.005, id="short, many"),
        pytest.param(20, 0.25, id="a quarter of an interval"),
        pytest.param(20, 1.0, id="as long as an interval"),
        pytest.param(5, 2.0, id="longer than an interval"),
        pytest.param(0.5, 30.0, id="connections"),
    ],
)
def test_over_time_the_mean_is_rate_times_duration(per_second: float, lasting: float) -> None:
    seconds = 400
    told = reported(requests(per_second, lasting, seconds), 1.0, seconds)

    assert mean(told[60:]) == pytest.approx(per_second * lasting, rel=0.15)


def test_each_interval_of_short_requests_is_told_better_than_the_gauge_tells_it() -> None:
    """Of 100 a second that take 5 ms each the gauge shows 0 or 1, and the mean is a half."""
    load = requests(100, 0.005, 200)
    gauges = [sample.in_flight for sample in samples(load, 1.0, 200)[60:]]

    told = reported(load, 1.0, 200)[60:]

    assert pstdev(told) < pstdev(gauges) / 3


def test_a_step_is_told_in_the_first_report_that_has_it() -> None:
    """Requests that take a hundred times as long from one moment on: old durations say nothing."""
    before = [(began, ended) for began, ended in requests(100, 0.005, 100) if began < 50]
    after = [(began + 50, ended + 50) for began, ended in requests(100, 0.5, 50)]

    told = reported([*before, *after], 1.0, 60)

    assert max(told[20:50]) < 2
    assert told[50] > 15
    assert mean(told[52:60]) == pytest.approx(50, rel=0.15)


def test_what_has_ended_between_two_reports_was_there_for_a_part_of_the_time() -> None:
    means = LoadMeans()
    means.take({API: Sample(4, 4)}, 1.0)

    loads = means.take({}, 1.0)

    assert loads == {API: Load(2.0, 0)}
    assert means.take({}, 1.0) == {}


def test_a_connection_that_stays_counts_whole() -> None:
    means = LoadMeans()
    means.take({DB: Sample(3, 3)}, 1.0)

    assert means.take({DB: Sample(3, 0)}, 1.0) == {DB: Load(3.0, 0)}


def test_durations_of_one_port_are_not_those_of_another() -> None:
    """A connection of an hour beside requests of 5 ms, on one replica."""
    means = LoadMeans()
    told = [
        means.take({API: sample, DB: Sample(1, 0)}, 1.0)
        for sample in samples(requests(100, 0.005, 200), 1.0, 200)
    ]

    assert {loads[DB].active for loads in told[1:]} == {1.0}
    assert mean(loads[API].active for loads in told[60:]) == pytest.approx(0.5, rel=0.3)


def test_what_was_there_before_it_was_first_told_was_there_all_the_time() -> None:
    """Of a new cluster, or to a control plane that comes back: three of five did not begin now."""
    assert LoadMeans().take({DB: Sample(5, 2)}, 6.0) == {DB: Load(4.0, 2)}


def test_what_is_idle_is_forgotten() -> None:
    means = LoadMeans()
    means.take({API: Sample(1, 1)}, 1.0)

    for _ in range(61):
        means.take({}, 1.0)

    assert means.known == frozenset()
