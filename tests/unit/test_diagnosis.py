"""Status and its reasons: how a version is said to be, and what to do about it."""

from dataclasses import replace
from typing import Any

import pytest

from builders import (
    NOON,
    a_service,
    a_situation,
    a_task,
    a_version,
    changed,
    declared_service,
    declaring,
    later,
    scaled,
    settled,
)
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.status import DeniedCallView, HostState, ServiceStatus
from spacecloud.reasons.images import ImageNotFound
from spacecloud.reasons.platform import EngineFailed
from spacecloud.reasons.services import LookFailed
from spacecloud.reasons.tasks import NothingListens
from spacecloud.report.diagnosis import findings
from spacecloud.report.snapshot import Snapshot
from spacecloud.report.status import Relations, status_of
from spacecloud.workloads.decide import decide
from spacecloud.workloads.observed import Health, History
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Situation

FINE = HostState(parts={"gateway": "running", "resolver": "running"})


def status(
    situation: Situation, relations: Relations | None = None, **snapshot: Any
) -> ServiceStatus:
    version = situation.desired.versions[0]
    seen = Snapshot(situation, decide(situation), **snapshot)
    return status_of(declared_service(version), version, seen, relations or Relations())


def test_what_is_declared_and_runs_is_ready_and_waits_for_a_call() -> None:
    found = status(settled(a_situation(a_version())), Relations(admits=("shop/api",)))

    assert (found.state, found.message, found.next_step) == ("ready", "", "")
    assert findings([found], FINE) == ()


def test_an_apply_that_was_not_looked_at_yet_is_progressing() -> None:
    situation = settled(a_situation(a_version()))
    newer = a_version(generation=2)

    found = status_of(
        declared_service(newer), newer, Snapshot(situation, decide(situation)), Relations()
    )

    assert (found.state, found.generation, found.observed_generation) == ("progressing", 2, 1)
    assert "not looked at yet" in findings([found], FINE)[0].problem


@pytest.mark.parametrize("snapshot", [None, "of the apply before"])
def test_a_look_that_failed_is_told_with_its_reason(snapshot: str | None) -> None:
    situation = settled(a_situation(a_version()))
    seen = Snapshot(situation, decide(situation)) if snapshot else None
    newer = a_version(generation=2)
    relations = Relations(
        unobserved=LookFailed(EngineFailed("look at shop/web", "the engine refuses"))
    )

    found = status_of(declared_service(newer), newer, seen, relations)

    assert (found.state, found.reason) == ("progressing", "ObservationFailed")
    (finding, *_) = findings([found], FINE)
    assert finding.severity == "error"
    assert finding.problem == "it cannot be looked at: look at shop/web: the engine refuses"


def test_a_refused_image_is_failed_with_its_reason() -> None:
    version = a_version()
    reason = ImageNotFound("web:1", "not found")
    history = History(refused={(version.ref, 1): reason})
    found = status(a_situation(version, images={"web:1": None}, history=history))

    assert (found.state, found.message, found.reason) == ("failed", str(reason), "ImageNotFound")
    assert findings([found], FINE)[0].fix.startswith("check the image's name")


@pytest.mark.parametrize(
    ("exits", "state"), [(1, "progressing"), (2, "progressing"), (3, "failed")]
)
def test_a_task_that_ends_three_times_in_a_row_is_failed(exits: int, state: str) -> None:
    ended = {"state": "exited", "exit_code": 127, "exited_at": NOON, "health": Health()}
    gone = changed(settled(a_situation(a_version())), task=ended)
    container = gone.observed.workloads.replicas[0].tasks[0].container
    gone = replace(gone, history=History(exits={container: exits}))

    found = status(gone, last_output={container: "sh: nope: not found"})

    assert found.state == state
    assert "code 127" in found.message
    assert "sh: nope: not found" in found.message
    assert "does not exist in the image" in findings([found], FINE)[0].fix


def test_an_older_replica_that_serves_beside_a_new_one_in_trouble_is_degraded() -> None:
    old = settled(a_situation(a_version()))
    spec = a_service(tasks=[a_task(env={"A": "1"})])
    new = a_version(spec=spec, generation=2, images={"main": "sha256:aaaa"})
    both = declaring(old, new)
    for step in decide(both).steps:
        both = simulate(both, step.op)
    assert status(both).state == "progressing"
    _, second = both.observed.workloads.replicas
    health = Health("starting", 5, NothingListens(8080))
    broken = replace(changed(both, only=second.id, task={"health": health}), now=later(11))

    found = status(broken)

    assert found.state == "degraded"
    assert "nothing listens on port 8080" in found.message
    assert "ports say what it" in findings([found], FINE)[0].fix


