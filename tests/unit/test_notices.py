"""What a document's author is told of what will not be as it looks."""

from typing import Any

import pytest

from builders import a_service, a_task
from spacecloud.model.scale import declared_replicas
from spacecloud.reasons.notices import (
    MaximumBelowMinimum,
    NothingToProbe,
    ReplicasFixed,
    SleepNotSupported,
)
from spacecloud.report.notices import notices_of, volumes_of


def test_a_maximum_below_the_minimum_is_said_with_what_runs() -> None:
    service = a_service(scale={"replicas": 1, "minReplicas": 5, "maxReplicas": 2})

    assert notices_of(service) == (MaximumBelowMinimum(maximum=2, replicas=5),)
    assert declared_replicas(service) == 5


@pytest.mark.parametrize(
    "scale",
    [
        {"replicas": 5, "minReplicas": 5, "maxReplicas": 0},
        {"replicas": 5, "minReplicas": 5, "maxReplicas": 5},
    ],
)
def test_a_maximum_that_is_not_given_or_is_the_minimum_is_no_surprise(
    scale: dict[str, int],
) -> None:
    assert notices_of(a_service(scale=scale)) == ()


def test_a_scale_that_automatic_scaling_overrules_is_not_judged() -> None:
    service = a_service(scale={"replicas": 1, "minReplicas": 5, "maxReplicas": 2}, autoScale={})

    assert not [n for n in notices_of(service) if isinstance(n, MaximumBelowMinimum)]


@pytest.mark.parametrize(("restart", "said"), [("always", True), ("on-failure", False)])
def test_a_task_that_nobody_can_ask_is_told_so_unless_it_is_a_job(restart: str, said: bool) -> None:
    found = notices_of(a_service(tasks=[a_task(ports=[], restart=restart)]))

    assert any(isinstance(notice, NothingToProbe) for notice in found) == said


def test_what_an_image_keeps_in_a_volume_is_said_once_the_image_is_known() -> None:
    spec = a_service(tasks=[a_task(docker={"image": "db:1"})])
    volumes = {"db:1": ("/data",), "sha256:new": ("/data", "/log")}

    (one,) = volumes_of(spec, {}, volumes)
    (two,) = volumes_of(spec, {"main": "sha256:new"}, volumes)

    assert str(one).startswith("task main: its image declares /data as a VOLUME; what it writes")
    assert "database outside" in one.remedy
    assert "/data, /log as VOLUMEs" in str(two)
    assert list(volumes_of(spec, {"main": "sha256:other"}, volumes)) == []


@pytest.mark.parametrize(
    "given",
    [
        {"autoScale": {"minReplicas": 0, "maxReplicas": 10}},
        {"scale": {"minReplicas": 0, "replicas": 0, "maxReplicas": 10}},
        {"scale": {}},
    ],
)
def test_a_service_that_cannot_be_called_runs_one_replica_and_says_so(
    given: dict[str, Any],
) -> None:
    silent = a_service(tasks=[a_task(ports=[])], **given)

    assert declared_replicas(silent) == 1
    assert notices_of(silent)[0] == SleepNotSupported()
    assert SleepNotSupported() not in notices_of(a_service(**given))


CRON = {"start": "0 8 * * *", "end": "0 18 * * *", "timezone": "UTC", "desiredReplicas": "2"}


def test_a_service_that_a_schedule_alone_runs_may_have_none() -> None:
    scheduled = {"triggers": [{"type": "cron", "metadata": CRON}]}

    silent = a_service(tasks=[a_task(ports=[])], autoScale=scheduled)

    assert SleepNotSupported() not in notices_of(silent)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"autoScale": {"minReplicas": 2, "triggers": [{"type": "kafka"}]}}, "autoScale.triggers"),
        ({"autoScale": {"minReplicas": 2, "maxReplicas": 9}}, "autoScale.maxReplicas"),
        ({"autoScale": {"minReplicas": 2, "maxReplicas": 2}}, ""),
        ({"autoScale": {"minReplicas": 2}}, ""),
        ({"autoScale": {"triggers": [{"type": "cron", "metadata": CRON}]}}, ""),
        ({"scale": {"minReplicas": 2, "maxReplicas": 9}}, ""),
    ],
)
def test_a_maximum_that_nothing_reaches_is_said(given: dict[str, Any], told: str) -> None:
    expected = (ReplicasFixed(told, 2),) if told else ()

    assert notices_of(a_service(**given)) == expected


def test_a_maximum_that_nothing_reaches_of_what_sleeps_is_said_so() -> None:
    (said,) = notices_of(a_service(autoScale={"minReplicas": 0, "maxReplicas": 5}))

    assert str(said) == (
        "autoScale.maxReplicas is kept; 1 replica runs while it is awake, whatever the load"
    )


REQUESTS = {"type": "active-requests", "metadata": {"target": "10", "treshold": "5"}}


@pytest.mark.parametrize(
    ("scale", "told"),
    [
        (
            {"minReplicas": 2, "sleep": {"freezeAfter": 60}},
            ["autoScale.sleep is kept; it never sleeps: autoScale.minReplicas is 2"],
        ),
        (
            {"sleep": {"freezeAfter": 600, "stopAfter": 60}},
            ["autoScale.sleep.freezeAfter is kept; it is stopped before, and so never frozen"],
        ),
        ({"sleep": {"freezeAfter": "never", "stopAfter": 60}}, []),
        ({"sleep": {"freezeAfter": 60, "stopAfter": 600}}, []),
        (
            {"triggers": [REQUESTS, {"type": "kafka", "metadata": {"any": "thing"}}]},
            ["autoScale.triggers[0]: metadata.treshold is kept; active-requests does not read it"],
        ),
    ],
)
def test_what_is_written_of_a_scale_and_never_happens_is_said(
    scale: dict[str, Any], told: list[str]
) -> None:
    assert [str(notice) for notice in notices_of(a_service(autoScale=scale))] == told


def test_none_run_only_where_the_scale_allows_none() -> None:
    none = a_service(scale={"maxReplicas": 0})

    assert declared_replicas(none) == 0
    assert notices_of(none) == ()
    assert declared_replicas(a_service(scale={"replicas": 1})) == 1
