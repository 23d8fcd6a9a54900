"""What a document says of how many replicas there are, and when none need to run."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from builders import NOON, a_service, a_task, a_version
from spacecloud.errors import InvalidSpec
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.foreign_triggers import check_triggers
from spacecloud.model.lenient_reading import STORED
from spacecloud.model.scale import (
    DEFAULT_MAXIMUM,
    RequestTrigger,
    ScalePolicy,
    ScheduleTrigger,
    SleepPolicy,
    UnusedTrigger,
    UsageTrigger,
    may_sleep,
    policy_in_force,
    scale_policy,
    wanted_depth,
    wanted_replicas,
)
from spacecloud.model.scaling import Scaling
from spacecloud.model.schedule import Schedule
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import validate

RATE = RequestTrigger("requests-per-second", "requests-per-second", 50)
ACTIVE = RequestTrigger("active-requests", "active-requests", 8)


@pytest.mark.parametrize(
    ("written", "bounds", "triggers"),
    [
        ({}, (1, 1, 1), ()),
        ({"scale": {"replicas": 3}}, (3, 3, 3), ()),
        ({"scale": {"replicas": 0}}, (0, 0, 0), ()),
        ({"scale": {"replicas": 3, "concurrency": 8, "mode": "parallel"}}, (3, 3, 3), ()),
        ({"scale": {}}, (0, 100, 1), (RATE,)),
        ({"scale": {"concurrency": 8, "mode": "parallel"}}, (0, 100, 1), (ACTIVE,)),
        ({"scale": {"replicas": 2, "minReplicas": 2, "maxReplicas": 4}}, (2, 4, 2), (RATE,)),
        ({"scale": {"replicas": 9, "maxReplicas": 4}}, (0, 4, 4), (RATE,)),
        ({"scale": {"replicas": 1, "minReplicas": 5, "maxReplicas": 2}}, (5, 5, 5), (RATE,)),
        ({"scale": {"maxReplicas": 0}}, (0, 0, 0), (RATE,)),
        ({"scale": {"minReplicas": 0}}, (0, 100, 1), (RATE,)),
        ({"scale": {"minReplicas": 1, "concurrency": 0}}, (1, 100, 1), (RATE,)),
        ({"autoScale": {}}, (0, 1, 1), ()),
        ({"autoScale": {"minReplicas": 3, "maxReplicas": 9}}, (3, 3, 3), ()),
        ({"autoScale": {"minReplicas": 0, "maxReplicas": 9, "triggers": []}}, (0, 1, 1), ()),
        (
            {"autoScale": {"triggers": [{"type": "active-requests", "metadata": {"target": "8"}}]}},
            (0, DEFAULT_MAXIMUM, 1),
            (ACTIVE,),
        ),
        (
            {
                "scale": {"replicas": 7},
                "autoScale": {
                    "minReplicas": 2,
                    "maxReplicas": 0,
                    "triggers": [{"type": "rabbitmq"}],
                },
            },
            (2, DEFAULT_MAXIMUM, 2),
            (UnusedTrigger("rabbitmq", "rabbitmq"),),
        ),
    ],
)
def test_bounds_and_triggers_are_as_written_or_the_default(
    written: dict[str, Any], bounds: tuple[int, int, int], triggers: tuple[Any, ...]
) -> None:
    policy = scale_policy(a_service(**written))

    assert (policy.minimum, policy.maximum, policy.initial) == bounds
    assert policy.triggers == triggers


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"scale": {}}, True),
        ({"autoScale": {}}, True),
        ({"autoScale": {"minReplicas": 1}}, False),
        ({"scale": {"maxReplicas": 0}}, False),
        ({"scale": {"replicas": 0}}, False),
        ({}, False),
        ({"scale": {}, "tasks": [a_task(ports=[])]}, False),
        ({"scale": {}, "tasks": [a_task(ports=[{"port": 1, "protocol": "tcp"}])]}, True),
        ({"scale": {}, "tasks": [a_task(ports=[], restart="never")]}, False),
    ],
)
def test_only_what_can_be_called_and_may_have_none_sleeps(
    written: dict[str, Any], expected: bool
) -> None:
    assert may_sleep(a_service(**written)) == expected


@pytest.mark.parametrize(
    ("form", "written", "freeze", "stop"),
    [
        ("scale", {}, 60, 900),
        ("autoScale", {}, 60, 900),
        ("autoScale", {"coolDownInterval": 30}, 30, 900),
        ("autoScale", {"coolDownInterval": 0}, 120, 900),
        ("autoScale", {"coolDownInterval": 30, "sleep": {"freezeAfter": 7}}, 7, 900),
        ("scale", {"sleep": {"freezeAfter": "never", "stopAfter": 5}}, None, 5),
        ("autoScale", {"sleep": {"stopAfter": "never"}}, 60, None),
    ],
)
def test_how_long_it_is_idle_before_it_sleeps(
    form: str, written: dict[str, Any], freeze: float | None, stop: float | None
) -> None:
    sleep = scale_policy(a_service(**{form: written})).sleep

    assert sleep is not None
    assert (sleep.freeze_after_seconds, sleep.stop_after_seconds) == (freeze, stop)


@pytest.mark.parametrize(("written", "seconds"), [(0, 15), (5, 5), (300, 30)])
def test_usage_is_looked_at_at_least_twice_in_a_window(written: int, seconds: float) -> None:
    policy = scale_policy(a_service(autoScale={"pollingInterval": written}))

    assert policy.polling_seconds == seconds


def test_all_of_sleep_is_read() -> None:
    hours = {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "timezone": "Europe/Berlin"}
    given = {"awake": [hours], "busyCpu": 0, "waitingPage": True, "maxHeld": 7}

    assert scale_policy(a_service(autoScale={"sleep": given})).sleep == SleepPolicy(
        awake=(Schedule("0 8 * * 1-5", "0 18 * * 1-5", "Europe/Berlin"),),
        busy_cpu_millicores=0,
        waiting_page=True,
        max_held=7,
    )


def trigger(kind: str, /, **metadata: str) -> dict[str, Any]:
    return {"type": kind, "metadata": metadata}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        # Two tasks: one of 500 thousandths and 256 MiB, one of the default of 250 and of 512.
        (trigger("cpu", type="Utilization", value="60"), UsageTrigger("cpu", "cpu", 450)),
        (trigger("cpu", value="60"), UsageTrigger("cpu", "cpu", 450)),
        (trigger("cpu", type="AverageValue", value="500m"), UsageTrigger("cpu", "cpu", 500)),
        (trigger("cpu", type="Value", value="1.5"), UsageTrigger("cpu", "cpu", 1500)),
        (
            trigger("memory", type="Utilization", value="50"),
            UsageTrigger("memory", "memory", 384 * 2**20),
        ),
        (
            trigger("memory", type="AverageValue", value="64Mi"),
            UsageTrigger("memory", "memory", 64 * 2**20),
        ),
        (
            trigger(
                "cron", start="0 8 * * *", end="0 18 * * *", timezone="UTC", desiredReplicas="4"
            ),
            ScheduleTrigger("cron", Schedule("0 8 * * *", "0 18 * * *"), 4),
        ),
    ],
)
def test_triggers_of_keda_are_read(given: dict[str, Any], read: object) -> None:
    first = a_task(resources={"cpu": 500, "memory": 256})
    second = a_task(id="side", ports=[], resources={"cpu": 0})

    policy = scale_policy(a_service(tasks=[first, second], autoScale={"triggers": [given]}))

    assert policy.triggers == (read,)


NEEDS_TARGET = 'metadata.target: requests per replica, a whole number as text: "50"'
HALF = {"start": "0 8 * * *", "timezone": "UTC", "desiredReplicas": "2"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (trigger("active-requests"), NEEDS_TARGET),
        (trigger("requests-per-second", target="²"), NEEDS_TARGET),
        (trigger("requests-per-second", target="0"), NEEDS_TARGET),
        (trigger("requests-per-second", target="9" * 400), NEEDS_TARGET),
        (trigger("cpu"), 'metadata.value: a percentage, a whole number as text: "70"'),
        (trigger("cpu", value="0"), 'metadata.value: a percentage, a whole number as text: "70"'),
        (
            trigger("cpu", type="Average", value="1"),
            "metadata.type: one of Utilization, AverageValue, Value",
        ),
        (
            trigger("cpu", type="AverageValue", value="half"),
            "metadata.value: an amount per replica in cores, as in 500m",
        ),
        (
            trigger("memory", type="AverageValue", value="0"),
            "metadata.value: an amount per replica in bytes, as in 256Mi",
        ),
        (trigger("cron", **HALF), "metadata.end: a time as cron has it: minute, hour"),
        (
            trigger("cron", **HALF, end="61 8 * * *"),
            "metadata.end: a time as cron has it (bad minute): minute, hour",
        ),
        (trigger("cron", **HALF, end="0 8 * * *"), "metadata.end: must be another time than start"),
        (
            trigger("cron", **{**HALF, "timezone": "Mars"}, end="0 9 * * *"),
            "metadata.timezone: a time zone, as in Europe/Berlin",
        ),
        (
            trigger("cron", **{**HALF, "desiredReplicas": "0"}, end="0 9 * * *"),
            'metadata.desiredReplicas: a whole number from 1 to 1000 as text: "3"',
        ),
    ],
)
def test_a_trigger_that_says_nothing_is_refused_and_still_read_where_it_is_stored(
    given: dict[str, Any], told: str
) -> None:
    document = a_service().as_given() | {"autoScale": {"triggers": [given]}}

    with pytest.raises(InvalidSpec) as caught:
        validate(Service, document, "spec")
    (mistake,) = caught.value.mistakes
    assert str(mistake).startswith(f"spec.autoScale.triggers[0].{told}")

    policy = scale_policy(Service.model_validate(document, context=STORED))
    assert policy.minimum == 0


def test_a_trigger_of_keda_is_kept_where_the_platform_is_not_docker() -> None:
    service = a_service(autoScale={"triggers": [trigger("kafka")]})

    check_triggers(service, "istio")
    check_triggers(service, "none")
    with pytest.raises(InvalidSpec, match="the Docker driver has no trigger kafka"):
        check_triggers(service, "docker")
    check_triggers(a_service(autoScale={}), "docker")


@pytest.mark.parametrize(
    ("sleep", "told"),
    [
        (
            {"freezeAfter": "soon"},
            "freezeAfter: a whole number of seconds from 1 to 2592000, or never (got 'soon')",
        ),
        (
            {"stopAfter": 0},
            "stopAfter: a whole number of seconds from 1 to 2592000, or never (got 0)",
        ),
        (
            {"stopAfter": True},
            "stopAfter: a whole number of seconds from 1 to 2592000, or never (got True)",
        ),
        ({"freezAfter": 1}, "freezAfter: there is no such field; did you mean freezeAfter?"),
        (
            {"awake": [{"start": "0 8 * *", "end": "0 9 * * *"}]},
            "awake[0].start: a time as cron has it: minute, hour, day, month and day of the week, "
            'as in "0 8 * * 1-5"',
        ),
        (
            {"awake": [{"start": "0 0 30 2 *", "end": "0 9 * * *"}]},
            "awake[0].start: a time as cron has it (bad day-of-month): minute, hour, day, month and "
            'day of the week, as in "0 8 * * 1-5"',
        ),
        (
            {"awake": [{"start": "0 8 * * *", "end": "0 9 * * *", "timezone": "America"}]},
            "awake[0].timezone: a time zone, as in Europe/Berlin",
        ),
        (
            {"awake": [{"start": "0 8 * * *", "end": "0 8 * * *"}]},
            "awake[0].end: must be another time than start",
        ),
    ],
)
def test_a_mistake_in_sleep_is_told_at_its_place(sleep: dict[str, Any], told: str) -> None:
    for form in ("scale", "autoScale"):
        document = a_service().as_given() | {form: {"sleep": sleep}}

        with pytest.raises(InvalidSpec) as caught:
            validate(Service, document, "spec")

        assert [str(m) for m in caught.value.mistakes] == [f"spec.{form}.sleep.{told}"]


def test_what_is_written_of_sleep_is_given_back() -> None:
    sleep = {
        "freezeAfter": 5,
        "stopAfter": "never",
        "awake": [{"start": "0 8 * * *", "end": "0 9 * * *"}],
    }

    given = a_service(autoScale={"sleep": sleep}).as_given()

    assert given["autoScale"] == {"sleep": sleep}


def test_a_number_that_a_person_asked_for_holds_until_the_next_apply() -> None:
    scaling = Scaling(7, NOON, pinned=4)
    version = a_version(spec=a_service(autoScale={}), generation=4)
    pinned = with_scaling(version, scaling)

    assert policy_in_force(pinned) == ScalePolicy(7, 7, 7, pinned=7)
    assert wanted_replicas(policy_in_force(pinned), scaling) == 7
    assert policy_in_force(with_scaling(version, Scaling(7, NOON, pinned=3))).maximum == 1


def with_scaling(version: DeclaredVersion, scaling: Scaling) -> DeclaredVersion:
    return replace(version, scaling=scaling)


def test_what_was_decided_holds_within_the_bounds_that_are_declared_now() -> None:
    policy = ScalePolicy(2, 4, 3)

    assert wanted_replicas(policy, None) == 3
    assert [wanted_replicas(policy, Scaling(n, NOON)) for n in (0, 3, 9)] == [2, 3, 4]


def test_a_version_that_may_not_sleep_any_more_is_awake() -> None:
    asleep = Scaling(1, NOON, "frozen")

    assert wanted_depth(ScalePolicy(0, 1, 1, sleep=SleepPolicy()), asleep) == "frozen"
    assert wanted_depth(ScalePolicy(1, 1, 1), asleep) is None
    assert wanted_depth(ScalePolicy(0, 1, 1, sleep=SleepPolicy()), None) is None


def test_hours_are_open_from_the_minute_that_starts_them_to_the_one_that_ends_them() -> None:
    hours = Schedule("0 8 * * 1-5", "0 18 * * 1-5", "Europe/Berlin")

    def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
        return datetime(2026, 7, day, hour - 2, minute, second, tzinfo=UTC)

    # The third of July 2026 is a Friday.
    open = [at(3, 8), at(3, 8, 0, 30), at(3, 17, 59, 59)]
    closed = [at(3, 7, 59, 59), at(3, 18), at(4, 12), at(5, 12)]

    assert all(hours.is_open(each) for each in open)
    assert not any(hours.is_open(each) for each in closed)
    assert hours.next_change(at(3, 9)) == at(3, 18)
    assert hours.next_change(at(3, 18)) == at(6, 8)


def test_hours_of_a_night_and_of_a_changed_clock() -> None:
    night = Schedule("0 22 * * *", "0 6 * * *", "Europe/Berlin")

    # The clock is put forward on the 29th of March 2026 at 2, to 3: it is six hours long.
    opens = datetime(2026, 3, 28, 21, tzinfo=UTC)
    closes = datetime(2026, 3, 29, 4, tzinfo=UTC)

    assert night.next_change(opens) == closes
    assert night.is_open(opens)
    assert not night.is_open(closes)


def test_hours_that_cannot_be_read_are_never_open() -> None:
    assert not Schedule("nope", "0 6 * * *").is_open(NOON)
    assert not Schedule("0 5 * * *", "nope").is_open(NOON)
    assert not Schedule("0 5 * * *", "0 23 * * *", "Mars").is_open(NOON)
    assert Schedule("nope", "nope").next_change(NOON) is None
