"""When waiting for a deployment is over, and what came of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from spacecloud.cli.deployment import Awaited, DeploymentView, Outcome, view_of, with_progress

OURS = Awaited("shop", "api", "v1", generation=5)


def a_status(state: str, generation: int = 5, observed: int = 5, **given: Any) -> dict[str, Any]:
    return {
        "serviceId": "api",
        "version": "v1",
        "state": state,
        "generation": generation,
        "observedGeneration": observed,
        "readyReplicas": 1,
        "desiredReplicas": 2,
        "message": "",
        "nextStep": "",
        **given,
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (a_status("ready"), "ready"),
        (a_status("asleep"), "ready"),
        (a_status("completed"), "ready"),
        (a_status("failed"), "failed"),
        (a_status("progressing"), "waiting"),
        (a_status("degraded"), "waiting"),
        (a_status("removing", generation=0), "superseded"),
        (a_status("ready", observed=4), "waiting"),
        (a_status("failed", observed=4), "waiting"),
        (a_status("ready", generation=6, observed=6), "superseded"),
        (a_status("failed", generation=6, observed=5), "superseded"),
        (a_status("ready", generation=4, observed=4), "waiting"),
    ],
)
def test_only_a_status_of_the_same_apply_counts(status: dict[str, Any], outcome: Outcome) -> None:
    assert view_of(OURS, [status]).outcome == outcome


def test_a_version_that_is_gone_is_superseded() -> None:
    other = a_status("ready", serviceId="web")

    assert view_of(OURS, [other]).outcome == "superseded"
    assert view_of(OURS, [a_status("ready", version="v2")]).outcome == "superseded"


def test_what_is_not_looked_at_yet_is_not_shown_as_ready() -> None:
    assert view_of(OURS, [a_status("ready", observed=4)]).state == "progressing"


def test_a_view_says_why_it_waits() -> None:
    status = a_status("progressing", message="pulling", nextStep="wait until api--v1--0 is ready")
    view = view_of(OURS, [status])

    assert view.replicas == "1/2"
    assert view.message == "pulling; wait until api--v1--0 is ready"


SERVING = a_status("progressing", serving=True, confirmedAt="2026-01-01T12:00:08+00:00")
AT = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)


def test_what_serves_is_waited_for_until_it_is_confirmed_unless_serving_is_enough() -> None:
    assert view_of(OURS, [SERVING]).outcome == "waiting"
    assert view_of(OURS, [SERVING], "serving").outcome == "ready"
    assert view_of(OURS, [a_status("progressing", serving=False)], "serving").outcome == "waiting"


def test_since_when_it_serves_and_for_how_long_it_has_to_is_told_once() -> None:
    first = with_progress(view_of(OURS, [SERVING]), DeploymentView(OURS), 1.41, AT)
    later = with_progress(view_of(OURS, [SERVING]), first, 2.9, AT.replace(second=7))
    failed = with_progress(
        view_of(OURS, [a_status("failed", message="did not last")]), later, 3, AT
    )

    assert first.message == later.message == "serving after 1.4 s, confirming 3 s"
    assert failed.message == "did not last"
    assert replace(first, progress="").message == ""
