"""Goldens: what a plan says, and so what will be done."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network
from typing import Any

import pytest
from inline_snapshot import snapshot

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
    settled,
    shown,
)
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.revision import Document, hash_of
from spacecloud.reasons.images import ImageNotFound
from spacecloud.reasons.platform import GatewayRejected, SubnetFull
from spacecloud.reasons.tasks import NothingListens, ProbeAnswered
from spacecloud.report.snapshot import Snapshot
from spacecloud.report.status import Relations, status_of
from spacecloud.workloads import situation as situation_module
from spacecloud.workloads.decide import decide
from spacecloud.workloads.forecast import plan
from spacecloud.workloads.observed import Health, History
from spacecloud.workloads.operations import (
    AwaitIdle,
    CreateReplica,
    PublishTraffic,
    PullImage,
    RecordRevision,
    RestartTask,
    StopReplica,
)
from spacecloud.workloads.repair import restart_delay
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Declared, Situation

EXITED = {"state": "exited", "exited_at": NOON, "exit_code": 0}


def test_a_new_service_gets_network_names_images_replica_and_traffic() -> None:
    assert shown(plan(a_situation(a_version()))) == snapshot("""\
[] -> #0 create network 10.180.0.0/25: the service has no network
[] -> #1 publish names web-v1-internal.shop.svc.cluster.local=10.184.2.1, web.shop.svc.cluster.local=10.184.1.0: no names yet
[] -> #2 publish endpoints []: the gateway does not know the service yet
[] -> #3 resolve v1 to revision 1: main=aaaa: generation 1 has no revision yet
[0, 3] -> #4 create replica web--v1--0 at 10.180.0.2 (revision r1): 1 wanted, slot 0 is empty
[0, 1, 2, 3, 4] -> #5 wait until web--v1--0 is ready: not every task is ready
[5] -> #6 publish endpoints [v1=10.180.0.2]: 10.180.0.2 ready
[6] -> #7 confirm revision 1 of v1: all replicas take requests\
""")


def test_what_is_carried_out_now_is_the_head_of_the_plan() -> None:
    situation = a_situation(a_version())

    whole = plan(situation)

    assert whole.steps[: whole.now] == decide(situation).steps


def test_a_changed_image_is_replaced_new_before_old() -> None:
    running = settled(a_situation(a_version()))
    newer = a_version(spec=a_service(tasks=[a_task(env={"A": "1"})]), generation=2)

    assert shown(plan(declaring(running, newer))) == snapshot("""\
[] -> #0 resolve v1 to revision 2: main=aaaa: generation 2 has no revision yet
[0] -> #1 create replica web--v1--1 at 10.180.0.3 (revision r1): 1 wanted, slot 1 is empty
[0, 1] -> #2 wait until web--v1--1 is ready: not every task is ready
[2] -> #3 publish endpoints [v1=10.180.0.2, v1=10.180.0.3]: 10.180.0.3 ready
[3] -> #4 publish endpoints [v1=10.180.0.2 draining, v1=10.180.0.3]: 10.180.0.2 draining
[3] -> #5 confirm revision 2 of v1: all replicas take requests
[4, 5] -> #6 wait until web--v1--0 has no request in flight: replaced by revision r1
[6] -> #7 stop replica web--v1--0: replaced by revision r1; nothing in flight
[7] -> #8 wait until web--v1--0 has stopped: asked to end
[8] -> #9 publish endpoints [v1=10.180.0.3]: 10.180.0.2 gone
[9] -> #10 remove replica web--v1--0: replaced by revision r1\
""")


def test_a_replica_is_kept_while_its_successor_is_not_acknowledged() -> None:
    running = settled(a_situation(a_version()))
    spec = a_service(tasks=[a_task(env={"A": "1"})])
    newer = declaring(running, a_version(spec=spec, generation=2, images={"main": "sha256:aaaa"}))
    created = simulate(newer, next(s.op for s in decide(newer) if isinstance(s.op, CreateReplica)))
    ready = changed(created, task={"health": Health("ready")})

    published = next(s.op for s in decide(ready) if isinstance(s.op, PublishTraffic))

    assert [(e.address, e.draining) for e in published.endpoints] == [
        ("10.180.0.2", False),
        ("10.180.0.3", False),
    ]
    acknowledged = simulate(ready, published)
    published = next(s.op for s in decide(acknowledged) if isinstance(s.op, PublishTraffic))
    assert [(e.address, e.draining) for e in published.endpoints] == [
        ("10.180.0.2", True),
        ("10.180.0.3", False),
    ]


def test_what_the_gateway_did_not_acknowledge_is_not_believed_undone() -> None:
    """A task ends and is back before its leaving was acknowledged: it may be left out for ever."""
    running = settled(a_situation(a_version()))
    published = running.observed.published
    assert published is not None
    doubted = replace(running.observed, published=replace(published, acknowledged=False))

    assert decide(running).steps == ()
    assert shown(plan(replace(running, observed=doubted))) == snapshot(
        "[] -> #0 publish endpoints [v1=10.180.0.2]: the gateway has not acknowledged what it was sent last"
    )


def test_a_deleted_service_drains_before_anything_is_taken_away() -> None:
    running = settled(a_situation(a_version()))

    assert shown(plan(declaring(running))) == snapshot("""\
