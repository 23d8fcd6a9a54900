"""Logs of several replicas as one sequence of lines, also of those that end and come back."""

import threading
from collections.abc import Iterator

import pytest

from spacecloud.cli.log_streams import Line, LogStreams, Over
from spacecloud.cli.logs import Query
from spacecloud.errors import NotFound


def test_lines_of_all_come_until_all_have_ended() -> None:
    streams = LogStreams(lambda replica, ago: [f"{replica} 1", f"{replica} 2"])
    streams.add(["a", "b"])

    lines = list(streams.until_all_end())

    assert sorted(line.text for line in lines) == ["a 1", "a 2", "b 1", "b 2"]
    assert [line.text for line in lines if line.replica == "a"] == ["a 1", "a 2"]


def test_what_ended_a_log_is_raised_where_nobody_follows() -> None:
    def gone(replica: str, ago: float | None) -> Iterator[str]:
        yield "last words"
        raise NotFound("there is no replica a")

    streams = LogStreams(gone)
    streams.add(["a"])

    with pytest.raises(NotFound, match="no replica a"):
        list(streams.until_all_end())


def test_a_log_that_ended_is_read_on_from_there_and_an_open_one_is_left_alone() -> None:
    opened: list[tuple[str, bool]] = []
    stays_open = threading.Event()

    def open_log(replica: str, ago: float | None) -> Iterator[str]:
        opened.append((replica, ago is not None))
        yield "hello"
        if replica == "open":
            stays_open.wait(10)

    streams = LogStreams(open_log)
    streams.add(["ends", "open"])
    received = []
    for item in streams.within(10):
        received.append(item)
        if sum(isinstance(each, Line) for each in received) == 2 and Over("ends") in received:
            break
    streams.add(["ends", "open"])
    again = next(iter(streams.within(10)))
    stays_open.set()

    assert again == Line("ends", "hello")
    assert sorted(opened) == [("ends", False), ("ends", True), ("open", False)]


def test_a_log_that_is_read_on_asks_for_no_old_line_again() -> None:
    query = Query(task="main", follow=True, tail=100, since="10m")

    assert query.as_api() == {"taskId": "main", "tail": 100, "since": "10m", "follow": "true"}
    assert query.as_api(1.5) == {
        "taskId": "main",
        "tail": None,
        "since": "1.500s",
        "follow": "true",
    }
