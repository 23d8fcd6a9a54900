"""A new revision is watched before the one that it replaces goes, and given up if it ends."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from builders import (
    NOON,
    a_service,
    a_situation,
    a_task,
    a_version,
    changed,
    declaring,
    later,
    settled,
    shown,
)
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.scale import declared_replicas
from spacecloud.reasons.tasks import ProbeAnswered
from spacecloud.workloads.decide import decide
from spacecloud.workloads.forecast import plan
from spacecloud.workloads.observed import Health, History
from spacecloud.workloads.operations import (
    AwaitConfirmed,
    ConfirmRevision,
    CreateReplica,
    FailRevision,
    Op,
    PublishTraffic,
    RecordServing,
    RemoveReplica,
    StartTask,
    StopReplica,
    Wait,
)
from spacecloud.workloads.rollout import serves
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Situation

SECONDS = 5
OLD, NEW = "web--v1--0", "web--v1--1"
OLD_ADDRESS, NEW_ADDRESS = "10.180.0.2", "10.180.0.3"


def a_release(
    env: str, generation: int, *, seconds: float = SECONDS, replicas: int = 1, port: int = 8080
) -> DeclaredVersion:
    task = a_task(env={"A": env}, ports=[{"port": port, "protocol": "http"}])
    scale = {"replicas": replicas, "minReplicas": replicas}
    rollout = {"confirmSeconds": seconds}
    return a_version(
        spec=a_service(tasks=[task], scale=scale, rollout=rollout), generation=generation
    )


def confirming(replicas: int = 1, old_replicas: int = 1) -> Situation:
    """The first release is confirmed, the second serves and is not."""
    first = settled(a_situation(a_release("1", 1, replicas=old_replicas)))
    situation = declaring(first, a_release("2", 2, replicas=replicas))
    return until(situation, AwaitConfirmed)


def until(situation: Situation, kind: type[Op]) -> Situation:
    """Followed up to the look that plans such an operation."""
    for _ in range(64):
        decided = decide(situation)
        if any(isinstance(step.op, kind) for step in decided.steps):
            return situation
        for step in decided.steps:
            situation = simulate(situation, step.op)
    raise AssertionError(f"no {kind.__name__}:\n{decided}")


def dead(situation: Situation, replica: str) -> Situation:
    ended = {"state": "exited", "exited_at": situation.now, "exit_code": 1}
    return changed(situation, only=replica, task=ended)


def done(situation: Situation) -> Situation:
    """After what is decided now was carried out."""
    for step in decide(situation).steps:
        if not isinstance(step.op, Wait):
            situation = simulate(situation, step.op)
    return situation


def operations(situation: Situation) -> list[Op]:
    return [step.op for step in decide(situation).steps]


def endpoints(situation: Situation) -> dict[str, bool]:
    """Address to whether it drains."""
    return {e.address: e.draining for e in situation.acknowledged}


def replicas(situation: Situation) -> list[str]:
    return [replica.id for replica in situation.observed.workloads.replicas]


def forgotten(situation: Situation) -> Situation:
    """As a process sees it that has just begun."""
    observed = replace(situation.observed, published=None, pulls=())
    return replace(situation, history=History(), observed=observed)


def test_the_old_replica_stays_without_traffic_until_the_new_one_is_confirmed() -> None:
    running = settled(a_situation(a_release("1", 1)))

    assert shown(plan(declaring(running, a_release("2", 2)))) == snapshot("""\
