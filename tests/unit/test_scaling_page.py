"""How the number of a version's replicas comes about: as values, and as a page for people."""

import re
from dataclasses import replace
from typing import Any

import click
import pytest
from inline_snapshot import snapshot

from builders import NOON, a_service, a_situation, a_version, changed, later, settled
from spacecloud.autoscale.decision import Decision, Limit, Next, Want
from spacecloud.cli.output import asleep_for, elapsed, replicas_of
from spacecloud.cli.scaling_page import lines_of, summary
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.scaling_view import ScaleView, WakePartView, WakesView, WakeView
from spacecloud.reasons.scaling import InFlight, LoadChanged, LoadUnknown, Unused
from spacecloud.report.scaling import Decided, Known, scale_view
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.decide import decide

RATE = "requests-per-second"
SPEC = a_service(
    autoScale={
        "minReplicas": 0,
        "maxReplicas": 9,
        "triggers": [{"type": RATE, "metadata": {"target": "50"}}],
    }
)
VERSION = a_version(spec=SPEC)
GROWING = Decision(
    replicas=5,
    cause=LoadChanged(RATE, 240, 50),
    mode="panic",
    wants=(Want(RATE, RATE, 50, 60, 240, 2, 7),),
    minimum=0,
    maximum=9,
    limits=(Limit("max-scale-up-rate", 7, 5),),
    busy=(InFlight(12),),
    next=(Next("panic-ends", 54), Next("freezes", 60)),
)


def a_view(
    decision: Decision | None = None,
    scaling: Scaling | None = None,
    snapshot: Snapshot | None = None,
    **known: Any,
) -> ScaleView:
    decided = Decided(NOON, decision) if decision is not None else None
    return scale_view(VERSION, snapshot, Known(scaling, decided, decided, **known))


def page(view: ScaleView, seconds: float = 6) -> list[str]:
    """As it is told so many seconds after it was decided; moments are of the reader's clock."""
    moment = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
    lines = lines_of(view.wire(), later(seconds))
    return [re.sub(moment, "<time>", click.unstyle(line)) for line in lines]


def seen(depth: Depth | None = None) -> Snapshot:
    """A look at its one replica, awake or asleep."""
    situation = settled(a_situation(VERSION))
    match depth:
        case "frozen":
            situation = changed(situation, task={"frozen": True})
        case "stopped":
            situation = changed(situation, task={"state": "exited", "exit_code": 0})
        case None:
            pass
    return Snapshot(situation, decide(situation))


def test_a_version_that_grows_is_explained() -> None:
    assert page(a_view(GROWING, Scaling(5, NOON), seen())) == snapshot(
        [
            "shop/web@v1  awake  1 of 5 replicas ready",
            "  decision     5 replicas since <time> (6 s): requests-per-second is 240 in all, 50 per replica is the aim",
            "  bounds       0 to 9",
            "  mode         panic: the short window decides, and nothing is scaled down",
            "  held by      max-scale-up-rate: 7 wanted, 5 allowed",
            "  sleep        frozen after 1 min, stopped after 15 min without a call",
            "  busy         it has 12 requests and connections in flight",
            "  next         panic ends in 48 s (<time>)",
            "  next         freezes in 54 s (<time>)",
            "  wakes        0 since the control plane started",
            "  triggers",
            "    TRIGGER              TYPE                 TARGET  STABLE 60 s  PANIC 6 s  WANTS",
            "    requests-per-second  requests-per-second  50      60           240        7 (panic)",
        ]
    )


def test_a_version_that_sleeps_is_explained() -> None:
    asleep = Decision(1, "frozen", cause=Unused(60), next=(Next("stops", 840),))
    last = WakeView(
        at=later(-3600),
        why="call",
        was="frozen",
        milliseconds=12.3,
        parts=(
            WakePartView(name="gate", milliseconds=1.1),
            WakePartView(name="thaw", milliseconds=9),
            WakePartView(name="ready", milliseconds=2.2),
        ),
    )
    wakes = WakesView(count=7, failed=1, last=last)

    view = a_view(asleep, Scaling(1, NOON, "frozen"), seen("frozen"), wakes=wakes, held=2)

    assert page(view, 180) == snapshot(
        [
            "shop/web@v1  frozen  1 replica kept",
            "  decision     frozen since <time> (3 min): nobody has called it for 60 s",
            "  bounds       0 to 9",
            "  sleep        frozen after 1 min, stopped after 15 min without a call",
            "  next         stops in 11 min (<time>)",
            "  held         2 calls at the gate",
            "  wakes        7, 1 failed since the control plane started; the last 1 h ago by a call, it was frozen: 12.3 ms",
            "  in parts     gate 1.1 ms, thaw 9.0 ms, ready 2.2 ms",
        ]
    )


def test_a_version_without_data_is_explained() -> None:
    unknown = Decision(
        replicas=2,
        why_invalid=LoadUnknown((RATE,)),
        wants=(Want(RATE, RATE, 50, None, None),),
        minimum=0,
        maximum=9,
    )

    assert page(a_view(unknown, Scaling(2, NOON), seen())) == snapshot(
        [
            "shop/web@v1  awake  1 of 2 replicas ready",
            "  decision     2 replicas since <time> (6 s)",
            "  no decision  nothing was reported of requests-per-second lately: wait a moment; if it stays so: space-cloud doctor",
            "  bounds       0 to 9",
            "  sleep        frozen after 1 min, stopped after 15 min without a call",
            "  wakes        0 since the control plane started",
            "  triggers",
            "    TRIGGER              TYPE                 TARGET  STABLE 60 s  PANIC 6 s  WANTS",
            "    requests-per-second  requests-per-second  50      no data      no data    no data",
        ]
    )