def test_none_wanted_and_none_there_is_asleep() -> None:
    asleep = settled(a_situation(a_version(spec=a_service(scale={"maxReplicas": 0}))))

    found = status(asleep)

    assert found.state == "asleep"
    assert "maxReplicas" in findings([found], FINE)[0].fix


def a_sleeper(**scaling: Any) -> Situation:
    spec = a_service(autoScale={"minReplicas": 0})
    awake = settled(a_situation(a_version(spec=spec)))
    return scaled(awake, Scaling(1, NOON, **scaling))


@pytest.mark.parametrize(("depth", "task"), [("frozen", "frozen"), ("stopped", "exited")])
def test_one_that_sleeps_says_how_deep_and_since_when_and_waits_for_a_call(
    depth: Depth, task: str
) -> None:
    asleep = settled(a_sleeper(asleep=depth))
    asleep = changed(asleep, task={"exit_code": 143} if depth == "stopped" else {})

    found = status(asleep, Relations(admits=("shop/api",)))

    (replica,) = found.replicas
    assert (found.state, found.reason) == ("asleep", "Asleep")
    assert found.message == f"{depth} since 2026-01-01 12:00:00 UTC"
    assert (found.desired_replicas, found.ready_replicas, found.serving) == (0, 0, False)
    assert (replica.asleep, replica.ready, replica.status != "FAILED") == (depth, False, True)
    assert [(t.state, t.message, t.restarts) for t in replica.tasks] == [(task, "", 0)]
    assert (found.asleep, found.asleep_since) == (depth, NOON)
    (finding,) = findings([found], FINE)
    assert (finding.severity, finding.problem) == ("note", f"it is {depth}, and waits for a call")
    assert "space-cli wake shop/web@v1" in finding.fix


def test_of_a_number_of_zero_by_hand_it_is_said_how_to_end_it() -> None:
    pinned = replace(a_version(), scaling=Scaling(0, NOON, pinned=1))

    found = status(settled(a_situation(pinned)))

    assert (found.state, found.reason, found.asleep) == ("asleep", "NoneAskedFor", None)
    assert "space-cli scale" in findings([found], FINE)[0].fix


def test_one_that_is_not_laid_down_yet_is_ready_and_of_a_lost_one_the_version_sleeps() -> None:
    falling = a_sleeper(asleep="frozen")
    lost = changed(settled(falling), workloads={"replicas": ()})

    assert status(falling).state == "ready"
    assert status(lost).message == "stopped since 2026-01-01 12:00:00 UTC"


def test_a_new_revision_of_one_that_sleeps_is_progressing_until_it_is_judged() -> None:
    spec = a_service(
        autoScale={"minReplicas": 0},
        tasks=[a_task(env={"A": "b"})],
        rollout={"confirmSeconds": 5},
    )
    situation = declaring(settled(a_sleeper(asleep="frozen")), a_version(spec=spec, generation=2))

    states = []
    while decided := decide(situation):
        states.append(status(situation).state)
        for step in decided:
            situation = simulate(situation, step.op)

    before_confirmed = states[: states.index("ready")] if "ready" in states else states
    assert set(before_confirmed) == {"progressing"}
    assert status(situation).state == "asleep"


def test_a_gateway_that_is_down_is_the_first_to_mend() -> None:
    found = status(a_situation(a_version()))
    down = HostState(
        parts={"gateway": "down", "resolver": "running"},
        fixes={"gateway": "docker logs space-cloud-two-gateway"},
    )

    first = findings([found], down)[0]

    assert (first.severity, first.subject) == ("error", "platform")
    assert "gateway" in first.problem
    assert first.fix == "docker logs space-cloud-two-gateway"


def test_a_refused_caller_is_told_with_the_line_that_lets_it_in() -> None:
    refusal = DeniedCallView(caller="shop/web", port=6379, count=2, last=NOON, message="add {…}")
    relations = Relations(refusals=(refusal,), admits=("shop/api",))
    found = status(settled(a_situation(a_version())), relations)

    (finding,) = findings([found], FINE)

    assert finding.problem == "shop/web was refused on port 6379, 2 times"
    assert finding.fix == "add {…}"


def test_a_service_that_nobody_can_reach_is_pointed_out() -> None:
    (finding,) = findings([status(settled(a_situation(a_version())))], FINE)

    assert finding.severity == "note"
    assert "nobody may call it" in finding.problem


def a_job(code: int | None, restart: str = "on-failure", **history: int) -> ServiceStatus:
    spec = a_service(tasks=[a_task(restart=restart, ports=[])])
    situation = settled(a_situation(a_version(spec=spec)))
    container = situation.observed.workloads.replicas[0].tasks[0].container
    if code is not None:
        ended = {"state": "exited", "exit_code": code, "exited_at": NOON, "health": Health()}
        situation = changed(situation, task=ended)
        situation = settled(situation) if code == 0 else situation
    if history:
        situation = replace(situation, history=History(exits={container: history["exits"]}))
    return status(situation, last_output={container: "no database"})


