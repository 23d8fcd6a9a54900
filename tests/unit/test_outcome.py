"""What is told of operations that have ended."""

from dataclasses import replace

import pytest

from builders import WEB, a_situation, a_version, changed, later, settled
from spacecloud.errors import Terminal, Transient
from spacecloud.model.task import Restart
from spacecloud.model.traffic import Endpoint
from spacecloud.reasons.images import ImageNotFound
from spacecloud.reasons.platform import EngineRefused, EngineUnavailable
from spacecloud.reasons.steps import (
    Awake,
    BusyWhileFrozen,
    FallsAsleep,
    GateChanged,
    Lasted,
    Surplus,
)
from spacecloud.reasons.tasks import Exited
from spacecloud.reconcile.history import HistoryRecorder
from spacecloud.reconcile.outcome import (
    REMOVAL_FAILED,
    Ended,
    NewEvent,
    event_of,
    events_of,
    exit_of,
)
from spacecloud.workloads.decide import decide
from spacecloud.workloads.observed import ObservedPull
from spacecloud.workloads.operations import (
    ConfirmRevision,
    FreezeReplica,
    Op,
    PublishTraffic,
    PullImage,
    RemoveNetwork,
    StartTask,
    StopReplica,
    ThawReplica,
)
from spacecloud.workloads.plan import Step

REF = a_version().ref
START = StartTask(REF, "web--v1--0", "main", "c1")
NOON = later(0)
AWAY, NO_PROGRAM = EngineUnavailable("away"), EngineRefused("start", "no such program")
ENDED = Exited(1)


def ended(op: Op, error: Exception | None = None, *before: Endpoint) -> Ended:
    return Ended(Step(op, ENDED), error, before)


def a_publication(*addresses: str) -> PublishTraffic:
    published = next(
        s.op for s in decide(a_situation(a_version())).steps if isinstance(s.op, PublishTraffic)
    )
    return PublishTraffic(published.face, tuple(Endpoint("v1", a) for a in addresses))


def test_a_restart_is_told_with_its_cause() -> None:
    assert list(events_of([ended(START)])) == [
        NewEvent("TaskRestarted", "web--v1--0/main: it had ended", "warning", ENDED)
    ]


def test_how_a_replica_sleeps_and_wakes_is_told_with_its_cause() -> None:
    its = REF, "web--v1--0"
    steps = [
        Step(FreezeReplica(*its), FallsAsleep("frozen")),
        Step(ThawReplica(*its), BusyWhileFrozen()),
        Step(StopReplica(*its, then="keep"), FallsAsleep("stopped")),
        Step(StopReplica(*its), Surplus(1)),
        Step(START, Awake()),
    ]

    told = [
        (t.kind, t.message, t.severity) for t in events_of([Ended(step, None) for step in steps])
    ]

    assert told == [
        ("ReplicaFrozen", "web--v1--0: its version is to sleep, frozen", "info"),
        ("ReplicaThawed", "web--v1--0: it has something in flight", "info"),
        ("ReplicaStopped", "web--v1--0: its version is to sleep, stopped", "info"),
        ("TaskStarted", "web--v1--0/main: its version is awake", "info"),
    ]


def test_what_is_behind_the_gate_is_not_told_to_take_requests() -> None:
    before = Endpoint("v1", "10.180.0.2")
    one = a_publication("10.180.0.2")
    shut = Step(replace(one, gated=("v1",)), GateChanged(shut=("v1",)))
    opened = Step(one, GateChanged(open=("v1",)))

    assert list(events_of([Ended(shut, None, (before,))])) == []
    assert [t.message for t in events_of([Ended(opened, None)])] == ["1 replica takes requests"]


def test_endpoints_are_told_when_there_are_more_or_fewer() -> None:
    before = Endpoint("v1", "10.180.0.2")
    two = a_publication("10.180.0.2", "10.180.0.3")

    assert [t.message for t in events_of([ended(two, None, before)])] == [
        "2 replicas take requests"
    ]
    assert list(events_of([ended(a_publication("10.180.0.9"), None, before)])) == []


def test_what_is_hopeless_is_told_and_what_passes_is_not() -> None:
    assert [t.kind for t in events_of([ended(START, Terminal(NO_PROGRAM))])] == ["Failed"]
    assert list(events_of([ended(START, Transient(AWAY))])) == []


def test_what_is_deleted_and_not_removed_is_told_as_an_event() -> None:
    """Nobody has a status any more that could tell it."""
    (told,) = events_of([ended(RemoveNetwork(WEB), Transient(AWAY))])

    assert (told.kind, told.reason) == (REMOVAL_FAILED, AWAY)


def test_the_end_of_a_pull_is_told_either_way() -> None:
    pull = PullImage(REF, "far:1", "", 1)
    no_tag = ImageNotFound("far:1", "no such tag")

    assert event_of(ObservedPull(pull, "done", NOON)).kind == "ImagePulled"
    assert event_of(ObservedPull(pull, "failed", NOON, no_tag)).severity == "error"


def test_a_confirmation_is_told_with_its_cause() -> None:
    confirmed = Ended(Step(ConfirmRevision(REF, 1, 2), Lasted(5)), None)

    (told,) = events_of([confirmed])

    assert (told.message, told.reason) == ("v1: revision 2: it has served for 5 s", Lasted(5))


@pytest.mark.parametrize("error", [Transient(AWAY), ZeroDivisionError("bug")])
def test_what_failed_is_tried_again_ever_later_until_it_succeeds(error: Exception) -> None:
    memory = HistoryRecorder()

    waits = []
    for _ in range(3):
        memory.note_begun(START)
        assert memory.history(NOON).under_way == (START,)
        memory.note_ended(ended(START, error), NOON)
        (failed,) = memory.history(NOON).failed
        waits.append((failed.until - NOON).total_seconds())

    assert waits == [0.5, 1, 2]
    assert memory.history(NOON).under_way == ()
    assert memory.history(later(2)).failed == ()
    memory.note_ended(ended(START), NOON)
    assert memory.history(NOON).failed == ()


def test_what_failed_is_tried_at_once_when_there_is_reason_to() -> None:
    memory = HistoryRecorder()
    memory.note_ended(ended(START, Transient(AWAY)), NOON)

    memory.forget_failures()

    assert memory.history(NOON).failed == ()


def test_a_service_that_cannot_be_started_is_refused_for_its_generation() -> None:
    memory = HistoryRecorder(generations={REF: 7})

    memory.note_ended(ended(START, Terminal(NO_PROGRAM)), NOON)

    assert memory.history(NOON).refused == {(REF, 7): NO_PROGRAM}
    assert memory.history(NOON).failed == ()


@pytest.mark.parametrize(
    ("restart", "code", "kind", "severity"),
    [
        ("always", 0, "TaskExited", "warning"),
        ("on-failure", 0, "TaskCompleted", "info"),
        ("on-failure", 1, "TaskExited", "warning"),
        ("never", 0, "TaskCompleted", "info"),
        ("never", 1, "Failed", "error"),
    ],
)
def test_an_exit_is_told_as_what_it_means(
    restart: Restart, code: int, kind: str, severity: str
) -> None:
    ended = {"state": "exited", "exit_code": code, "exited_at": NOON, "restart": restart}
    situation = changed(settled(a_situation(a_version())), task=ended)
    [replica] = situation.observed.workloads.replicas

    event = exit_of(replica, replica.tasks[0], "bye")

    assert (event.kind, event.severity) == (kind, severity)
    assert "bye" in event.message
