"""What an earlier look has begun, what failed, what is pulled, and what has no verdict yet."""

from dataclasses import replace
from datetime import timedelta

from builders import a_service, a_situation, a_task, a_version, declaring, later
from spacecloud.reasons.platform import EngineFailed
from spacecloud.reasons.tasks import ProbeTimedOut
from spacecloud.workloads.decide import decide
from spacecloud.workloads.forecast import plan
from spacecloud.workloads.observed import FailedOperation, Health, History, ObservedPull
from spacecloud.workloads.operations import (
    AwaitEnd,
    AwaitPull,
    AwaitRetry,
    AwaitStopped,
    CancelPull,
    CreateReplica,
    Op,
    PublishPolicy,
    PublishTraffic,
    PullImage,
    RestartTask,
    StartTask,
    StopReplica,
)
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Situation
from spacecloud.workloads.under_way import meets, subject

FULL = EngineFailed("create network", "disk full")


def settled(situation: Situation) -> Situation:
    for step in plan(situation).steps:
        situation = simulate(situation, step.op)
    return situation


def ops(situation: Situation) -> list[Op]:
    return [step.op for step in decide(situation).steps]


def with_health(situation: Situation, health: Health) -> Situation:
    workloads = situation.observed.workloads
    replicas = tuple(
        replace(r, tasks=tuple(replace(t, health=health) for t in r.tasks))
        for r in workloads.replicas
    )
    observed = replace(situation.observed, workloads=replace(workloads, replicas=replicas))
    return replace(situation, observed=observed)


def with_pull(situation: Situation, pull: ObservedPull) -> Situation:
    return replace(situation, observed=replace(situation.observed, pulls=(pull,)))


PULLED = a_version(spec=a_service(tasks=[a_task(docker={"image": "far:1"})]))
PULL = PullImage(PULLED.ref, "far:1", "", 1)


def test_a_task_that_is_being_restarted_takes_no_requests_however_ready_it_was() -> None:
    """Its new run would be published, the old replica drained, and then it would be killed."""
    situation = settled(a_situation(a_version()))
    (replica,) = situation.observed.workloads.replicas
    restart = RestartTask(replica.ref, replica.id, "main", replica.tasks[0].container)

    during = replace(situation, history=History(under_way=(restart,)))

    published = [op for op in ops(during) if isinstance(op, PublishTraffic)]
    assert [op.endpoints for op in published] == [()]
    assert not [op for op in ops(situation) if isinstance(op, PublishTraffic)]


def test_what_was_asked_to_end_goes_and_is_replaced_though_it_is_wanted_again() -> None:
    situation = settled(a_situation(a_version()))
    (replica,) = situation.observed.workloads.replicas

    again = replace(situation, history=History(stopping_since={replica.id: situation.now}))

    assert [op.slot for op in ops(again) if isinstance(op, CreateReplica)] == [1]
    assert [op for op in ops(again) if isinstance(op, AwaitStopped)] == [AwaitStopped(replica.id)]


def test_the_grace_of_a_task_is_not_over_before_it_was_asked_for_as_long() -> None:
    situation = settled(a_situation(a_version()))
    asked = timedelta(seconds=20)
    starting = with_health(situation, Health("starting", asked=asked))
    jumped = replace(starting, now=later(3600))

    assert not [op for op in ops(jumped) if isinstance(op, RestartTask)]
    assert decide(jumped).look_again_at == later(3600 + 60 - 20)
    asked_enough = with_health(jumped, Health("starting", asked=timedelta(seconds=60)))
    assert [op for op in ops(asked_enough) if isinstance(op, RestartTask)]


def test_a_pull_that_runs_is_waited_for_and_not_begun_again() -> None:
    situation = with_pull(a_situation(PULLED), ObservedPull(PULL, "running"))

    assert [op for op in ops(situation) if isinstance(op, PullImage | AwaitPull)] == [
        AwaitPull(PULL)
    ]


def test_the_same_image_of_a_later_apply_is_still_wanted() -> None:
    again = replace(PULLED, generation=2)
    situation = with_pull(a_situation(again), ObservedPull(PULL, "running"))

    assert AwaitPull(PULL) in ops(situation)
    assert CancelPull(PULL) not in ops(situation)


def test_a_pull_that_the_declaration_does_not_need_any_more_is_cancelled() -> None:
    running = ObservedPull(PULL, "running")
    none_wanted = a_version(
        spec=a_service(tasks=[a_task(docker={"image": "far:1"})], scale={"maxReplicas": 0})
    )

    for situation in (a_situation(a_version()), a_situation(none_wanted), a_situation()):
        assert CancelPull(PULL) in ops(with_pull(situation, running))
        assert CancelPull(PULL) not in ops(
            with_pull(situation, ObservedPull(PULL, "failed", later(0), FULL))
        )


