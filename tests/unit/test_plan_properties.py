"""What holds of every plan, whatever was declared and whatever happened."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_service, a_situation, a_task, a_version, declaring, settled
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.scale import declared_replicas
from spacecloud.workloads.decide import decide
from spacecloud.workloads.forecast import plan
from spacecloud.workloads.operations import RemoveReplica, StopReplica
from spacecloud.workloads.rollout import serves
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Situation, Unknown


@st.composite
def version_sets(draw: st.DrawFn, generation: int = 1) -> tuple[DeclaredVersion, ...]:
    names = draw(st.lists(st.sampled_from(["v1", "v2", "v3"]), max_size=3, unique=True))
    return tuple(
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
        )
        for order, name in enumerate(sorted(names))
    )


@given(version_sets(), version_sets(generation=10))
def test_following_a_plan_leaves_nothing_to_plan(
    first: tuple[DeclaredVersion, ...], second: tuple[DeclaredVersion, ...]
) -> None:
    ends = settled(declaring(settled(a_situation(*first)), *second))

    assert not plan(ends)
    running = [r for r in ends.observed.workloads.replicas if serves(r, ends)]
    assert len(running) == sum(declared_replicas(v.spec) for v in second)
    assert len(ends.observed.workloads.replicas) == len(running)


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
    was = {v.ref: declared_replicas(v.spec) for v in first}
    floor = {v.ref: min(declared_replicas(v.spec), was.get(v.ref, 0)) for v in second}

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
    assert not decide(situation)


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


def _serving(situation: Situation, version: str) -> int:
    replicas = situation.observed.workloads.replicas
    return sum(serves(r, situation) for r in replicas if r.ref.version == version)