def test_a_version_with_a_number_by_hand_is_explained() -> None:
    view = a_view(None, Scaling(3, NOON, pinned=VERSION.generation), seen())

    assert page(view) == snapshot(
        [
            "shop/web@v1  awake  1 of 3 replicas ready",
            "  decision     3 replicas by hand, until the next apply",
            "  wakes        0 since the control plane started",
        ]
    )


def test_a_number_by_hand_is_over_with_the_next_apply() -> None:
    view = a_view(None, Scaling(3, NOON, pinned=VERSION.generation - 1), seen())

    assert (view.pinned, view.wanted) == (None, 3)


def test_a_version_that_never_sleeps_says_why() -> None:
    fixed = a_version(spec=a_service(scale={"minReplicas": 1}))

    view = scale_view(fixed, None, Known())

    assert view.never_sleeps is not None
    assert view.never_sleeps.reason == "MinimumKeepsAwake"
    assert [line for line in page(view) if "sleep" in line] == snapshot(
        ["  sleep        never: scale.minReplicas is 1: set scale.minReplicas to 0 and apply"]
    )


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
def test_what_falls_asleep_is_awake_until_it_was_seen_to_sleep(depth: Depth) -> None:
    scaling = Scaling(1, NOON, depth)

    falling = a_view(None, scaling, seen())
    asleep = a_view(None, scaling, seen(depth))
    unseen = a_view(None, scaling)

    assert (falling.state, falling.asleep) == ("awake", depth)
    assert (asleep.state, unseen.state) == (depth, depth)
    assert any("asleep: it is to be" in line for line in page(falling))


def test_after_a_wake_the_decision_to_sleep_is_not_told_any_more() -> None:
    slept = Decided(NOON, Decision(1, "frozen", cause=Unused(60), next=(Next("stops", 840),)))
    wakes = WakesView(
        count=1, last=WakeView(at=later(31), why="call", was="frozen", milliseconds=12)
    )

    woken = scale_view(VERSION, seen(), Known(Scaling(1, later(30)), slept, slept, wakes=wakes))

    assert woken.last_decision is not None
    assert woken.last_decision.cause is not None
    assert (woken.last_decision.at, woken.last_decision.asleep) == (later(30), None)
    assert woken.last_decision.cause.message == "it was called"
    assert (woken.next, woken.valid) == ((), False)


def test_what_was_woken_since_it_was_seen_is_awake_until_it_is_seen_to_sleep_again() -> None:
    wakes = WakesView(
        count=1, last=WakeView(at=later(1), why="call", was="stopped", milliseconds=12)
    )
    sent_to_sleep_again = Scaling(1, later(2), "stopped")

    assert a_view(None, sent_to_sleep_again, seen("stopped"), wakes=wakes).state == "awake"


def test_the_window_that_decides_is_the_one_that_wants_more_in_panic() -> None:
    (panicking,) = a_view(GROWING).triggers
    (calm,) = a_view(replace(GROWING, mode="stable")).triggers

    assert (panicking.window, panicking.value, panicking.wants) == ("panic", 240, 7)
    assert (calm.window, calm.value, calm.wants) == ("stable", 60, 2)


def test_what_comes_next_is_told_as_a_moment() -> None:
    assert [(each.what, each.at) for each in a_view(GROWING).next] == [
        ("panic-ends", later(54)),
        ("freezes", later(60)),
    ]


def test_one_line_says_what_was_decided_and_what_comes_next() -> None:
    asleep = Decision(1, "frozen", cause=Unused(60), next=(Next("stops", 840),))

    said = summary(a_view(asleep, Scaling(1, NOON, "frozen")).wire(), later(180))

    assert said.startswith("frozen since ")
    assert "(3 min): nobody has called it for 60 s; stops in 11 min" in said


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((-1, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min")),
        *((3600, "1 h"), (86399, "23 h"), (86400, "1 d"), (10 * 86400, "10 d")),
    ],
)
def test_a_time_is_told_in_its_largest_unit(seconds: float, told: str) -> None:
    assert elapsed(later(seconds) - NOON) == told


@pytest.mark.parametrize(
    ("state", "ready", "desired", "revisions", "told"),
    [
        ("ready", 2, 2, (1, 1), "2/2"),
        ("progressing", 2, 4, (1, 1), "2 → 4"),
        ("ready", 4, 2, (1, 1), "4 → 2"),
        ("progressing", 0, 2, (1, 0), "0/2"),
        ("progressing", 1, 2, (2, 1), "1/2"),
        ("degraded", 1, 2, (1, 1), "1/2"),
        ("failed", 1, 2, (1, 1), "1/2"),
        ("asleep", 0, 1, (1, 1), "0"),
    ],
)
def test_replicas_are_told_as_a_way_where_the_number_is_moved(
    state: str, ready: int, desired: int, revisions: tuple[int, int], told: str
) -> None:
    status = {
        "state": state,
        "readyReplicas": ready,
        "desiredReplicas": desired,
        "revision": revisions[0],
        "confirmedRevision": revisions[1],
    }

    assert replicas_of(status) == told


def test_how_long_it_sleeps_is_told_with_how_deep() -> None:
    asleep = {"asleep": "frozen", "asleepSince": NOON.isoformat()}

    assert asleep_for(asleep, later(185)) == "frozen 3 min"
    assert asleep_for({"asleep": None, "asleepSince": None}, NOON) == ""
