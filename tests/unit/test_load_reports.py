"""What Envoy's load reports mean: each message as one would come, one after the other."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse
from google.protobuf import json_format

from builders import NOON
from spacecloud.drivers.docker.xds.load_reports import (
    CALM,
    DRAINING,
    RESTING,
    USUAL,
    LoadReports,
)
from spacecloud.model.load import InFlightReport, Load, LoadReport

Counts = tuple[int, int]
"""In flight, and begun."""


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def message(clusters: Mapping[str, Mapping[str, Counts]], seconds: float = 1.0) -> LoadStatsRequest:
    return json_format.ParseDict(
        {"clusterStats": [_cluster(name, its, seconds) for name, its in clusters.items()]},
        LoadStatsRequest(),
    )


def _cluster(name: str, endpoints: Mapping[str, Counts], seconds: float) -> dict[str, Any]:
    told = [
        {
            "address": _address(address),
            "totalRequestsInProgress": str(in_flight),
            "totalIssuedRequests": str(issued),
        }
        for address, (in_flight, issued) in endpoints.items()
    ]
    localities = [{"upstreamEndpointStats": told}] if told else []
    return {
        "clusterName": name,
        "loadReportInterval": f"{seconds:.3f}s",
        "upstreamLocalityStats": localities,
    }


def _address(written: str) -> dict[str, Any]:
    if written.startswith("/"):
        return {"pipe": {"path": written}}
    return {"socketAddress": {"address": written, "portValue": 8080}}


IDLE = {"control": {"": (2, 0)}, "shop/api|v1|8080": {}}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clusters() -> dict[str, bool]:
    """All that Envoy holds; does it sleep?"""
    return {"shop/api|v1|8080": False}


@pytest.fixture
def loads(clock: Clock, clusters: dict[str, bool]) -> LoadReports:
    return LoadReports(clock, lambda: clusters)


async def told(loads: LoadReports, *messages: LoadStatsRequest) -> LoadReport:
    """The first report that comes of them."""
    reports = loads.subscribe()
    for heard in messages:
        loads.hear(heard)
    return await asyncio.wait_for(anext(reports), 1)


async def test_a_replica_has_what_all_its_ports_and_domains_have(loads: LoadReports) -> None:
    loads.hear(message(IDLE))

    report = await told(
        loads,
        message(
            {
                "shop/db|v1|5432": {"10.1.0.2": (2, 2)},
                "shop/db||5432": {"10.1.0.2": (4, 5), "10.1.0.3": (0, 0)},
            }
        ),
    )

    assert report == LoadReport(1.0, {"10.1.0.2": Load(1.0 + 2.0, 7)})


async def test_a_gate_and_the_platform_itself_are_no_replicas(loads: LoadReports) -> None:
    report = await told(
        loads,
        message(
            {
                "control": {"": (2, 0)},
                "shop/api|v1|8080": {"/run/gates/api.sock": (3, 3)},
                "space-cloud/host||22": {"127.0.0.1": (1, 1)},
            }
        ),
    )

    assert report.replicas == {}
    assert [told.replicas for told in loads.recent] == [{}]


async def test_short_intervals_are_told_together_about_once_a_second(loads: LoadReports) -> None:
    loads.hear(message(IDLE))
    short = [message({"shop/db|v1|5432": {"10.1.0.2": (n // 10, 0)}}, 0.05) for n in range(20)]

    report = await told(loads, *short)

    assert report.seconds == pytest.approx(1.0)
    assert report.replicas["10.1.0.2"].active == pytest.approx(0.5)


async def test_what_is_in_flight_is_told_with_its_interval(
    loads: LoadReports, clock: Clock
) -> None:
    loads.hear(message({"shop/api|v1|8080": {"10.1.0.2": (1, 9)}}))
    clock.now += timedelta(seconds=1)
    loads.hear(message(IDLE))

    later = NOON + timedelta(seconds=1)
    assert loads.recent == (
        InFlightReport(NOON - timedelta(seconds=1), NOON, {"10.1.0.2": 10}),
        InFlightReport(NOON, later, {}),
    )


async def test_a_report_that_is_heard_late_began_no_later(loads: LoadReports, clock: Clock) -> None:
    """Else one from before an acknowledgement would seem to have begun after it."""
    loads.hear(message(IDLE))
    clock.now += timedelta(seconds=5)
    loads.hear(message(IDLE))
    clock.now -= timedelta(hours=1)
    loads.hear(message(IDLE))

    assert [told.since for told in loads.recent[1:]] == [NOON, clock.now - timedelta(seconds=1)]


async def test_a_greeting_is_no_report(loads: LoadReports) -> None:
    loads.hear(LoadStatsRequest())

    assert loads.recent == ()


async def test_an_envoy_that_has_gone_has_told_nothing(loads: LoadReports) -> None:
    outbox = loads.open()
    loads.hear(message(IDLE))

    loads.close(outbox)

    assert loads.recent == ()


async def test_a_stream_that_was_replaced_ends_without_harm(loads: LoadReports) -> None:
    old, new = loads.open(), loads.open()
    loads.hear(message(IDLE))

    loads.close(old)

    assert len(loads.recent) == 1
    loads.report_every(DRAINING)
    assert intervals(new) == [USUAL, DRAINING]
    assert intervals(old) == [USUAL]


async def test_an_interval_is_asked_for_once(loads: LoadReports) -> None:
    """Each time that it is, its time begins anew: asked for again and again, none would end."""
    outbox = loads.open()

    for interval in (USUAL, DRAINING, DRAINING, USUAL, USUAL):
        loads.report_every(interval)

    assert intervals(outbox) == [USUAL, DRAINING, USUAL]


async def test_what_sleeps_is_reported_until_it_was_quiet_for_long(
    loads: LoadReports, clusters: dict[str, bool]
) -> None:
    clusters |= {"shop/db||5432": True, "shop/web|v1|80": True}
    outbox = loads.open()

    be_calm(loads, {**IDLE, "shop/db||5432": {"/run/gate": (1, 0)}})
    be_calm(loads, IDLE)
    be_calm(loads, IDLE)

    assert reported(outbox) == [
        "all",
        ["api", "shop/api|v1|8080", "shop/db||5432"],
        ["api", "shop/api|v1|8080"],
    ]


async def test_with_whatever_happens_all_is_reported_and_the_calm_begins_anew(
    loads: LoadReports, clusters: dict[str, bool]
) -> None:
    clusters |= {"shop/db||5432": True}
    outbox = loads.open()
    be_calm(loads, IDLE, short_of=1)
    loads.report_all()
    be_calm(loads, IDLE, short_of=1)
    assert reported(outbox) == ["all"]

    loads.hear(message(IDLE))
    loads.report_all()
    loads.report_all()

    assert reported(outbox) == [["api", "shop/api|v1|8080"], "all"]


async def test_where_nothing_sleeps_all_is_reported(loads: LoadReports) -> None:
    outbox = loads.open()

    be_calm(loads, IDLE)

    assert reported(outbox) == ["all"]


async def test_while_all_sleeps_reports_are_rare_unless_something_drains(
    loads: LoadReports, clusters: dict[str, bool]
) -> None:
    clusters["shop/api|v1|8080"] = True
    outbox = loads.open()

    be_calm(loads, IDLE)
    loads.report_every(DRAINING)
    loads.report_every(USUAL)
    loads.report_all()

    assert intervals(outbox) == [USUAL, RESTING, DRAINING, RESTING, USUAL]


async def test_what_was_left_out_is_told_of_the_time_since_it_is_reported(
    loads: LoadReports, clock: Clock
) -> None:
    """And not as a mean over the long interval in which nobody asked for it."""
    woken = {"shop/api|v1|8080": {"10.1.0.2": (5, 5)}}
    heard = message(woken)
    heard.MergeFrom(message({"api": {}}, 9.5))

    report = await told(loads, heard)

    assert report.seconds == 1.0


def be_calm(
    loads: LoadReports, clusters: Mapping[str, Mapping[str, Counts]], short_of: int = 0
) -> None:
    for _ in range(int(CALM.total_seconds()) - short_of):
        loads.hear(message(clusters))


def reported(outbox: "asyncio.Queue[LoadStatsResponse]") -> list[str | list[str]]:
    asked = [outbox.get_nowait() for _ in range(outbox.qsize())]
    return ["all" if wish.send_all_clusters else list(wish.clusters) for wish in asked]


def intervals(outbox: "asyncio.Queue[LoadStatsResponse]") -> list[timedelta]:
    asked = [outbox.get_nowait() for _ in range(outbox.qsize())]
    assert all(wish.report_endpoint_granularity for wish in asked)
    return [wish.load_reporting_interval.ToTimedelta() for wish in asked]
