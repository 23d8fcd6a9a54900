"""What an image says of its health, in our words."""

from typing import Any

import pytest

from spacecloud.drivers.docker.probes.healthcheck import SECOND, probe_of
from spacecloud.drivers.docker.probes.prober import RECHECK_SECONDS, interval, starting_interval
from spacecloud.model.task import Probe
from spacecloud.reasons.tasks import ProbeTimedOut


def test_a_command_keeps_its_arguments_and_its_times() -> None:
    check = {
        "Test": ["CMD", "redis-cli", "ping"],
        "Interval": 2 * SECOND,
        "Timeout": 4 * SECOND,
        "StartPeriod": 90 * SECOND,
        "Retries": 7,
    }

    assert probe_of({"Healthcheck": check}) == Probe.model_validate(
        {
            "type": "exec",
            "command": ["redis-cli", "ping"],
            "intervalSeconds": 2,
            "timeoutSeconds": 4,
            "graceSeconds": 90,
            "failures": 7,
        }
    )


@pytest.mark.parametrize(
    ("config", "command"),
    [
        ({}, ("/bin/sh", "-c", "curl -f localhost")),
        ({"Shell": ["/bin/bash", "-lc"]}, ("/bin/bash", "-lc", "curl -f localhost")),
    ],
)
def test_a_line_is_for_the_shell_of_the_image(
    config: dict[str, Any], command: tuple[str, ...]
) -> None:
    probe = probe_of({**config, "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"]}})

    assert probe is not None
    assert probe.command == command
    assert (probe.timeout_seconds, probe.grace_seconds, probe.failures) == (30, 60, 3)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"Healthcheck": None},
        {"Healthcheck": {}},
        {"Healthcheck": {"Test": ["NONE"]}},
        {"Healthcheck": {"Test": []}},
        {"Healthcheck": {"Test": ["CMD"]}},
    ],
)
def test_no_command_is_no_probe(config: dict[str, Any]) -> None:
    assert probe_of(config) is None


def test_values_that_the_engine_takes_and_a_probe_does_not_are_brought_into_its_range() -> None:
    check = {"Test": ["CMD", "x"], "Timeout": 7200 * SECOND, "Retries": 1000, "Interval": -1}

    probe = probe_of({"Healthcheck": check})

    assert probe is not None
    assert (probe.timeout_seconds, probe.failures, probe.interval_seconds) == (3600, 100, 5)


@pytest.mark.parametrize("seconds", [0.5, 300, 3600])
def test_an_interval_is_as_the_image_says(seconds: float) -> None:
    check = {"Test": ["CMD", "x"], "Interval": int(seconds * SECOND)}

    probe = probe_of({"Healthcheck": check})

    assert probe is not None
    assert interval(probe, None) == interval(probe, ProbeTimedOut("exec", 1)) == seconds


def test_an_image_that_names_no_interval_is_asked_as_any_other_task() -> None:
    probe = probe_of({"Healthcheck": {"Test": ["CMD", "x"]}})

    assert probe is not None
    assert interval(probe, None) == Probe().interval_seconds
    assert interval(probe, ProbeTimedOut("exec", 1)) == RECHECK_SECONDS


@pytest.mark.parametrize(
    ("probe", "first", "longest"),
    [
        ({"type": "http"}, 0.005, 0.5),
        ({"type": "exec", "command": ["x"], "intervalSeconds": 300}, 0.5, 5.0),
        ({"type": "exec", "command": ["x"], "intervalSeconds": 2}, 0.5, 2.0),
        ({"type": "exec", "command": ["x"], "intervalSeconds": 0.1}, 0.5, 0.5),
    ],
)
def test_a_task_that_is_not_ready_yet_is_asked_ever_less_often(
    probe: dict[str, Any], first: float, longest: float
) -> None:
    asked = Probe.model_validate(probe)

    pauses = [starting_interval(asked, tries) for tries in range(1000)]

    assert (pauses[0], pauses[-1]) == (first, longest)
    assert pauses == sorted(pauses)
