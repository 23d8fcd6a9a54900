"""What a look was shown is good for the one that follows on a verdict, and for no other."""

from collections.abc import Callable

import pytest

from spacecloud.drivers.docker.pods.last_looks import GOOD_SECONDS, LastLooks
from spacecloud.model.refs import ServiceKey

API, WEB = ServiceKey("shop", "api"), ServiceKey("shop", "web")
SUBNET = "10.140.0.0/25"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def looked(clock: Clock | None = None) -> LastLooks:
    """At ``API``, a moment ago."""
    looks = LastLooks(clock or Clock())
    looks.hear_events()
    looks.note(API, looks.changes(API), SUBNET, ())
    return looks


def test_looks_that_follow_on_verdicts_are_shown_the_last_one() -> None:
    looks = looked()

    for _ in range(2):
        looks.judged(API)
        taken = looks.take(API)
        assert taken is not None
        assert taken.subnet == SUBNET
        assert looks.take(API) is None


def test_a_look_for_another_reason_asks_the_engine() -> None:
    looks = looked()

    looks.judged(WEB)

    assert looks.take(API) is None


def test_a_verdict_that_a_look_has_seen_is_no_reason_for_another() -> None:
    looks = looked()
    looks.judged(API)

    looks.note(API, looks.changes(API), SUBNET, ())

    assert looks.take(API) is None


@pytest.mark.parametrize(
    "change",
    [lambda looks: looks.changed(API), LastLooks.lose_events, LastLooks.hear_events],
    ids=["a change", "events are lost", "events are heard again"],
)
def test_after_a_change_that_was_told_or_missed_the_engine_is_asked(
    change: Callable[[LastLooks], None],
) -> None:
    looks = looked()

    change(looks)
    looks.judged(API)

    assert looks.take(API) is None


def test_a_look_during_which_something_changed_is_not_kept() -> None:
    looks = looked()
    changes = looks.changes(API)

    looks.changed(API)
    looks.note(API, changes, SUBNET, ())
    looks.judged(API)

    assert looks.take(API) is None


def test_what_nobody_is_told_of_changes_is_not_kept() -> None:
    looks = LastLooks(Clock())

    looks.note(API, looks.changes(API), SUBNET, ())
    looks.judged(API)

    assert looks.take(API) is None


def test_an_old_look_is_not_good_any_more() -> None:
    clock = Clock()
    looks = looked(clock)

    clock.now = 2 * GOOD_SECONDS
    looks.judged(API)

    assert looks.take(API) is None
