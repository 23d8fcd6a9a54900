"""When waiting for a deployment ends, and with what: the table of ``cli.wait``."""

from typing import Any

import pytest

from spacecloud.cli.wait import Awaited, Lines, View, view_of

OURS = Awaited("shop", "api", "v1", 5)


def a_status(**given: Any) -> dict[str, Any]:
    return {
        "serviceId": "api",
        "version": "v1",
        "generation": 5,
        "observedGeneration": 5,
        "state": "progressing",
        "message": "",
        "nextStep": "",
        "readyReplicas": 0,
        "desiredReplicas": 2,
        **given,
    }


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"state": "ready"}, "ready"),
        ({"state": "asleep"}, "ready"),
        ({"state": "failed"}, "failed"),
        ({"state": "progressing"}, "waiting"),
        ({"state": "degraded"}, "waiting"),
        ({"state": "removing", "generation": 0, "observedGeneration": 0}, "superseded"),
        ({"state": "ready", "generation": 6, "observedGeneration": 6}, "superseded"),
        ({"state": "failed", "generation": 6, "observedGeneration": 5}, "superseded"),
        ({"state": "ready", "observedGeneration": 4}, "waiting"),
        ({"state": "failed", "observedGeneration": 4}, "waiting"),
        ({"state": "failed", "generation": 4, "observedGeneration": 4}, "waiting"),
    ],
)
def test_what_a_status_means_for_the_one_who_waits(given: dict[str, Any], outcome: str) -> None:
    assert view_of(OURS, [a_status(**given)]).outcome == outcome


def test_another_version_or_service_is_not_the_one_that_is_awaited() -> None:
    others = [a_status(version="v2", state="ready"), a_status(serviceId="web", state="ready")]

    assert view_of(OURS, others).outcome == "superseded"
    assert view_of(OURS, [*others, a_status()]).outcome == "waiting"


def test_the_verdict_on_an_earlier_apply_is_not_shown_as_this_ones() -> None:
    view = view_of(OURS, [a_status(state="failed", observedGeneration=4)])

    assert view.state == "progressing"


def test_each_change_is_one_line_and_a_repetition_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()
    pulling = view_of(OURS, [a_status(nextStep="pulling app:1")])
    starting = view_of(OURS, [a_status(nextStep="starting", readyReplicas=1)])

    for views, note in (([pulling], ""), ([pulling], ""), ([starting], "lost"), ([starting], "")):
        lines.show(views, note)
    lines.show([View(OURS, "ready", a_status(state="ready"))], "")

    assert capsys.readouterr().out.splitlines() == [
        "  shop/api@v1 progressing 0/2 pulling app:1",
        "  lost",
        "  shop/api@v1 progressing 1/2 starting",
    ]
