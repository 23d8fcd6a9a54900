"""What holds of every plan, whatever was declared and whatever happened."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    NOON,
    a_service,
    a_situation,
    a_task,
    a_version,
    changed,
    declaring,
    scaled,
    settled,
)
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.scale import policy_in_force, wanted_depth, wanted_replicas
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.workloads.decide import decide
from spacecloud.workloads.forecast import plan
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import (
    FreezeReplica,
    Op,
    PublishTraffic,
    RemoveReplica,
    StopReplica,
)
from spacecloud.workloads.rollout import serves
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Situation, Unknown, in_service

scalings = st.sampled_from(
    [
        None,
        Scaling(1, NOON),
        Scaling(3, NOON),
        Scaling(1, NOON, "frozen"),
        Scaling(2, NOON, "frozen"),
        Scaling(1, NOON, "stopped"),
    ]
)


@st.composite
def version_sets(draw: st.DrawFn, generation: int = 1) -> tuple[DeclaredVersion, ...]:
    names = draw(st.lists(st.sampled_from(["v1", "v2", "v3"]), max_size=3, unique=True))
    return tuple(
        replace(
            a_version(
                name,
                a_service(
                    tasks=[
                        a_task(env={"A": draw(st.sampled_from("xyz"))}),
                        *([a_task(id="side", ports=[])] if draw(st.booleans()) else []),
                    ],
                    scale={"replicas": 3, "maxReplicas": draw(st.integers(0, 3))},
                ),
                generation=generation + order,
                order=order,
            ),
            scaling=draw(scalings),
        )
        for order, name in enumerate(sorted(names))
    )


def bedtime_of(version: DeclaredVersion) -> Depth | None:
    return wanted_depth(policy_in_force(version), version.scaling)


def kept_replicas(version: DeclaredVersion) -> int:
    return wanted_replicas(policy_in_force(version), version.scaling)


def awake_replicas(version: DeclaredVersion) -> int:
    return 0 if bedtime_of(version) else kept_replicas(version)


@given(version_sets(), version_sets(generation=10))
def test_following_a_plan_leaves_nothing_to_plan(
    first: tuple[DeclaredVersion, ...], second: tuple[DeclaredVersion, ...]
) -> None:
    ends = settled(declaring(settled(a_situation(*first)), *second))

    assert not plan(ends)
    its = {v.ref: v for v in ends.desired.versions}
    replicas = ends.observed.workloads.replicas
    running = [r for r in replicas if serves(r, ends)]
    asleep = [r for r in replicas if bedtime_of(its[r.ref])]
    assert len(running) == sum(map(awake_replicas, its.values()))
    assert len(replicas) == len(running) + len(asleep)
    assert all(_sleeps(r, bedtime_of(its[r.ref])) for r in asleep)
    assert len(asleep) <= sum(kept_replicas(v) for v in its.values() if bedtime_of(v))


@given(version_sets(), version_sets(generation=10))
def test_what_the_forecast_says_is_what_happens(
    first: tuple[DeclaredVersion, ...], second: tuple[DeclaredVersion, ...]
) -> None:
    situation = declaring(settled(a_situation(*first)), *second)

    shown = plan(situation)
    state_after = []
    while decided := decide(situation):
        for step in decided.steps:
            state_after.append(str(step.op))
            situation = simulate(situation, step.op)

    assert [str(step.op) for step in shown] == state_after


@given(version_sets(), version_sets(generation=10), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_whatever_is_slow_or_killed_a_rollout_never_serves_with_fewer_than_are_wanted(
    first: tuple[DeclaredVersion, ...],
    second: tuple[DeclaredVersion, ...],
    chance: random.Random,
) -> None:
    """Steps are carried out in part, in the plan's order, and all memory may be lost between."""
    situation = declaring(settled(a_situation(*first)), *second)
    was = {v.ref: awake_replicas(v) for v in first}
    now = {v.ref: awake_replicas(v) for v in situation.desired.versions}
    floor = {ref: min(wanted, was.get(ref, 0)) for ref, wanted in now.items()}

    for _ in range(400):
        decided = decide(situation)
        if not decided:
            break
        done: set[int] = set()
        for index, step in enumerate(decided.steps):
            if set(step.after) <= done and chance.random() < 0.7:
                situation = simulate(situation, step.op)
                done.add(index)
                for ref, least in floor.items():
                    assert _serving(situation, ref.version) >= least, str(step)
        if chance.random() < 0.1:
            situation = replace(situation, history=a_situation().history)
    # Where it was lost at every look until here, nothing could be waited for.
    assert not decide(settled(situation))