def test_a_job_that_runs_is_on_its_way_until_it_is_done() -> None:
    running, done = a_job(None), a_job(0)

    assert (running.state, running.reason) == ("progressing", "JobRunning")
    assert (done.state, done.message, done.next_step) == ("completed", "", "")
    assert (done.replicas[0].status, done.replicas[0].tasks[0].state) == ("SUCCEEDED", "completed")
    assert findings([done], FINE) == ()


def test_a_job_whose_containers_were_pruned_is_still_completed() -> None:
    spec = a_service(tasks=[a_task(restart="on-failure", ports=[])])
    ended = {"state": "exited", "exit_code": 0, "exited_at": NOON, "health": Health()}
    done = settled(changed(settled(a_situation(a_version(spec=spec))), task=ended))

    assert status(changed(done, workloads={"replicas": ()})).state == "completed"


def test_a_job_that_is_done_after_some_tries_is_completed() -> None:
    assert a_job(0, exits=5).state == "completed"


def test_a_task_that_is_never_started_again_fails_at_its_first_exit() -> None:
    failed = a_job(3, "never")

    assert (failed.state, failed.reason) == ("failed", "NotRestarted")
    assert "exited with code 3; last said: no database" in failed.message
    [finding] = findings([failed], FINE)
    assert "on-failure" in finding.fix


def test_a_program_that_the_init_cannot_start_is_failed_at_once() -> None:
    gone = settled(a_situation(a_version()))
    ended = {"state": "exited", "exit_code": 127, "exited_at": NOON, "health": Health()}
    gone = changed(gone, task=ended)
    container = gone.observed.workloads.replicas[0].tasks[0].container
    words = "[FATAL tini (7)] exec /no/such failed: No such file or directory"

    found = status(gone, last_output={container: words})

    assert (found.state, found.reason) == ("failed", "ContainerCannotRun")
    assert "exec /no/such: No such file or directory" in found.message


CONFIRMING = a_version(spec=a_service(rollout={"confirmSeconds": 5}))


def on_trial() -> Situation:
    situation = a_situation(CONFIRMING)
    while not status(situation).confirmed_at:
        for step in decide(situation).steps:
            situation = simulate(situation, step.op)
    return situation


def test_what_serves_and_is_not_confirmed_is_progressing_and_said_to_serve() -> None:
    found = status(on_trial())

    assert (found.state, found.reason, found.serving) == ("progressing", "Confirming", True)
    assert (found.ready_replicas, found.confirmed_revision) == (1, 0)
    assert found.confirmed_at == later(5)
    assert "confirmed when it has for 5 s" in findings([found], FINE)[0].problem
    confirmed = status(settled(on_trial()))
    assert (confirmed.state, confirmed.confirmed_revision, confirmed.serving) == ("ready", 1, True)


def test_a_first_revision_that_did_not_last_has_failed_until_it_does() -> None:
    exited = {"state": "exited", "exited_at": NOON, "exit_code": 137}
    ended = changed(on_trial(), task=exited)
    failed = ended
    for step in decide(ended).steps:
        failed = simulate(failed, step.op)

    before, after = status(ended), status(failed)

    assert (before.state, before.reason) == ("progressing", "Exited")
    assert (after.state, after.reason, after.serving) == ("failed", "NotConfirmed", False)
    assert "revision 1 did not last: web--v1--0/main: exited with code 137" in after.message
    assert findings([after], FINE)[0].severity == "error"
    assert status(settled(failed)).state == "ready"


def test_a_revision_that_was_given_up_has_failed_though_the_one_before_it_serves() -> None:
    spec = a_service(tasks=[a_task(env={"A": "2"})], rollout={"confirmSeconds": 5})
    second = declaring(settled(on_trial()), a_version(spec=spec, generation=2))
    while not status(second).confirmed_at:
        for step in decide(second).steps:
            second = simulate(second, step.op)
    exited = {"state": "exited", "exited_at": second.now, "exit_code": 1}
    ended = changed(second, only="web--v1--1", task=exited)

    seen = [status(ended).state]
    while decided := decide(ended):
        for step in decided.steps:
            ended = simulate(ended, step.op)
        seen.append(status(ended).state)
    found = status(ended)

    # Nobody who waits is told "ready" between the two.
    assert set(seen) == {"progressing", "failed"}
    assert (found.state, found.reason) == ("failed", "RolledBack")
    assert (found.revision, found.confirmed_revision, found.ready_replicas) == (2, 1, 1)
    assert "revision 2 did not last, revision 1 serves: web--v1--1/main" in found.message
    assert "apply again" in findings([found], FINE)[0].fix