[] -> #0 resolve v1 to revision 2: main=aaaa: generation 2 has no revision yet
[0] -> #1 create replica web--v1--1 at 10.180.0.3 (revision r1): 1 wanted, slot 1 is empty
[0, 1] -> #2 wait until web--v1--1 is ready: not every task is ready
[2] -> #3 publish endpoints [v1=10.180.0.2, v1=10.180.0.3]: 10.180.0.3 ready
[3] -> #4 publish endpoints [v1=10.180.0.2 draining, v1=10.180.0.3]: 10.180.0.2 draining
[3] -> #5 note that revision 2 of v1 serves: all replicas take requests
[4, 5] -> #6 wait until revision 2 of v1 is confirmed: it serves, and is confirmed when it has for 5 s
[6] -> #7 confirm revision 2 of v1: it has served for 5 s
[7] -> #8 wait until web--v1--0 has no request in flight: replaced by revision r1
[8] -> #9 stop replica web--v1--0: replaced by revision r1; nothing in flight
[9] -> #10 wait until web--v1--0 has stopped: asked to end
[10] -> #11 publish endpoints [v1=10.180.0.3]: 10.180.0.2 gone
[11] -> #12 remove replica web--v1--0: replaced by revision r1\
""")


def test_the_next_look_is_at_the_moment_of_confirmation_and_none_before() -> None:
    decided = decide(confirming())

    assert [type(step.op) for step in decided.steps] == [AwaitConfirmed]
    assert decided.look_again_at == later(2 * SECONDS)


def test_a_new_replica_that_ends_is_taken_out_and_the_old_one_is_in_traffic_with_one_push() -> None:
    situation = confirming()
    assert endpoints(situation) == {OLD_ADDRESS: True, NEW_ADDRESS: False}

    decided = decide(dead(situation, NEW))

    (published,) = [step.op for step in decided.steps if isinstance(step.op, PublishTraffic)]
    assert [(e.address, e.draining) for e in published.endpoints] == [(OLD_ADDRESS, False)]
    assert [step.op for step in decided.steps if isinstance(step.op, FailRevision)]
    # It is the evidence until the store knows, and nobody starts it again.
    long_dead = replace(dead(situation, NEW), now=later(99))
    assert not [op for op in operations(long_dead) if isinstance(op, StartTask)]
    assert not [op for op in operations(dead(situation, NEW)) if isinstance(op, RemoveReplica)]


def test_what_was_given_up_is_not_tried_again_until_it_is_applied_again() -> None:
    ends = settled(dead(confirming(), NEW))

    assert replicas(ends) == [OLD]
    assert endpoints(ends) == {OLD_ADDRESS: False}
    assert not plan(ends)
    assert not plan(forgotten(replace(ends, now=later(9999)))).steps[1:]
    again = settled(declaring(ends, a_release("2", 3)))
    assert replicas(again) == [NEW]


def test_a_new_replica_that_fails_its_probe_is_given_up_too() -> None:
    unwell = Health("failing", 3, ProbeAnswered("/", 8080, 500))
    situation = changed(confirming(), only=NEW, task={"health": unwell})

    (failed,) = [op for op in operations(situation) if isinstance(op, FailRevision)]
    ends = settled(situation)

    assert "GET / on port 8080 answered 500" in str(failed.why)
    assert replicas(ends) == [OLD]


def test_a_probe_that_fails_less_often_than_is_tolerated_is_no_failure() -> None:
    unwell = Health("failing", 2, ProbeAnswered("/", 8080, 500))
    situation = changed(confirming(), only=NEW, task={"health": unwell})

    assert not [op for op in operations(situation) if isinstance(op, FailRevision)]


def test_a_replica_that_ends_before_it_has_served_is_started_again() -> None:
    running = settled(a_situation(a_release("1", 1)))
    made = declaring(running, a_release("2", 2))
    while NEW not in replicas(made):
        made = done(made)

    ops = operations(replace(dead(made, NEW), now=later(99)))

    assert [op for op in ops if isinstance(op, StartTask)]
    assert not [op for op in ops if isinstance(op, FailRevision)]


def test_a_replica_that_served_and_ends_while_others_are_awaited_is_given_up() -> None:
    running = settled(a_situation(a_release("1", 1, replicas=2)))
    made = declaring(running, a_release("2", 2, replicas=2))
    while len(replicas(made)) < 4:
        made = done(made)
    first = changed(made, only="web--v1--2", task={"health": Health("ready")})
    serving = done(first)
    assert endpoints(serving)["10.180.0.4"] is False

    ends = settled(dead(serving, "web--v1--2"))

    assert replicas(ends) == ["web--v1--0", "web--v1--1"]
    assert set(endpoints(ends).values()) == {False}


def test_a_process_that_begins_anew_goes_on_where_the_last_one_was() -> None:
    situation = confirming()

    going_on = forgotten(situation)
    published = next(op for op in operations(going_on) if isinstance(op, PublishTraffic))
    late = replace(going_on, now=later(2 * SECONDS))
    dead_meanwhile = settled(forgotten(dead(situation, NEW)))

    assert {e.address: e.draining for e in published.endpoints} == endpoints(situation)
    assert decide(simulate(going_on, published)).look_again_at == later(2 * SECONDS)
    assert [op for op in operations(done(late)) if isinstance(op, ConfirmRevision)]
    assert replicas(settled(late)) == [NEW]
    assert replicas(dead_meanwhile) == [OLD]


def test_the_clock_that_is_set_back_confirms_nothing_early_and_nothing_an_hour_late() -> None:
    back = replace(confirming(), now=NOON.replace(hour=11))

    assert [op for op in operations(back) if isinstance(op, RecordServing)]
    assert decide(done(back)).look_again_at == NOON.replace(hour=11, second=SECONDS)


def test_a_later_apply_keeps_what_was_confirmed_last_and_lets_what_was_not_go() -> None:
    third = declaring(confirming(), a_release("3", 3))

    serving = until(third, AwaitConfirmed)
    ended = settled(dead(serving, "web--v1--2"))

    # The second goes as soon as the third serves; the first is still there to return to.
    assert endpoints(serving) == {OLD_ADDRESS: True, NEW_ADDRESS: True, "10.180.0.4": False}
    assert replicas(ended) == [OLD]
    assert endpoints(ended) == {OLD_ADDRESS: False}
    assert replicas(settled(third)) == ["web--v1--2"]


def test_while_the_image_of_a_later_apply_is_pulled_both_are_kept() -> None:
    task = a_task(docker={"image": "far:1"})
    spec = a_service(tasks=[task], rollout={"confirmSeconds": SECONDS})
    pulling = declaring(confirming(), a_version(spec=spec, generation=3))

    stopped = [op for op in operations(pulling) if isinstance(op, StopReplica | PublishTraffic)]
    ended = done(dead(pulling, NEW))

    assert stopped == []
    assert endpoints(ended) == {OLD_ADDRESS: False}


def test_the_old_document_applied_again_takes_the_old_replicas_back() -> None:
    back = declaring(confirming(), a_release("1", 3))

    ends = settled(back)

    assert replicas(ends) == [OLD]
    assert not [op for op in operations(back) if isinstance(op, CreateReplica)]
    (version,) = ends.desired.versions
    assert version.is_confirmed


def test_a_first_revision_that_ends_has_failed_and_is_started_again() -> None:
    situation = until(a_situation(a_release("1", 1)), AwaitConfirmed)

    failed = done(dead(situation, OLD))
    (version,) = failed.desired.versions
    recovered = settled(failed)
    (later_version,) = recovered.desired.versions

    assert version.failure is not None
    assert version.failure.code == "Exited"
    assert replicas(recovered) == [OLD]
    assert later_version.failure is None
    assert later_version.is_confirmed


def test_where_the_old_replica_is_gone_too_nothing_is_blamed_and_both_are_started() -> None:
    """As after a reboot of the machine."""
    situation = replace(dead(dead(confirming(), NEW), OLD), now=later(99))

    ops = operations(situation)

    assert {op.replica for op in ops if isinstance(op, StartTask)} == {OLD, NEW}
    assert not [op for op in ops if isinstance(op, FailRevision)]


def test_what_was_returned_to_is_made_of_its_own_document_where_it_is_missing() -> None:
    ends = settled(dead(confirming(), NEW))
    bare = changed(ends, workloads={"replicas": ()})

    (made,) = [op for op in operations(bare) if isinstance(op, CreateReplica)]

    assert made.spec.tasks[0].env == {"A": "1"}


def test_what_was_returned_to_is_met_at_its_own_ports() -> None:
    first = settled(a_situation(a_release("1", 1)))
    second = until(declaring(first, a_release("2", 2, port=9090)), AwaitConfirmed)
    (version,) = done(dead(second, NEW)).desired.versions

    assert [port.port for port in version.spec.ports] == [9090]
    assert [port.port for port in version.running.ports] == [8080]


def test_a_deletion_ends_a_confirmation() -> None:
    ends = settled(declaring(confirming()))

    assert ends.observed.workloads.replicas == ()


def test_more_replicas_in_the_new_version_are_fewer_again_after_it_was_given_up() -> None:
    grown = settled(dead(confirming(replicas=3, old_replicas=1), NEW))
    shrunk = settled(dead(confirming(replicas=1, old_replicas=3), "web--v1--3"))

    # The number is the declared one: it is no part of a revision.
    assert len(replicas(grown)) == 3
    assert {r.revision for r in grown.observed.workloads.replicas} == {
        r.revision for r in confirming().observed.workloads.replicas if r.id == OLD
    }
    assert len(replicas(shrunk)) == 1


def test_with_zero_seconds_the_old_replica_goes_as_soon_as_the_new_one_serves() -> None:
    running = settled(a_situation(a_release("1", 1, seconds=0)))
    second = declaring(running, a_release("2", 2, seconds=0))

    text = str(plan(second))

    assert "wait until revision" not in text
    assert text.index("confirm revision 2") < text.index(f"stop replica {OLD}")
    assert not [op for op in operations(dead(second, NEW)) if isinstance(op, FailRevision)]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), min_size=2, max_size=4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=80, deadline=None)
def test_whatever_ends_no_confirmed_replica_goes_before_the_next_is_confirmed(
    releases: list[tuple[str, int]], chance: random.Random
) -> None:
    """Steps are carried out in part; replicas end at any time, and all memory may be lost."""
    (env, count), *following = releases
    situation = settled(a_situation(a_release(env, 1, replicas=count)))
    for generation, (env, count) in enumerate(following, 2):
        situation = declaring(situation, a_release(env, generation, replicas=count))
        for _ in range(chance.randrange(1, 30)):
            situation = _misfortune(situation, chance)
            situation = _in_part(situation, chance)
    ends = settled(situation)

    (version,) = ends.desired.versions
    running = [r for r in ends.observed.workloads.replicas if serves(r, ends)]
    assert len(running) == declared_replicas(version.spec) == len(replicas(ends))
    assert version.confirmed is not None
    assert {r.revision for r in running} == {version.confirmed.hash}


def _in_part(situation: Situation, chance: random.Random) -> Situation:
    carried_out: set[int] = set()
    for index, step in enumerate(decide(situation).steps):
        if set(step.after) <= carried_out and chance.random() < 0.7:
            _is_allowed(situation, step.op)
            situation = simulate(situation, step.op)
            carried_out.add(index)
    return situation


def _is_allowed(situation: Situation, op: Op) -> None:
    """One that was asked to end is no loss any more."""
    if not isinstance(op, StopReplica | RemoveReplica):
        return
    if op.replica in situation.history.stopping_since:
        return
    (version,) = situation.desired.versions
    confirmed = version.confirmed
    (replica,) = [r for r in situation.observed.workloads.replicas if r.id == op.replica]
    if confirmed is None or replica.revision != confirmed.hash:
        return
    others = [
        r
        for r in situation.observed.workloads.replicas
        if r.revision == confirmed.hash
        and r.id != op.replica
        and r.id not in situation.history.stopping_since
    ]
    assert len(others) >= declared_replicas(version.spec), op


def _misfortune(situation: Situation, chance: random.Random) -> Situation:
    there = situation.observed.workloads.replicas
    if there and chance.random() < 0.15:
        situation = dead(situation, chance.choice(there).id)
    if chance.random() < 0.1:
        situation = forgotten(situation)
    return situation
