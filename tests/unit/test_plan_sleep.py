"""How a version falls asleep, sleeps and wakes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import (
    NOON,
    a_service,
    a_situation,
    a_task,
    a_version,
    changed,
    declaring,
    later,
    scaled,
    settled,
)
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.workloads.decide import decide
from spacecloud.workloads.forecast import plan
from spacecloud.workloads.observed import Health, History, Published
from spacecloud.workloads.operations import (
    AwaitIdle,
    AwaitStopped,
    CreateReplica,
    FailRevision,
    FreezeReplica,
    KillReplica,
    Op,
    PublishTraffic,
    StartTask,
    StopReplica,
    ThawReplica,
)
from spacecloud.workloads.rollout import serves
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Declared, Situation

TRIGGERS = [{"type": "active-requests", "metadata": {"target": "10"}}]
AWAKE = Scaling(1, NOON)
FROZEN = Scaling(1, NOON, "frozen")
STOPPED = Scaling(1, NOON, "stopped")


def a_sleepy_version(
    generation: int = 1, *, scaling: Scaling | None = None, **given: Any
) -> DeclaredVersion:
    spec = a_service(autoScale={"minReplicas": 0, "maxReplicas": 3, "triggers": TRIGGERS}, **given)
    return replace(a_version(spec=spec, generation=generation), scaling=scaling)


def awake(**given: Any) -> Situation:
    return settled(a_situation(a_sleepy_version(**given)))


def asleep(scaling: Scaling = FROZEN, **given: Any) -> Situation:
    return settled(scaled(awake(**given), scaling))


def ops(situation: Situation) -> list[Op]:
    return [step.op for step in decide(situation)]


def kinds(situation: Situation) -> list[str]:
    return [type(op).__name__ for op in ops(situation)]


def tasks(situation: Situation) -> list[tuple[str, bool]]:
    return [
        (task.state, task.frozen)
        for replica in situation.observed.workloads.replicas
        for task in replica.tasks
    ]


def published(situation: Situation) -> Published:
    assert situation.observed.published is not None
    return situation.observed.published


def remembering(situation: Situation, **given: Any) -> Situation:
    return replace(situation, history=replace(situation.history, **given))


def after(situation: Situation, *operations: Op) -> Situation:
    for op in operations:
        situation = simulate(situation, op)
    return situation


def falling_asleep(scaling: Scaling = FROZEN, **given: Any) -> Situation:
    """All calls wait at the gate, and nothing is in flight."""
    situation = scaled(awake(**given), scaling)
    situation = after(situation, *ops(situation))
    return after(situation, *ops(situation))


def test_a_version_falls_asleep_behind_its_gate_and_idle() -> None:
    shown = [str(step) for step in str(plan(scaled(awake(), FROZEN))).splitlines()]

    assert shown == [
        "[] -> #0 publish endpoints [v1=10.180.0.2], behind the gate: v1: "
        "calls of v1 wait at the gate",
        "[0] -> #1 wait until web--v1--0 has no request in flight: its version is to sleep, frozen",
        "[1] -> #2 freeze replica web--v1--0: its version is to sleep, frozen",
    ]


def test_a_stopped_one_is_asked_to_end_and_kept() -> None:
    ends = asleep(STOPPED)

    assert tasks(ends) == [("exited", False)]
    assert not plan(ends)
    assert published(ends).gated == ("v1",)


def test_a_frozen_one_that_is_to_be_stopped_is_thawed_first() -> None:
    situation = scaled(asleep(FROZEN), STOPPED)

    decided = decide(situation)

    assert [type(step.op) for step in decided] == [ThawReplica, StopReplica]
    assert decided.steps[1].after == (0,)
    assert tasks(settled(situation)) == [("exited", False)]


@pytest.mark.parametrize("scaling", [FROZEN, STOPPED])
def test_it_is_not_laid_down_before_the_gateway_has_acknowledged_the_gate(
    scaling: Scaling,
) -> None:
    situation = falling_asleep(scaling)
    unacknowledged = replace(published(situation), acknowledged=False)
    situation = replace(situation, observed=replace(situation.observed, published=unacknowledged))

    assert kinds(situation) == ["PublishTraffic"]


@pytest.mark.parametrize("reports", [{}, {"10.180.0.2": 0}, {"10.180.0.2": 1}])
def test_it_is_not_laid_down_before_two_reports_show_nothing_in_flight(
    reports: dict[str, int],
) -> None:
    situation = remembering(falling_asleep(), idle_reports=reports)

    assert ops(situation) == [AwaitIdle("web--v1--0")]
    assert decide(situation).look_again_at is not None


def test_a_frozen_one_with_something_in_flight_is_thawed_and_frozen_again_later() -> None:
    busy = remembering(asleep(), idle_reports={"10.180.0.2": 0})

    thawed = after(busy, *ops(busy))
    idle = remembering(thawed, idle_reports={"10.180.0.2": 2})

    assert kinds(busy) == ["ThawReplica"]
    assert kinds(thawed) == ["AwaitIdle"]
    assert kinds(idle) == ["FreezeReplica"]


def test_it_is_looked_at_again_soon_after_it_was_frozen() -> None:
    frozen = remembering(asleep(), frozen_since={"web--v1--0": NOON})

    assert decide(frozen).look_again_at == later(1)
    assert decide(replace(frozen, now=later(4))).look_again_at is None


def test_a_running_job_keeps_its_replica_awake() -> None:
    job = a_task(id="job", ports=[], restart="on-failure")
    situation = scaled(awake(tasks=[a_task(), job]), FROZEN)
    situation = after(situation, *ops(situation))

    assert ops(situation) == []


def test_a_task_that_might_count_as_done_is_frozen_and_not_ended() -> None:
    assert tasks(asleep(STOPPED, tasks=[a_task(restart="on-failure")])) == [("running", True)]


@pytest.mark.parametrize("scaling", [FROZEN, STOPPED])
def test_one_that_is_not_ready_is_looked_after_until_it_is(scaling: Scaling) -> None:
    situation = changed(falling_asleep(scaling), task={"health": Health("starting")})

    assert kinds(situation) == ["AwaitReady"]
    assert published(situation).gated == ("v1",)


@pytest.mark.parametrize("scaling", [FROZEN, STOPPED])
@pytest.mark.parametrize(
    "lost",
    [
        {"task": {"state": "exited", "frozen": False, "exit_code": 137, "exited_at": NOON}},
        {"replica": {"sandbox": "stopped"}},
        {"workloads": {"replicas": ()}},
    ],
    ids=["ended", "sandbox", "all"],
)
def test_what_is_lost_of_a_sleeping_version_is_left_and_made_good_when_it_wakes(
    scaling: Scaling, lost: dict[str, Any]
) -> None:
    damaged = changed(asleep(scaling), **lost)

    left = settled(damaged)
    woken = settled(scaled(left, AWAKE))

    assert set(kinds(damaged)) <= {"PublishTraffic"}
    assert published(left).gated == ("v1",)
    assert [r.ready for r in woken.observed.workloads.replicas] == [True]
    assert published(woken).gated == ()


def test_an_image_that_is_gone_is_not_pulled_for_one_that_sleeps() -> None:
    situation = asleep()
    situation = replace(situation, observed=replace(situation.observed, images={"web:1": None}))

    assert ops(situation) == []


def test_a_sleeping_service_that_was_deleted_is_thawed_so_that_it_can_end() -> None:
    situation = declaring(asleep())

    shown = kinds(situation)
    decided = [type(step.op).__name__ for step in plan(situation)]

    assert shown == ["PublishNames", "PublishTraffic", "ThawReplica"]
    assert decided.index("ThawReplica") < decided.index("StopReplica")
    assert settled(situation).observed.workloads.replicas == ()


def test_more_than_are_kept_go_without_losing_a_request() -> None:
    situation = scaled(awake(), Scaling(3, NOON))
    situation = settled(situation)
    assert len(published(situation).endpoints) == 3

    first = after(scaled(situation, FROZEN))
    (publication,) = [op for op in ops(first) if isinstance(op, PublishTraffic)]
    ends = settled(first)

    assert [(e.address, e.draining) for e in publication.endpoints] == [
        ("10.180.0.2", False),
        ("10.180.0.3", True),
        ("10.180.0.4", True),
    ]
    assert tasks(ends) == [("running", True)]


def test_a_woken_version_is_thawed_and_its_gate_opens_with_what_serves() -> None:
    situation = scaled(asleep(), AWAKE)

    thawed = after(situation, *ops(situation))

    assert kinds(situation) == ["ThawReplica"]
    assert ops(thawed) == [
        PublishTraffic(published(thawed).face, published(thawed).endpoints, gated=())
    ]


def test_what_ended_in_its_sleep_is_started_at_once_when_it_wakes() -> None:
    situation = scaled(asleep(STOPPED), AWAKE)

    decided = decide(situation)
    started = after(situation, *ops(situation))
    (publication,) = [step.op for step in plan(situation) if isinstance(step.op, PublishTraffic)]

    assert [type(step.op) for step in decided] == [StartTask]
    assert str(decided.steps[0].cause) == "its version is awake"
    assert published(started).gated == ("v1",)
    assert publication.gated == ()


def test_a_woken_one_that_was_asked_to_end_is_waited_for_and_started() -> None:
    situation = falling_asleep(STOPPED)
    asked = after(situation, StopReplica(*_its(situation), then="keep"))
    woken = scaled(asked, AWAKE)

    late = replace(woken, now=NOON + timedelta(seconds=11))

    assert ops(woken) == [AwaitStopped("web--v1--0")]
    assert ops(late) == [KillReplica(*_its(late))]
    assert kinds(after(late, *ops(late))) == ["StartTask"]


def test_one_that_does_not_end_in_its_sleep_is_killed_and_kept() -> None:
    situation = falling_asleep(STOPPED)
    asked = after(situation, *ops(situation))

    late = replace(asked, now=NOON + timedelta(seconds=11))
    killed = after(late, *ops(late))

    assert ops(asked) == [AwaitStopped("web--v1--0")]
    assert tasks(killed) == [("exited", False)]
    assert ops(killed) == []


def test_without_memory_what_slept_is_started_when_the_first_delay_is_over() -> None:
    situation = replace(scaled(asleep(STOPPED), AWAKE), history=History(), now=later(2))

    assert kinds(situation) == ["StartTask"]


def test_awake_again_to_three_the_gate_opens_with_the_first() -> None:
    situation = scaled(asleep(), Scaling(3, NOON))
    thawed = after(situation, *ops(situation))

    assert sorted(kinds(situation)) == ["CreateReplica", "CreateReplica", "ThawReplica"]
    assert [op.gated for op in ops(thawed) if isinstance(op, PublishTraffic)] == [()]


def test_a_version_that_was_never_confirmed_counts_as_awake() -> None:
    new = settled(a_situation(a_sleepy_version(scaling=FROZEN)))
    first = a_situation(a_sleepy_version(scaling=FROZEN, rollout={"confirmSeconds": 5}))

    serving = first
    while not any(serves(r, serving) for r in serving.observed.workloads.replicas):
        serving = after(serving, *ops(serving))

    assert tasks(new) == [("running", True)]
    assert "AwaitConfirmed" in [type(s.op).__name__ for s in plan(serving)]
    assert published(serving).gated == ()


@pytest.mark.parametrize("scaling", [FROZEN, STOPPED])
def test_a_rollout_of_a_sleeping_service_wakes_nothing_and_tries_the_new_revision_once(
    scaling: Scaling,
) -> None:
    changed_spec = a_sleepy_version(
        2, tasks=[a_task(env={"A": "b"})], rollout={"confirmSeconds": 5}
    )
    situation = declaring(asleep(scaling), changed_spec)

    steps = [type(step.op).__name__ for step in plan(situation)]
    ends = settled(situation)

    of_the_old = [
        step.op
        for step in plan(situation)
        if isinstance(step.op, ThawReplica | StartTask) and step.op.replica == "web--v1--0"
    ]
    created = steps.index("CreateReplica")
    opened = steps.index("PublishTraffic")
    assert created < opened
    # It is thawed to end, when it is replaced.
    assert len(of_the_old) == (1 if scaling == FROZEN else 0)
    assert steps.index("ConfirmRevision") < len(steps) - 1
    assert [r.slot for r in ends.observed.workloads.replicas] == [1]
    assert published(ends).gated == ("v1",)
    assert not ends.observed.workloads.replicas[0].ready


@pytest.mark.parametrize("scaling", [FROZEN, STOPPED])
def test_an_apply_of_what_is_confirmed_already_wakes_nothing(scaling: Scaling) -> None:
    sleeping = asleep(scaling)
    (version,) = sleeping.desired.versions

    applied = declaring(sleeping, replace(version, generation=2))

    assert kinds(applied) == ["RecordRevision"]
    assert kinds(settled(applied)) == []
    assert tasks(settled(applied)) == tasks(sleeping)


def test_the_gate_stays_on_until_the_new_revision_serves() -> None:
    situation = declaring(asleep(), a_sleepy_version(2, tasks=[a_task(env={"A": "b"})]))

    gates = []
    while decided := decide(situation):
        for op in (step.op for step in decided):
            situation = simulate(situation, op)
            serving = [r for r in situation.observed.workloads.replicas if serves(r, situation)]
            gates.append((bool(serving), published(situation).gated))

    assert (False, ()) not in gates
    assert (True, ()) in gates


@pytest.mark.parametrize("scaling", [FROZEN, STOPPED])
def test_a_broken_revision_of_a_sleeping_service_is_given_up_and_what_slept_sleeps_on(
    scaling: Scaling,
) -> None:
    broken = a_sleepy_version(2, tasks=[a_task(env={"A": "b"})], rollout={"confirmSeconds": 5})
    situation = declaring(asleep(scaling), broken)
    before = tasks(situation)
    while not any(serves(r, situation) for r in situation.observed.workloads.replicas):
        situation = after(situation, *ops(situation))

    situation = changed(
        situation, only="web--v1--1", task={"state": "exited", "exit_code": 1, "exited_at": NOON}
    )
    (given_up,) = [op for op in ops(situation) if isinstance(op, FailRevision)]
    ends = settled(after(situation, given_up))

    assert tasks(ends) == before
    assert published(ends).gated == ("v1",)
    assert not any(isinstance(op, CreateReplica) for op in ops(ends))


def test_only_what_has_a_gate_sleeps() -> None:
    situation = scaled(awake(), FROZEN)
    assert isinstance(situation.desired, Declared)
    face = replace(situation.desired.face, gates=())
    situation = replace(situation, desired=replace(situation.desired, face=face))

    assert ops(settled(situation)) == []
    assert tasks(settled(situation)) == [("running", False)]


def test_a_version_that_loses_its_gate_keeps_it_at_the_gateway_and_opens_it() -> None:
    spec = a_service(autoScale={"minReplicas": 1, "maxReplicas": 3})
    ends = settled(declaring(asleep(), a_version(spec=spec, generation=2)))

    assert tasks(ends) == [("running", False)]
    assert published(ends).face.gates == ("v1",)
    assert published(ends).gated == ()


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
def test_a_new_process_publishes_the_gate_and_leaves_what_sleeps(depth: Depth) -> None:
    situation = asleep(Scaling(1, NOON, depth))
    observed = replace(situation.observed, published=None, in_gateway=True)
    forgetful = changed(
        replace(situation, observed=observed, history=History()),
        task={"health": Health("unknown")},
    )

    assert [op.gated for op in ops(forgetful) if isinstance(op, PublishTraffic)] == [("v1",)]
    assert len(ops(forgetful)) == 1
    assert tasks(settled(forgetful)) == tasks(situation)


def test_what_somebody_paused_by_hand_is_thawed() -> None:
    situation = changed(awake(), task={"frozen": True})

    assert "ThawReplica" in kinds(situation)
    assert [r.ready for r in settled(situation).observed.workloads.replicas] == [True]


def test_half_of_a_freeze_is_finished_or_undone() -> None:
    tasks_of_two = [a_task(), a_task(id="side", ports=[])]
    situation = falling_asleep(tasks=tasks_of_two)
    (replica,) = situation.observed.workloads.replicas
    half = tuple(replace(t, frozen=t.task == "side") for t in replica.tasks)
    situation = changed(situation, replica={"tasks": half})

    assert ops(situation) == [FreezeReplica(*_its(situation))]
    assert kinds(scaled(situation, AWAKE)) == ["ThawReplica"]


def _its(situation: Situation) -> tuple[Any, str]:
    (replica,) = situation.observed.workloads.replicas
    return replica.ref, replica.id
