"""Spans and moments of the log's query, as the original's client writes them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecloud.api.parameters import duration, moment, wanted
from spacecloud.errors import InvalidSpec

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        ("2h0m0.5s", 7200.5),
        ("5us", 5e-6),
        ("5µs", 5e-6),
        ("0s", 0),
    ],
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["10", "m", "10x", "-5m", "1..5h", ".h", "1h ", "9" * 400 + "h"])
def test_what_is_no_span_is_a_mistake_with_an_example(text: str) -> None:
    with pytest.raises(InvalidSpec, match="10m"):
        duration(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_is_more_than_a_mistake(since: str, since_time: str) -> None:
    try:
        found = moment(since, since_time, NOW)
    except InvalidSpec:
        return
    assert found is None or found.tzinfo is not None


def test_a_moment_is_read_with_nanoseconds_and_without_a_zone() -> None:
    assert moment("", "2029-12-31T23:59:59.123456789Z", NOW) == datetime(
        2029, 12, 31, 23, 59, 59, 123456, tzinfo=UTC
    )
    assert moment("", "2029-12-31T23:59:59", NOW) == NOW - timedelta(seconds=1)
    assert moment("1h", "", NOW) == NOW - timedelta(hours=1)
    assert moment("", "", NOW) is None


def test_span_and_moment_together_are_a_mistake() -> None:
    with pytest.raises(InvalidSpec, match="not both"):
        moment("1h", "2029-12-31T23:59:59Z", NOW)


def test_empty_and_star_mean_all() -> None:
    assert wanted("", "*") is None
    assert wanted("*", "api") == "api"