[] -> #0 withdraw names: deleted
[] -> #1 publish endpoints [v1=10.180.0.2 draining]: deleted
[0, 1] -> #2 wait until web--v1--0 has no request in flight: deleted
[2] -> #3 stop replica web--v1--0: deleted; nothing in flight
[3] -> #4 wait until web--v1--0 has stopped: asked to end
[4] -> #5 remove replica web--v1--0: deleted
[5] -> #6 withdraw from the gateway: deleted
[5] -> #7 remove network: deleted
[6, 7] -> #8 release addresses: nothing is left\
""")


@pytest.mark.parametrize("in_gateway", [True, False])
def test_a_deletion_goes_on_in_a_process_that_does_not_know_what_was_published(
    in_gateway: bool,
) -> None:
    deleted = declaring(settled(a_situation(a_version())))
    forgotten = replace(deleted.observed, published=None, in_gateway=in_gateway)
    situation = replace(deleted, observed=forgotten)

    ends = settled(situation)

    first = [str(step.op) for step in decide(situation)]
    assert ("withdraw from the gateway" in first) == in_gateway
    assert ("stop replica web--v1--0" in first) != in_gateway
    assert ends.observed.workloads.replicas == ()
    assert ends.observed.workloads.network is None


def test_a_deleted_version_drains_while_the_other_goes_on() -> None:
    both = settled(a_situation(a_version(), a_version("v2", order=1)))

    assert shown(plan(declaring(both, a_version(images={"main": "sha256:aaaa"})))) == snapshot("""\
[] -> #0 publish names web-v1-internal.shop.svc.cluster.local=10.184.2.1, web.shop.svc.cluster.local=10.184.1.0: names differ
[] -> #1 publish endpoints [v1=10.180.0.2, v2=10.180.0.3 draining]: ports, names or callers changed
[0, 1] -> #2 wait until web--v2--0 has no request in flight: not declared any more
[2] -> #3 stop replica web--v2--0: not declared any more; nothing in flight
[3] -> #4 wait until web--v2--0 has stopped: asked to end
[4] -> #5 publish endpoints [v1=10.180.0.2]: ports, names or callers changed
[5] -> #6 remove replica web--v2--0: not declared any more\
""")


def test_a_missing_image_is_pulled_and_only_then_is_more_known() -> None:
    decided = decide(a_situation(a_version(), images={"web:1": None}))

    assert [s.op for s in decided if isinstance(s.op, PullImage)]
    assert not [s.op for s in decided if isinstance(s.op, CreateReplica)]
    text = str(plan(a_situation(a_version(), images={"web:1": None})))
    assert "pull web:1: the image is not here" in text
    assert "create replica web--v1--0 at 10.180.0.2 (revision known when its images are)" in text


def test_an_image_that_was_refused_is_not_pulled_again_for_the_same_apply() -> None:
    version = a_version()
    history = History(refused={(version.ref, 1): ImageNotFound("web:1", "not found")})

    decided = decide(a_situation(version, images={"web:1": None}, history=history))

    assert decided.problems == (ImageNotFound("web:1", "not found"),)
    assert not [s for s in decided if isinstance(s.op, PullImage)]


def test_the_same_document_again_resolves_its_tag_anew() -> None:
    running = settled(a_situation(a_version()))
    rebuilt = replace(
        running,
        observed=replace(
            running.observed, images={"web:1": "sha256:bbbb", "sha256:aaaa": "sha256:aaaa"}
        ),
    )

    same = plan(declaring(rebuilt, a_version(images={"main": "sha256:aaaa"})))
    again = plan(declaring(rebuilt, a_version(generation=2)))

    assert not same
    assert "resolve v1 to revision 2: main=bbbb" in str(again)
    assert "create replica web--v1--1" in str(again)


def test_a_dead_sandbox_means_the_pod_is_built_again_at_its_address() -> None:
    running = settled(a_situation(a_version()))
    broken = changed(running, replica={"sandbox": "stopped"})

    assert shown(plan(broken)) == snapshot("""\
