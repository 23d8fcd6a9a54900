"""What is remembered between two looks."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from builders import NOON, a_situation, a_version, changed, later, settled
from spacecloud.model.load import InFlightReport
from spacecloud.model.traffic import Endpoint
from spacecloud.reasons.images import ImageNotFound
from spacecloud.reasons.platform import EngineUnavailable, GatewayRejected
from spacecloud.reconcile.history import REFUSAL_LASTS, HistoryRecorder
from spacecloud.workloads.observed import Observed, ObservedPull
from spacecloud.workloads.operations import FreezeReplica, PublishTraffic, PullImage, StopReplica

NO_IMAGE = ImageNotFound("web:1", "no such image")
AWAY = EngineUnavailable("the Docker Engine went away")
NONE_EITHER = ImageNotFound("web:1", "no such image either")
BAD = GatewayRejected("bad")


REF = a_version().ref
SECOND = timedelta(seconds=1)


def at_once(at: datetime, replicas: Mapping[str, int] | None = None) -> tuple[InFlightReport, ...]:
    """As a poll tells it."""
    return (InFlightReport(at, at, replicas or {}),)


def report(since: float, at: float, **replicas: int) -> InFlightReport:
    """In seconds; ``a2`` is the address that ends in 2."""
    named = {f"10.180.0.{name[1:]}": count for name, count in replicas.items()}
    return InFlightReport(later(since), later(at), named)


def ended(at: datetime, *, lived: timedelta) -> Observed:
    task = {"state": "exited", "exit_code": 1, "exited_at": at, "started_at": at - lived}
    return changed(settled(a_situation(a_version())), task=task).observed


def running() -> Observed:
    return settled(a_situation(a_version())).observed


def test_a_clock_that_is_set_back_does_not_make_anybody_wait_for_it_to_come_again() -> None:
    observed = draining(running())
    [endpoint] = observed.published.endpoints if observed.published is not None else []
    memory = HistoryRecorder()
    memory.note(observed, at_once(NOON), NOON)
    memory.note_done(StopReplica(REF, "web--v1--0"), NOON)
    memory.refuse(REF, 1, NO_IMAGE, NOON)
    back = NOON - timedelta(hours=1)

    memory.note(observed, at_once(back), back)
    memory.note(observed, at_once(back + SECOND), back + SECOND)

    history = memory.history(back + REFUSAL_LASTS)
    assert history.draining_since == {endpoint.address: back}
    assert history.stopping_since == {"web--v1--0": back}
    assert history.idle_reports[endpoint.address] >= 2
    assert not history.refused


def exits(memory: HistoryRecorder) -> list[int]:
    return list(memory.history(NOON).exits.values())


def test_an_exit_is_counted_once_however_often_it_is_seen() -> None:
    memory = HistoryRecorder()
    gone = ended(later(1), lived=timedelta(seconds=1))

    seen = [len(memory.note(gone, (), later(n))) for n in (1, 2, 3)]

    assert seen == [1, 0, 0]
    assert exits(memory) == [1]


def test_exits_in_a_row_add_up_and_ten_minutes_of_peace_end_the_row() -> None:
    memory = HistoryRecorder()

    memory.note(ended(later(1), lived=timedelta(seconds=1)), (), later(1))
    memory.note(ended(later(5), lived=timedelta(seconds=2)), (), later(5))
    assert exits(memory) == [2]
    memory.note(ended(later(9), lived=timedelta(minutes=9)), (), later(9))
    assert exits(memory) == [3]
    memory.note(ended(later(99), lived=timedelta(minutes=10)), (), later(99))
    assert exits(memory) == [1]


def test_a_container_that_is_gone_is_forgotten() -> None:
    memory = HistoryRecorder()
    memory.note(ended(later(1), lived=timedelta(seconds=1)), (), later(1))

    memory.note(a_situation(a_version()).observed, (), later(2))

    assert exits(memory) == []


def draining(observed: Observed) -> Observed:
    assert observed.published is not None
    endpoints = (Endpoint("v1", "10.180.0.2", draining=True),)
    return replace(observed, published=replace(observed.published, endpoints=endpoints))


def test_two_idle_reports_of_a_moment_need_some_time_between_them() -> None:
    memory = HistoryRecorder()
    look = draining(running())

    reports = []
    for milliseconds in (0, 10, 20, 200, 210, 400):
        now = later(milliseconds / 1000)
        memory.note(look, at_once(now), now)
        reports.append(memory.history(NOON).idle_reports["10.180.0.2"])

    assert reports == [1, 1, 1, 2, 2, 3]


def test_a_request_in_flight_starts_the_reports_anew() -> None:
    memory = HistoryRecorder()
    look = draining(running())

    memory.note(look, at_once(later(0)), later(0))
    memory.note(look, at_once(later(1), {"10.180.0.2": 1}), later(1))

    assert memory.history(NOON).idle_reports["10.180.0.2"] == 0
    memory.note(look, at_once(later(2)), later(2))
    assert memory.history(NOON).idle_reports["10.180.0.2"] == 1


def test_a_report_counts_once_however_often_it_is_told() -> None:
    memory = HistoryRecorder()
    look = draining(running())
    told = (report(0, 0.1), report(0.1, 0.2))

    counts = []
    for seen in (told[:1], told[:1], told, told):
        memory.note(look, seen, later(1))
        counts.append(memory.history(NOON).idle_reports.get("10.180.0.2", 0))

    assert counts == [0, 0, 0, 0], "all of them began before it was known to drain"
    fresh = (report(1, 1.1), report(1.1, 1.2))
    for seen, count in ((fresh[:1], 1), (fresh[:1], 1), (fresh, 2), (fresh, 2)):
        memory.note(look, (*told, *seen), later(2))
        assert memory.history(NOON).idle_reports["10.180.0.2"] == count


def test_an_interval_in_which_something_began_is_not_idle() -> None:
    memory = HistoryRecorder()
    look = draining(running())
    memory.note(look, (), later(0))

    memory.note(look, (report(0, 1), report(1, 2, a2=1), report(2, 3, a3=1)), later(3))

    assert memory.history(NOON).idle_reports["10.180.0.2"] == 1


def test_a_report_from_before_the_clock_was_set_back_is_not_counted_again_and_again() -> None:
    memory = HistoryRecorder()
    look = draining(running())
    memory.note(look, (), later(3600))
    old = (report(3600, 3601),)
    memory.note(look, old, later(3602))

    for second in range(5):
        memory.note(look, old, later(second))

    assert memory.history(NOON).idle_reports["10.180.0.2"] == 1


def test_no_report_is_not_an_idle_report() -> None:
    memory = HistoryRecorder()
    look = draining(running())

    memory.note(look, (), later(0))
    memory.note(look, (), later(1))

    assert memory.history(NOON).idle_reports == {}


def test_draining_is_timed_from_its_first_acknowledgement() -> None:
    memory = HistoryRecorder()
    look = draining(running())

    memory.note(look, at_once(later(1)), later(1))
    memory.note(look, at_once(later(8)), later(8))

    assert memory.history(NOON).draining_since == {"10.180.0.2": later(1)}


def test_a_refusal_is_forgotten_after_a_while_and_replaced_by_the_next_generations() -> None:
    memory = HistoryRecorder()
    memory.refuse(REF, 1, NO_IMAGE, NOON)
    memory.refuse(REF, 2, NONE_EITHER, NOON)

    assert memory.history(later(1)).refused == {(REF, 2): NONE_EITHER}
    assert memory.refused_until() == NOON + REFUSAL_LASTS
    assert memory.history(NOON + REFUSAL_LASTS).refused == {}


def test_a_publication_that_succeeds_ends_its_refusal() -> None:
    memory = HistoryRecorder()
    published = running().published
    assert published is not None
    op = PublishTraffic(published.face, published.endpoints)
    memory.refuse_publication(op, BAD, NOON)

    assert memory.history(later(1)).rejected_publication == (published, BAD)
    memory.note_done(op, later(2))
    assert memory.history(later(3)).rejected_publication is None
    assert memory.refused_until() is None


def test_a_pull_counts_for_its_generation_alone() -> None:
    memory = HistoryRecorder()

    for generation in (1, 2):
        op = PullImage(REF, "web:1", "", generation)
        pulled = ObservedPull(op, "done", later(generation))
        assert memory.note_pulls([ObservedPull(op, "running")]) == ()
        assert memory.note_pulls([pulled]) == (pulled,)
        assert memory.note_pulls([pulled]) == ()

    assert memory.history(NOON).pulled == {(REF, 2, "web:1")}


def test_a_replica_that_was_asked_to_end_is_remembered_while_it_is_there() -> None:
    memory = HistoryRecorder()
    memory.note_done(StopReplica(REF, "web--v1--0"), NOON)

    memory.note(running(), (), later(1))
    assert memory.history(NOON).stopping_since == {"web--v1--0": NOON}
    memory.note(a_situation(a_version()).observed, (), later(2))
    assert memory.history(NOON).stopping_since == {}


def test_one_that_was_asked_to_end_in_its_sleep_has_not_crashed() -> None:
    memory = HistoryRecorder()
    memory.note_done(StopReplica(REF, "web--v1--0", then="keep"), NOON)
    memory.note(running(), (), NOON)
    assert memory.history(NOON).falling_asleep_since == {"web--v1--0": NOON}

    (seen,) = memory.note(ended(later(1), lived=timedelta(seconds=10)), (), later(1))
    again = memory.note(ended(later(1), lived=timedelta(seconds=10)), (), later(2))

    assert (seen.is_asked, exits(memory), again) == (True, [0], ())
    assert memory.history(NOON).falling_asleep_since == {}
    memory.note(ended(later(9), lived=timedelta(seconds=1)), (), later(9))
    assert exits(memory) == [1]


def test_one_that_was_started_since_is_not_asked_to_end_any_more() -> None:
    memory = HistoryRecorder()
    memory.note_done(StopReplica(REF, "web--v1--0", then="keep"), NOON)
    started = changed(settled(a_situation(a_version())), task={"started_at": later(1)})

    memory.note(started.observed, (), later(2))

    assert memory.history(NOON).falling_asleep_since == {}


def test_what_ends_while_its_version_sleeps_has_not_crashed_and_is_told_to_rest() -> None:
    memory = HistoryRecorder()

    (seen,) = memory.note(
        ended(later(1), lived=timedelta(seconds=1)), (), later(1), frozenset({"web--v1--0"})
    )

    assert (seen.is_resting, seen.is_asked, exits(memory)) == (True, False, [0])


def test_since_when_a_replica_is_frozen_is_known_until_it_is_thawed() -> None:
    memory = HistoryRecorder()
    memory.note_done(FreezeReplica(REF, "web--v1--0"), NOON)

    memory.note(
        changed(settled(a_situation(a_version())), task={"frozen": True}).observed, (), NOON
    )
    frozen = memory.history(NOON).frozen_since
    memory.note(running(), (), NOON)

    assert (frozen, memory.history(NOON).frozen_since) == ({"web--v1--0": NOON}, {})


def test_reports_count_for_what_is_behind_the_gate() -> None:
    seen = running()
    assert seen.published is not None
    face = replace(seen.published.face, gates=("v1",))
    observed = replace(seen, published=replace(seen.published, face=face, gated=("v1",)))
    memory = HistoryRecorder()

    idle = []
    for second, in_flight in enumerate([{}, {}, {"10.180.0.2": 1}, {}]):
        told = InFlightReport(later(second), later(second), in_flight)
        memory.note(observed, (told,), later(second))
        idle.append(memory.history(NOON).idle_reports["10.180.0.2"])

    assert idle == [1, 2, 0, 1]


def test_a_pull_that_ended_with_the_engine_is_tried_again_when_that_is_back() -> None:
    memory = HistoryRecorder()
    memory.refuse(REF, 1, AWAY, NOON)
    assert memory.history(NOON).refused == {(REF, 1): AWAY}

    memory.forget_failures()
    assert memory.history(NOON).refused == {}

    memory.refuse(REF, 1, NO_IMAGE, NOON)
    memory.forget_failures()
    assert memory.history(NOON).refused == {(REF, 1): NO_IMAGE}