def test_an_operation_that_is_under_way_is_not_begun_again_and_others_go_on() -> None:
    fresh = a_situation(a_version(images={"main": "sha256:aaaa"}))
    creation = next(op for op in ops(fresh) if isinstance(op, CreateReplica))

    busy = replace(fresh, history=History(under_way=(creation,)))

    assert AwaitEnd(creation) in ops(busy)
    assert creation not in ops(busy)
    assert [op for op in ops(busy) if isinstance(op, PublishTraffic)]
    assert settled(busy).observed == settled(fresh).observed


def test_the_address_of_a_replica_that_is_being_made_is_given_to_no_other() -> None:
    images = {"main": "sha256:aaaa"}
    fresh = a_situation(a_version("v2", images=images))
    creation = next(op for op in ops(fresh) if isinstance(op, CreateReplica))
    both = declaring(
        replace(fresh, history=History(under_way=(creation,))),
        a_version(images=images),
        a_version("v2", images=images, order=1),
    )

    made = [op.address for op in ops(both) if isinstance(op, CreateReplica)]

    assert made
    assert creation.address not in made


def test_what_failed_waits_for_its_next_try_unless_it_is_another_now() -> None:
    fresh = a_situation(a_version(images={"main": "sha256:aaaa"}))
    creation = next(op for op in ops(fresh) if isinstance(op, CreateReplica))
    failed = replace(fresh, history=History(failed=(FailedOperation(creation, FULL, later(5)),)))
    changed = declaring(
        failed,
        a_version(spec=a_service(tasks=[a_task(env={"A": "1"})]), images={"main": "sha256:aaaa"}),
    )

    decided = decide(failed)

    assert AwaitRetry(creation, later(5)) in [step.op for step in decided.steps]
    assert FULL in [step.cause for step in decided.steps]
    assert decided.look_again_at == later(5)
    assert creation in ops(replace(failed, now=later(5)))
    assert [op for op in ops(changed) if isinstance(op, CreateReplica)]


def test_a_task_is_a_part_of_its_replica() -> None:
    ref = a_version().ref
    start = subject(StartTask(ref, "web--v1--0", "main", "c"))

    assert meets(start, subject(StopReplica(ref, "web--v1--0")))
    assert not meets(start, subject(StopReplica(ref, "web--v1--1")))
    assert not meets(start, subject(StartTask(ref, "web--v1--0", "side", "c")))


def test_a_task_without_a_verdict_is_neither_restarted_nor_taken_out() -> None:
    running = settled(a_situation(a_version()))

    unknown = replace(
        with_health(running, Health("unknown", 2, ProbeTimedOut("tcp", 1))), now=later(99_999)
    )

    assert not [op for op in ops(unknown) if isinstance(op, RestartTask | PublishTraffic)]


def test_nothing_is_published_by_a_process_that_has_no_verdict_on_what_it_found() -> None:
    running = settled(a_situation(a_version()))
    restarted = replace(running, observed=replace(running.observed, published=None))

    unknown = with_health(restarted, Health("unknown"))

    assert not [op for op in ops(unknown) if isinstance(op, PublishTraffic)]
    (policy,) = [op for op in ops(unknown) if isinstance(op, PublishPolicy)]
    assert not [op for op in ops(simulate(unknown, policy)) if isinstance(op, PublishPolicy)]
    (published,) = [op for op in ops(restarted) if isinstance(op, PublishTraffic)]
    assert [e.draining for e in published.endpoints] == [False]


def test_who_may_call_does_not_wait_for_a_verdict() -> None:
    running = settled(a_situation(a_version()))
    restarted = with_health(
        replace(running, observed=replace(running.observed, published=None)), Health("unknown")
    )
    (policy,) = [op for op in ops(restarted) if isinstance(op, PublishPolicy)]
    told = simulate(restarted, policy)

    closed = declaring(told, a_version(spec=a_service(whitelists=[])))

    (again,) = [op for op in ops(closed) if isinstance(op, PublishPolicy)]
    assert again.face != policy.face


def test_an_older_replica_without_a_verdict_is_not_stopped_before_it_drains() -> None:
    running = settled(a_situation(a_version()))
    restarted = with_health(
        replace(running, observed=replace(running.observed, published=None)), Health("unknown")
    )
    none_wanted = declaring(restarted, a_version(spec=a_service(scale={"maxReplicas": 0})))

    assert not [op for op in ops(none_wanted) if isinstance(op, StopReplica)]


def test_a_deletion_does_not_wait_for_a_verdict() -> None:
    running = settled(a_situation(a_version()))
    restarted = with_health(
        replace(running, observed=replace(running.observed, published=None)), Health("unknown")
    )

    deleted = settled(declaring(restarted))

    assert deleted.observed.workloads.replicas == ()