[] -> #0 publish endpoints []: 10.180.0.2 gone
[] -> #1 remove replica web--v1--0: its sandbox is stopped
[1] -> #2 create replica web--v1--0 at 10.180.0.2 (revision r1): its sandbox is stopped
[0, 1, 2] -> #3 wait until web--v1--0 is ready: not every task is ready
[3] -> #4 publish endpoints [v1=10.180.0.2]: 10.180.0.2 ready\
""")


def test_a_network_that_was_removed_by_hand_is_there_before_its_pods_are_built_again() -> None:
    running = settled(a_situation(a_version()))
    broken = changed(running, replica={"sandbox": "off its network"}, workloads={"network": None})

    assert shown(plan(broken)) == snapshot("""\
[] -> #0 create network 10.180.0.0/25: the service has no network
[] -> #1 publish endpoints []: 10.180.0.2 gone
[] -> #2 remove replica web--v1--0: its sandbox is off its network
[0, 2] -> #3 create replica web--v1--0 at 10.180.0.2 (revision r1): its sandbox is off its network
[0, 1, 2, 3] -> #4 wait until web--v1--0 is ready: not every task is ready
[4] -> #5 publish endpoints [v1=10.180.0.2]: 10.180.0.2 ready\
""")


def test_a_task_that_was_left_behind_by_its_sandbox_is_restarted() -> None:
    running = settled(a_situation(a_version()))

    decided = decide(changed(running, task={"orphaned": True}))

    assert "restart task web--v1--0/main: its sandbox was restarted" in str(decided)


def test_a_removed_task_container_is_made_again() -> None:
    running = settled(a_situation(a_version()))
    (replica,) = running.observed.workloads.replicas
    bare = replace(replica, tasks=())

    decided = decide(changed(running, workloads={"replicas": (bare,)}))

    assert "create replica web--v1--0 at 10.180.0.2" in str(decided)
    assert "main not there" in str(decided)


def test_an_exited_task_waits_longer_after_each_exit() -> None:
    assert [restart_delay(n).total_seconds() for n in (1, 2, 3, 9, 10, 99)] == [
        1,
        2,
        4,
        256,
        300,
        300,
    ]


def test_an_exited_task_is_started_when_its_delay_is_over() -> None:
    running = settled(a_situation(a_version()))
    situation = changed(running, task=EXITED)

    early = decide(situation)
    late = decide(replace(situation, now=later(1)))

    assert "wait for the next start of web--v1--0/main" in str(early)
    assert early.look_again_at == later(1)
    assert "start task web--v1--0/main: exited with code 0" in str(late)


def test_a_task_that_ended_before_the_clock_was_set_back_is_started_at_once() -> None:
    running = settled(a_situation(a_version()))
    situation = changed(running, task=EXITED)

    decided = decide(replace(situation, now=NOON - timedelta(hours=1)))

    assert "start task web--v1--0/main: exited with code 0" in str(decided)


def test_a_replica_that_fails_its_probe_leaves_traffic_and_then_is_restarted() -> None:
    running = settled(a_situation(a_version()))

    tolerated = decide(
        changed(running, task={"health": Health("failing", 2, ProbeAnswered("/", 80, 500))})
    )
    out = decide(
        changed(running, task={"health": Health("failing", 3, ProbeAnswered("/", 80, 500))})
    )
    restarted = decide(
        changed(running, task={"health": Health("failing", 6, ProbeAnswered("/", 80, 500))})
    )

    assert not tolerated
    assert "publish endpoints []" in str(out)
    assert "restart task web--v1--0/main: failed 6 probes: GET / on port 80 answered 500" in str(
        restarted
    )


def test_a_task_that_is_not_ready_within_its_grace_is_restarted() -> None:
    starting = changed(
        settled(a_situation(a_version())),
        task={"health": Health("starting", 1, NothingListens(80))},
    )

    assert "not ready after 60 s: nothing listens on port 80" in str(
        decide(replace(starting, now=later(61)))
    )


def test_a_publication_that_was_refused_is_not_repeated_and_is_told() -> None:
    situation = a_situation(a_version())
    op = next(s.op for s in decide(situation) if isinstance(s.op, PublishTraffic))
    published = simulate(situation, op).observed.published
    assert published is not None

    decided = decide(
        replace(
            situation, history=History(rejected_publication=(published, GatewayRejected("bad")))
        )
    )

    assert decided.problems == (GatewayRejected("bad"),)
    assert not [s for s in decided if isinstance(s.op, PublishTraffic)]


def test_what_a_network_does_not_hold_is_not_made_and_is_told() -> None:
    situation = settled(a_situation(a_version()))
    declared = situation.desired
    assert isinstance(declared, Declared)
    small = replace(declared.allocation, subnet=IPv4Network("10.180.0.0/29"))
    wanted = replace(declared, allocation=small, replicas={a_version().ref: 6})
    workloads = replace(situation.observed.workloads, network=str(small.subnet))
    observed = replace(situation.observed, workloads=workloads)

    decided = decide(replace(situation, desired=wanted, observed=observed))

    created = [s.op.address for s in decided if isinstance(s.op, CreateReplica)]
    assert created == [f"10.180.0.{host}" for host in (3, 4, 5, 6)]
    assert decided.problems == (SubnetFull("10.180.0.0/29", 5),)


def test_a_network_with_another_subnet_is_made_anew() -> None:
    running = settled(a_situation(a_version()))

    text = str(plan(changed(running, workloads={"network": "10.99.0.0/25"})))

    assert "remove network: the network is 10.99.0.0/25, not 10.180.0.0/25" in text
    assert text.index("remove network") < text.index("create network 10.180.0.0/25")


def test_nothing_wanted_costs_the_engine_nothing() -> None:
    text = str(plan(a_situation(a_version(spec=a_service(scale={"maxReplicas": 0})))))

    assert "publish names" in text
    assert "create network" not in text
    assert "resolve" not in text


# ------------------------------------------------------------------ jobs


def a_job(restart: str = "on-failure", generation: int = 1, **task: Any) -> DeclaredVersion:
    spec = a_service(tasks=[a_task(restart=restart, ports=[], **task)])
    return a_version(spec=spec, generation=generation)


def after_exit(situation: Situation, code: int) -> Situation:
    gone = changed(situation, task={**EXITED, "exit_code": code, "health": Health()})
    return settled(gone) if code == 0 else gone


@pytest.mark.parametrize("restart", ["on-failure", "never"])
def test_a_job_that_is_done_is_not_run_again_by_anything_but_a_new_revision(restart: str) -> None:
    done = after_exit(settled(a_situation(a_job(restart))), 0)

    assert not decide(done)
    assert not decide(changed(done, replica={"sandbox": "stopped"}))
    assert not decide(replace(done, now=later(86_400)))
    assert not decide(declaring(done, a_job(restart, generation=1)))
    assert shown(decide(declaring(done, a_job(restart, generation=2)))).count("->") == 1
    again = shown(decide(settled_revision(done, a_job(restart, generation=2, env={"A": "1"}))))
    assert "create replica web--v1--1" in again


def settled_revision(situation: Situation, version: DeclaredVersion) -> Situation:
    """With this version declared, and its revision recorded."""
    newer = declaring(situation, version)
    for step in decide(newer).steps:
        newer = simulate(newer, step.op) if isinstance(step.op, RecordRevision) else newer
    return newer


def test_a_job_that_is_done_stays_done_when_its_containers_and_its_image_are_pruned() -> None:
    done = after_exit(settled(a_situation(a_job())), 0)

    pruned = changed(done, replica={"tasks": ()})
    pruned = replace(pruned, observed=replace(pruned.observed, images={}))

    assert not decide(pruned)
    assert not decide(changed(pruned, workloads={"replicas": ()}))
    same = settled(declaring(changed(done, replica={"tasks": ()}), a_job(generation=2)))
    assert same.observed.workloads.replicas[0].tasks == ()
    assert "pull web:1" in shown(decide(declaring(pruned, a_job(generation=2, env={"A": "1"}))))


def test_a_job_of_an_older_revision_goes_when_the_new_one_is_done_too() -> None:
    done = after_exit(settled(a_situation(a_job())), 0)
    newer = settled(declaring(done, a_job(generation=2, env={"A": "1"})))

    assert [r.id for r in newer.observed.workloads.replicas] == ["web--v1--1"]
    assert not decide(after_exit(newer, 0))


def test_a_job_that_fails_is_run_again_where_its_policy_says_so() -> None:
    failed = after_exit(settled(a_situation(a_job("on-failure"))), 3)

    assert "start task web--v1--0/main" in shown(decide(replace(failed, now=later(2))))
    never = settled(after_exit(settled(a_situation(a_job("never"))), 3))
    assert not decide(replace(never, now=later(86_400)))


def test_a_job_beside_a_server_takes_nothing_out_of_traffic_when_it_is_done() -> None:
    tasks = [a_task(), a_task(id="migrate", restart="on-failure", ports=[])]
    running = settled(a_situation(a_version(spec=a_service(tasks=tasks))))

    assert not decide(with_task(running, "migrate", {**EXITED, "exit_code": 0}))


def test_a_task_that_is_never_started_again_is_not_restarted_for_its_probe() -> None:
    spec = a_service(tasks=[a_task(restart="never")])
    running = settled(a_situation(a_version(spec=spec)))
    sick = changed(running, task={"health": Health("failing", 60, NothingListens(8080))})

    plan = shown(decide(sick))

    assert "restart task" not in plan
    assert "publish endpoints []" in plan


@pytest.mark.parametrize(("restart", "code"), [("on-failure", 0), ("on-failure", 3), ("never", 3)])
def test_a_job_that_ends_is_not_given_up_as_what_did_not_last(restart: str, code: int) -> None:
    tasks = [a_task(), a_task(id="migrate", restart=restart, ports=[])]
    for its in (tasks, tasks[1:]):
        spec = a_service(tasks=its, rollout={"confirmSeconds": 5})
        trial = a_situation(a_version(spec=spec))
        for _ in range(4):
            for step in decide(trial).steps:
                trial = simulate(trial, step.op)
        ended = with_task(trial, "migrate", {**EXITED, "exit_code": code})

        assert "give up" not in shown(decide(ended))


def with_task(situation: Situation, id: str, given: dict[str, Any]) -> Situation:
    before = situation.observed.workloads
    replicas = tuple(
        replace(r, tasks=tuple(replace(t, **given) if t.task == id else t for t in r.tasks))
        for r in before.replicas
    )
    after = replace(before, replicas=replicas)
    return replace(situation, observed=replace(situation.observed, workloads=after))


# ------------------------------------------------------------------ how long an end may take


def test_a_replica_may_take_as_long_as_its_service_says() -> None:
    def going(seconds: int | None) -> Situation:
        given = {} if seconds is None else {"terminationGracePeriodSeconds": seconds}
        running = settled(a_situation(a_version(spec=a_service(**given))))
        newer = a_version(spec=a_service(tasks=[a_task(env={"A": "1"})], **given), generation=2)
        draining = declaring(running, newer)
        for _ in range(20):
            ops = [step.op for step in decide(draining).steps]
            if any(isinstance(op, AwaitIdle) for op in ops):
                return draining
            for op in ops:
                draining = simulate(draining, op)
        raise AssertionError("it never drains")

    def ends(situation: Situation, seconds: float) -> bool:
        late = replace(situation, now=later(seconds))
        return any(isinstance(step.op, StopReplica) for step in decide(late).steps)

    assert [ends(going(None), s) for s in (29, 31)] == [False, True]
    assert [ends(going(300), s) for s in (31, 299, 301)] == [False, False, True]


@pytest.mark.parametrize(("given", "grace"), [({}, None), (5, 5), (300, 60)])
def test_a_task_that_does_not_answer_is_restarted_within_a_minute(
    given: Any, grace: int | None
) -> None:
    spec = a_service(**({"terminationGracePeriodSeconds": given} if given else {}))
    running = settled(a_situation(a_version(spec=spec)))
    sick = changed(running, task={"health": Health("failing", 60, NothingListens(8080))})

    restarts = [s.op for s in decide(sick).steps if isinstance(s.op, RestartTask)]

    assert [op.grace_seconds for op in restarts] == [grace]


def test_a_service_that_is_deleted_ends_as_it_had_declared() -> None:
    spec = a_service(terminationGracePeriodSeconds=300)
    running = settled(a_situation(a_version(spec=spec)))
    [replica] = running.observed.workloads.replicas
    deleted = declaring(running)
    asked = replace(deleted, history=History(stopping_since={replica.id: NOON}))

    kept, killed = (shown(decide(replace(asked, now=later(s)))) for s in (299, 301))

    assert "wait until web--v1--0 has stopped" in kept
    assert "remove replica web--v1--0" in killed


def test_a_version_is_resolved_once_for_a_look_and_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[str] = []

    def counted(document: Document, *ingredients: Any) -> str:
        hashed.append("")
        return hash_of(document, *ingredients)

    monkeypatch.setattr(situation_module, "hash_of", counted)
    version = a_version()
    situation = a_situation(version)

    snapshot_of_it = Snapshot(situation, decide(situation))
    status_of(declared_service(version), version, snapshot_of_it, Relations())

    assert hashed == [""]