@given(version_sets())
def test_no_replica_is_removed_while_the_gateway_sends_it_requests(
    versions: tuple[DeclaredVersion, ...],
) -> None:
    situation = declaring(settled(a_situation(*versions)))

    while decided := decide(situation):
        for step in decided.steps:
            if isinstance(step.op, StopReplica | RemoveReplica):
                replica = next(
                    r for r in situation.observed.workloads.replicas if r.id == step.op.replica
                )
                assert not serves(replica, situation)
            situation = simulate(situation, step.op)

    assert situation.observed.workloads == a_situation().observed.workloads
    assert isinstance(situation.desired, Unknown)


@given(version_sets())
def test_steps_come_after_earlier_steps_only_and_have_a_cause(
    versions: tuple[DeclaredVersion, ...],
) -> None:
    shown = plan(a_situation(*versions))

    for index, step in enumerate(shown.steps):
        assert all(earlier < index for earlier in step.after)
        assert step.cause


@given(version_sets(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_engine_lists_replicas_is_irrelevant(
    versions: tuple[DeclaredVersion, ...], chance: random.Random
) -> None:
    ends = settled(a_situation(*versions))
    replicas = list(ends.observed.workloads.replicas)
    chance.shuffle(replicas)
    workloads = replace(ends.observed.workloads, replicas=tuple(replicas))
    shuffled = replace(ends, observed=replace(ends.observed, workloads=workloads))

    assert decide(declaring(shuffled, *versions)) == decide(declaring(ends, *versions))


@given(
    version_sets(),
    st.lists(scalings, min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=100)
def test_however_often_it_sleeps_and_wakes_and_what_is_lost_nothing_is_laid_down_unguarded(
    versions: tuple[DeclaredVersion, ...],
    decisions: list[Scaling | None],
    chance: random.Random,
) -> None:
    situation = declaring(settled(a_situation(*versions)), *versions)
    for scaling in decisions:
        if versions:
            situation = scaled(situation, scaling, chance.choice(versions).ref.version)
        for _ in range(chance.randint(0, 8)):
            decided = decide(situation)
            done: set[int] = set()
            for index, step in enumerate(decided.steps):
                if set(step.after) <= done and chance.random() < 0.7:
                    _check_guard(situation, step.op)
                    situation = simulate(situation, step.op)
                    done.add(index)
            situation = _damaged(situation, chance)

    ends = settled(situation)

    assert not plan(ends)
    its = {v.ref: v for v in ends.desired.versions}
    for replica in ends.observed.workloads.replicas:
        depth = bedtime_of(its[replica.ref])
        assert serves(replica, ends) if depth is None else _sleeps(replica, depth)
    published = ends.observed.published
    assert published is not None or not versions
    gated = {*(published.gated if published is not None else ())}
    assert gated == {v.ref.version for v in its.values() if bedtime_of(v)}


def _check_guard(situation: Situation, op: Op) -> None:
    """What is laid down is behind the gate, and no gate is opened before something serves."""
    published = situation.observed.published
    gated = published.gated if published is not None and published.acknowledged else ()
    match op:
        case FreezeReplica() | StopReplica(then="keep"):
            assert op.ref.version in gated
        case StopReplica():
            (replica,) = [r for r in situation.observed.workloads.replicas if r.id == op.replica]
            assert not replica.has_frozen
        case PublishTraffic():
            serving = {
                r.ref.version
                for r in situation.observed.workloads.replicas
                if in_service(r) and r.id not in situation.history.falling_asleep_since
            }
            declared = {v.ref.version for v in situation.desired.versions}
            assert {*gated} & declared <= {*op.gated} | serving
        case _:
            pass


def _damaged(situation: Situation, chance: random.Random) -> Situation:
    """Mostly nothing; else a memory, an engine or a gateway that was restarted, or a loss."""
    exit = {"state": "exited", "frozen": False, "exit_code": 137, "exited_at": situation.now}
    match chance.randint(0, 15):
        case 0:
            return replace(situation, history=a_situation().history)
        case 1:
            return replace(changed(situation, task=exit), history=a_situation().history)
        case 2:
            observed = replace(situation.observed, published=None, in_gateway=False)
            return replace(situation, observed=observed)
        case 3 if situation.observed.workloads.replicas:
            lost = chance.choice(situation.observed.workloads.replicas).id
            return changed(situation, only=lost, replica={"sandbox": "stopped"}, task=exit)
        case 4 if situation.observed.workloads.replicas:
            lost = chance.choice(situation.observed.workloads.replicas).id
            left = [r for r in situation.observed.workloads.replicas if r.id != lost]
            return changed(situation, workloads={"replicas": tuple(left)})
        case _:
            return situation


def _sleeps(replica: ObservedReplica, depth: Depth | None) -> bool:
    """At most so deep as it is to: what has ended while it was frozen is left."""
    is_ended = replica.sandbox != "running" or all(t.state == "exited" for t in replica.tasks)
    return is_ended or (depth == "frozen" and replica.is_frozen)


def _serving(situation: Situation, version: str) -> int:
    replicas = situation.observed.workloads.replicas
    return sum(serves(r, situation) for r in replicas if r.ref.version == version)
