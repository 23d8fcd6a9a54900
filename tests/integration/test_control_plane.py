"""The loops over a real store, with a platform that is only imagined."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from eventually import eventually
from memory_plane import API, MemoryPlane, a_memory_plane
from spacecloud.errors import Conflict, Forbidden, NotFound, Terminal, Transient, Unavailable
from spacecloud.model.declared import Declarations
from spacecloud.model.envelope import Envelope
from spacecloud.model.kinds import kind_named
from spacecloud.model.lenient_reading import STORED
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.routing import IngressRoute
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service
from spacecloud.model.status import ServiceStatus
from spacecloud.model.traffic import DeniedCall, IngressTable
from spacecloud.reasons.notices import RouteNotServed
from spacecloud.reasons.platform import EngineFailed, GatewayRejected, HostFailed
from spacecloud.reconcile import controller, health
from spacecloud.reconcile.outcome import REMOVAL_FAILED
from spacecloud.reconcile.platform import Job
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.scaling.leases import Leases
from spacecloud.store.stuck_deletions import stuck_deletions
from spacecloud.workloads.observed import ObservedWorkloads
from spacecloud.workloads.operations import CreateNetwork, CreateReplica, RemoveNetwork, WorkloadOp


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[MemoryPlane]:
    async with a_memory_plane(tmp_path) as plane:
        yield plane
        assert plane.plane.controller.longest_hold < 1


async def test_it_works_once_the_gateway_was_told_by_this_process(setup: MemoryPlane) -> None:
    """Until then it serves what an earlier one told it: ``start`` must not say that all is done."""

    async def works() -> None:
        assert await setup.plane.queries.why_unavailable() == ""

    async def waits(table: IngressTable) -> dict[str, str]:
        await published.wait()
        return {}

    published = asyncio.Event()
    setattr(setup.traffic, "publish_ingress", waits)  # noqa: B010 - a method of an instance

    with pytest.raises(AssertionError):
        await eventually(works, within=0.2)
    published.set()
    await eventually(works)


async def test_it_is_ill_while_nothing_can_be_written(
    setup: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def refuses() -> None:
        asked.append("")
        raise Unavailable("the disk is full")

    async def is_well() -> None:
        assert await setup.plane.queries.why_unavailable() == ""

    monkeypatch.setattr(health, "LASTS", timedelta(0))
    await eventually(is_well)
    monkeypatch.setattr(setup.store, "check_writes", refuses)
    assert await setup.plane.queries.why_unavailable() == "the disk is full"
    monkeypatch.setattr(health, "LASTS", timedelta(hours=1))
    assert await setup.plane.queries.why_unavailable() == "the disk is full"

    assert len(asked) == 1


def a_service(**given: Any) -> Service:
    task = {"id": "main", "docker": {"image": given.pop("image", "api:1")}, "ports": [{"port": 80}]}
    return a_release(task, **given)


def a_release(task: dict[str, Any], **given: Any) -> Service:
    """Confirmed as soon as it serves, unless a test is about that."""
    given.setdefault("rollout", {"confirmSeconds": 0})
    return Service.model_validate({"tasks": [task], **given})


def an_envelope(spec: dict[str, Any], version: str = "v1") -> Envelope:
    kind = kind_named("service")
    assert kind is not None
    ids = {"project": "shop", "serviceId": "api", "version": version}
    return Envelope(kind, ids, Service.model_validate(spec), spec)


@pytest.mark.attack
async def test_a_deletion_that_the_engine_does_not_end_is_told_until_it_does(
    setup: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    await setup.store.put_service(API, a_service())
    await setup.settles()
    in_use = EngineFailed("remove network sc-api", "it has active endpoints", "restart the engine")
    refuses = asyncio.Event()
    execute = setup.workloads.execute

    async def executes(op: WorkloadOp) -> None:
        if isinstance(op, RemoveNetwork) and not refuses.is_set():
            raise Transient(in_use)
        await execute(op)

    monkeypatch.setattr(setup.workloads, "execute", executes)
    await setup.store.delete_project("shop")

    async def told() -> None:
        (status,) = await setup.plane.queries.status("shop", None, None)
        assert (status.state, status.version, status.message) == ("removing", "", str(in_use))
        (finding,) = await setup.plane.queries.why("shop", "api", None)
        assert (finding.subject, finding.fix) == ("shop/api", "restart the engine")
        kinds = [event.kind for event in await setup.store.events("shop", "api", 1)]
        assert kinds == [REMOVAL_FAILED]

    async def gone() -> None:
        assert await setup.plane.queries.status("shop", None, None) == []
        assert stuck_deletions(setup.database, REMOVAL_FAILED) == ()

    await eventually(told, within=10)
    stuck = stuck_deletions(setup.database, REMOVAL_FAILED)
    assert [key for key, _ in stuck] == [API.key]
    assert "it has active endpoints" in stuck[0][1]
    refuses.set()
    await eventually(gone, within=20)


async def test_denied_calls_are_counted_together_and_told_once_the_store_answers(
    setup: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    await setup.store.put_service(API, a_service())
    await setup.settles()
    counting = setup.store.declared
    tries: list[int] = []

    async def fails_twice() -> Declarations:
        tries.append(1)
        if len(tries) < 3:
            raise Transient(HostFailed("read the database", "disk I/O error"))
        return await counting()

    monkeypatch.setattr(setup.store, "declared", fails_twice)
    for _ in range(3):
        setup.traffic.denied.send(DeniedCall("192.168.1.1", API.key, 80))
    monkeypatch.setattr(controller, "FIRST_RETRY", timedelta(milliseconds=10))

    async def tried() -> None:
        assert len(tries) >= 3

    async def told() -> None:
        refusals = (await setup.status()).refusals
        assert [(r.caller, r.port, r.count) for r in refusals] == [("192.168.1.1", 80, 3)]
        said = [(r.reason, r.message) for r in refusals]
        assert said == [("CallDenied", "no service has this address")]
        events = [e for e in await setup.store.events("shop", "api", 50) if e.kind == "Refused"]
        assert [(event.count, event.reason) for event in events] == [(3, "CallDenied")]

    await eventually(tried, within=10)
    await eventually(told, within=10)


async def test_a_route_that_the_gateway_refuses_is_told_where_it_is_looked_for(
    setup: MemoryPlane,
) -> None:
    target = {"host": "api.shop.svc.cluster.local", "port": 80}
    setup.traffic.refuses["shop/bad"] = "the gateway refuses it: header value too long"
    await setup.store.put_service(API, a_service())
    for id in ("bad", "good"):
        route = {"source": {"url": f"/{id}"}, "targets": [target]}
        await setup.store.put_ingress("shop", id, IngressRoute.model_validate(route))
    left_out = RouteNotServed("shop/bad", "the gateway refuses it: header value too long")

    async def reported() -> None:
        status = await setup.status()
        assert status.urls == ("http://localhost:4122/good",)
        assert status.not_served == (left_out,)
        assert status.wire()["notServed"] == [str(left_out)]

    await eventually(reported)
    await setup.settles()
    first = (await setup.plane.queries.why("shop", "api", None))[0]
    assert (first.severity, first.reason, first.problem) == ("error", left_out.code, str(left_out))


@pytest.mark.attack
async def test_a_table_that_is_refused_is_tried_ever_more_seldom(
    setup: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "FIRST_RETRY", timedelta(seconds=0.1))
    tries: list[float] = []

    async def refuses(table: IngressTable) -> dict[str, str]:
        tries.append(time.monotonic())
        raise Terminal(GatewayRejected("Address already in use"))

    setattr(setup.traffic, "publish_ingress", refuses)  # noqa: B010 - a method of an instance
    setup.plane.platform.declaration_changed()

    async def tried_often() -> None:
        assert len(tries) >= 5

    await eventually(tried_often)
    waits = [later - earlier for earlier, later in pairwise(tries[1:5])]
    assert waits == sorted(waits)
    assert waits[-1] > 4 * 0.1


async def test_a_declared_service_becomes_ready_and_says_where_it_is(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service(scale={"replicas": 2}))

    status = await setup.settles()

    assert status.ready_replicas == status.desired_replicas == 2
    assert status.domain == "api.shop.svc.cluster.local"
    published = setup.traffic.view(API.key).published
    assert published is not None
    assert len(published.endpoints) == 2
    await eventually(lambda: _has_kinds(setup, "ReplicaCreated", "EndpointsPublished"))


async def _has_kinds(setup: MemoryPlane, *kinds: str) -> None:
    assert set(kinds) <= {e.kind for e in await setup.store.events("shop", "api")}


async def test_a_change_is_rolled_out_and_the_old_replica_is_gone(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    before = await setup.settles()

    await setup.store.put_service(API, a_service(labels={"new": "1"}))

    async def replaced() -> None:
        revisions = [r.revision for r in (await setup.status()).replicas]
        assert len(revisions) == 1
        assert revisions != [before.replicas[0].revision]

    await eventually(replaced)
    await setup.settles()


async def test_the_status_numbers_the_revisions_that_are_rolled_out(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    first = await setup.settles()
    await setup.store.put_service(API, a_service(whitelists=[]))
    same = await setup.settles()
    await setup.store.put_service(API, a_service(labels={"new": "1"}))

    async def replaced() -> None:
        status = await setup.status()
        assert status.state == "ready"
        assert [r.revision for r in status.replicas] == [status.revision_hash]
        assert status.revision == 2

    await eventually(replaced)
    assert (first.revision, same.revision) == (1, 1)
    assert first.replicas[0].revision == first.revision_hash == same.revision_hash
    assert [r.number for r in await setup.store.revisions(API)] == [2, 1]


async def test_a_secret_that_changes_is_a_revision_whose_values_are_kept(
    setup: MemoryPlane,
) -> None:
    def a_secret(value: str) -> Secret:
        return Secret.model_validate({"type": "env", "data": {"PASS": value}})

    task = {"id": "main", "docker": {"image": "api:1"}, "secrets": ["db"]}
    await setup.store.put_secret("shop", "db", a_secret("old"))
    await setup.store.put_service(API, a_release(task))
    await setup.settles()
    await setup.store.put_secret("shop", "db", a_secret("new"))

    async def recorded() -> None:
        status = await setup.status()
        assert (status.state, status.revision) == ("ready", 2)
        assert [r.revision for r in status.replicas] == [status.revision_hash]

    await eventually(recorded)
    second, first = await setup.store.revisions(API)
    values = [
        await setup.store.secret_values("shop", s.id, s.version)
        for revision in (first, second)
        for s in revision.secrets
    ]
    assert values == [{"PASS": "old"}, {"PASS": "new"}]


async def test_a_busy_replica_is_not_stopped_before_its_patience_is_over(
    setup: MemoryPlane,
) -> None:
    await setup.store.put_service(API, a_service())
    before = await setup.settles()
    setup.traffic.busy[before.replicas[0].address] = 1
    began = datetime.now(UTC)

    await setup.store.put_service(API, a_service(labels={"new": "1"}))

    async def replaced() -> None:
        assert len((await setup.status()).replicas) == 1
        assert (await setup.status()).replicas[0].revision != before.replicas[0].revision

    await eventually(replaced)
    assert datetime.now(UTC) - began >= timedelta(seconds=2)


async def test_a_deleted_service_leaves_nothing_and_its_addresses_are_free(
    setup: MemoryPlane,
) -> None:
    await setup.store.put_service(API, a_service())
    await setup.settles()

    await setup.store.delete_service(API)

    async def gone() -> None:
        assert await setup.workloads.observe_all() == {}
        assert await setup.store.service(API.key) is None
        assert setup.traffic.view(API.key).published is None
        assert await setup.plane.queries.status("shop", None, None) == []

    await eventually(gone)


async def test_an_image_that_does_not_exist_fails_at_once_and_hurts_nobody(
    setup: MemoryPlane,
) -> None:
    await setup.store.put_service(API, a_service(image="missing:1"))
    await setup.store.put_service(ServiceRef("shop", "web", "v1"), a_service())

    status = await setup.settles(state="failed")

    assert status.reason == "ImageNotFound"
    assert "image missing:1 cannot be pulled" in status.message
    await setup.settles(ServiceRef("shop", "web", "v1"))


async def test_a_failed_update_leaves_the_old_replica_serving(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    before = await setup.settles()

    await setup.store.put_service(API, a_service(image="missing:1"))

    after = await setup.settles(state="failed")
    assert [r.id for r in after.replicas] == [r.id for r in before.replicas]
    assert after.ready_replicas == 1


async def test_the_last_of_many_applies_wins(setup: MemoryPlane) -> None:
    for n in range(20):
        await setup.store.put_service(API, a_service(labels={"n": str(n)}))

    status = await setup.settles()

    version = (await setup.store.versions("shop", "api"))[0]
    assert status.generation == version.generation
    assert version.spec.labels == {"n": "19"}

    async def one_replica() -> None:
        assert len((await setup.status()).replicas) == 1

    await eventually(one_replica)


async def test_a_task_that_ends_is_started_again(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    before = await setup.settles()

    setup.workloads.kill(API.key, before.replicas[0].id)

    await eventually(lambda: _has_kinds(setup, "TaskExited", "TaskRestarted"))
    await setup.settles()


async def test_what_plan_says_is_what_is_done_and_then_there_is_nothing_left(
    setup: MemoryPlane,
) -> None:
    spec = a_service().as_given()

    shown = await setup.plane.queries.plan([an_envelope(spec)], delete=False)

    assert [d.change for d in shown.documents] == ["create"]
    assert await setup.store.versions() == []
    assert setup.workloads.executed == []
    await setup.store.put_service(API, Service.model_validate(spec))
    await setup.settles()
    planned = [s.operation for s in shown.services[0].steps]
    for op in setup.workloads.executed:
        text = str(op).replace("sha256:", "")
        assert any(text.split(" (revision")[0] in line for line in planned), (text, planned)
    again = await setup.plane.queries.plan([an_envelope(spec)], delete=False)
    assert [d.change for d in again.documents] == ["unchanged"]
    assert again.services == ()


async def test_a_plan_names_the_fields_that_differ_and_the_steps_to_come(
    setup: MemoryPlane,
) -> None:
    task = {"id": "main", "docker": {"image": "api:1"}, "ports": [{"port": 80}]}
    await setup.store.put_service(API, a_release(task))
    await setup.settles()

    changed = a_release({**task, "env": {"LOG": "debug"}}).as_given()
    shown = await setup.plane.queries.plan([an_envelope(changed)], delete=False)

    assert shown.documents[0].fields == ("tasks[0].env",)
    kinds = [s.kind for s in shown.services[0].steps]
    assert kinds.index("CreateReplica") < kinds.index("StopReplica") < kinds.index("RemoveReplica")


async def test_a_plan_of_a_deletion_shows_it_without_doing_it(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    await setup.settles()

    envelope = an_envelope({"tasks": [{"id": "main", "docker": {"image": "api:1"}}]})
    shown = await setup.plane.queries.plan([envelope], delete=True)

    assert [s.kind for s in shown.services[0].steps][-1] == "ReleaseAddresses"
    assert (await setup.status()).state == "ready"


async def test_a_changed_whitelist_is_published_and_replaces_no_replica(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    before = await setup.settles()

    await setup.store.put_service(API, a_service(whitelists=[]))

    async def published() -> None:
        known = setup.traffic.view(API.key).published
        assert known is not None
        assert known.face.sources.blocks == ()

    await eventually(published)
    after = await setup.settles()
    assert [r.revision for r in after.replicas] == [r.revision for r in before.replicas]


async def test_a_look_that_an_operation_has_outrun_decides_nothing(
    setup: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began before the network was there, and had it made once more."""
    observe, execute = setup.workloads.observe, setup.workloads.execute
    being_made = asyncio.Event()

    async def slow_look(key: ServiceKey) -> ObservedWorkloads:
        seen = await observe(key)
        if being_made.is_set():
            await asyncio.sleep(1)
        return seen

    async def slow_network(op: WorkloadOp) -> None:
        if isinstance(op, CreateNetwork):
            being_made.set()
            await asyncio.sleep(0.9)
            being_made.clear()
        await execute(op)

    monkeypatch.setattr(setup.workloads, "observe", slow_look)
    monkeypatch.setattr(setup.workloads, "execute", slow_network)
    await setup.declare(a_service())

    made = [op for op in setup.workloads.executed if isinstance(op, CreateNetwork)]
    assert len(made) == 1


async def test_a_tag_is_asked_for_once_for_each_apply_and_an_image_in_use_never(
    setup: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = setup.workloads.images
    asked: list[str] = []

    async def images_asked_for(references: Iterable[str]) -> Mapping[str, str | None]:
        wanted = list(references)
        asked.extend(wanted)
        return await images(wanted)

    await setup.declare(a_service())
    monkeypatch.setattr(setup.workloads, "images", images_asked_for)
    await setup.declare(a_service(scale={"replicas": 2}))

    (task,) = a_service().tasks
    assert asked == [task.docker.image]


async def test_orphans_are_taken_away(setup: MemoryPlane) -> None:
    stray = ServiceKey("old", "ghost")
    await setup.workloads.execute(CreateNetwork(stray, "10.180.9.0/25"))

    await setup.plane.services.__call__(stray)

    async def gone() -> None:
        assert await setup.workloads.observe_all() == {}

    await eventually(gone)


@pytest.mark.attack
@pytest.mark.parametrize(
    "error", [KeyError("Id"), Transient(EngineFailed("look for image x", "refused"))]
)
async def test_a_first_look_that_fails_is_told_until_one_succeeds(
    setup: MemoryPlane, error: Exception
) -> None:
    async def fails(references: Any) -> Any:
        raise error

    setattr(setup.workloads, "images", fails)  # noqa: B010 - a method of an instance
    await setup.store.put_service(API, a_service())

    async def reported() -> None:
        status = await setup.status()
        assert status.state == "progressing"
        assert str(error) in status.message

    await eventually(reported)
    (finding, *_) = await setup.plane.queries.why("shop", "api", None)
    assert (finding.severity, finding.subject) == ("error", "shop/api@v1")
    assert str(error) in finding.problem

    del setup.workloads.images
    assert (await setup.settles()).message == ""


@pytest.mark.attack
async def test_an_image_of_an_earlier_release_hurts_nobody(setup: MemoryPlane) -> None:
    """The rule came later than the document: what is stored is still read."""
    task = {"id": "main", "docker": {"image": "../info?x="}}
    old = Service.model_validate({"tasks": [task]}, context=STORED)
    await setup.store.put_service(API, old)
    await setup.store.put_service(ServiceRef("shop", "web", "v1"), a_service())

    await setup.settles(ServiceRef("shop", "web", "v1"))
    assert (await setup.status()).desired_replicas == 1


async def serving(setup: MemoryPlane, generation: int) -> ServiceStatus:
    """Of that generation, and not confirmed yet."""

    async def check() -> None:
        status = await setup.status()
        assert status.observed_generation == generation, status
        assert status.confirmed_at is not None, status

    await eventually(check)
    return await setup.status()


async def test_a_new_revision_that_ends_is_given_up_for_the_one_that_stayed(
    setup: MemoryPlane,
) -> None:
    setup.workloads.output = [b"no database\n"]
    await setup.store.put_service(API, a_service())
    before = await setup.settles()
    rollout = {"confirmSeconds": 60}
    await setup.store.put_service(API, a_service(labels={"new": "1"}, rollout=rollout))
    during = await serving(setup, before.generation + 1)
    (old,) = before.replicas
    (new,) = [replica for replica in during.replicas if replica.id != old.id]

    setup.workloads.kill(API.key, new.id)

    failed = await setup.settles(state="failed")
    assert f"revision 2 did not last, revision 1 serves: {new.id}/main" in failed.message
    assert "no database" in failed.message
    assert (failed.reason, failed.cause) == ("RolledBack", "Exited")

    async def gone() -> None:
        status = await setup.status()
        assert [(r.id, r.ready, r.draining) for r in status.replicas] == [(old.id, True, False)]
        assert status.next_step == ""

    await eventually(gone)
    await _has_kinds(setup, "RevisionFailed")
    (finding, *_) = await setup.plane.queries.why("shop", "api", None)
    assert (finding.severity, finding.reason) == ("error", "RolledBack")
    # It is not tried again until somebody says so.
    created = len([op for op in setup.workloads.executed if isinstance(op, CreateReplica)])
    assert created == 2
    await setup.store.put_service(API, a_service(labels={"new": "1"}))
    assert (await setup.settles()).revision == 2


async def test_nothing_is_looked_at_while_a_revision_is_to_be_confirmed(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    before = await setup.settles()
    rollout = {"confirmSeconds": 600}
    await setup.store.put_service(API, a_service(labels={"new": "1"}, rollout=rollout))
    await serving(setup, before.generation + 1)
    looks = 0
    observe = setup.workloads.observe

    async def counted(key: ServiceKey) -> ObservedWorkloads:
        nonlocal looks
        looks += 1
        return await observe(key)

    async def idle() -> None:
        so_far = looks
        await asyncio.sleep(1)
        assert looks == so_far

    setup.workloads.observe = counted  # type: ignore[method-assign]
    await eventually(idle)


async def test_the_moment_of_confirmation_wakes_the_service(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service(rollout={"confirmSeconds": 1}))

    status = await setup.settles()

    assert (status.confirmed_revision, status.revision) == (1, 1)
    await eventually(lambda: _has_kinds(setup, "RevisionConfirmed"))


async def test_connections_that_the_public_port_refuses_are_told_and_counted(
    setup: MemoryPlane,
) -> None:
    platform = setup.plane.platform
    for counted in (3, 10, 4):
        setup.traffic.refused = counted
        await platform(Job.PUBLIC_PORT)

    async def told() -> None:
        events = await setup.store.events(project=None, limit=10)
        refused = [e for e in events if e.kind == "ConnectionsRefused"]
        assert [(e.count, e.reason) for e in refused] == [(7 + 4, "ConnectionsRefused")]

    await eventually(told)
    assert setup.plane.queries.metrics().refused_connections == 7 + 4


async def test_the_longest_hold_is_among_the_metrics(setup: MemoryPlane) -> None:
    await setup.declare(a_service())

    told = setup.plane.queries.metrics()

    assert told.longest_hold_seconds == setup.plane.controller.longest_hold > 0
    assert told.replicas == {API.key: 1}


@pytest.mark.attack
async def test_a_port_of_the_platform_that_was_declared_before_stays_closed_and_is_told(
    setup: MemoryPlane,
) -> None:
    """This store accepts it, as that of an earlier release did."""
    asked = Project.model_validate({"egress": [{"port": 4122}, {"port": 5432}]})

    await setup.store.put_project("shop", asked)

    async def told() -> None:
        events = await setup.store.events(None, None, 10)
        (closed,) = [event for event in events if event.kind == "HostPortClosed"]
        said = "project shop: egress to 4122 stays closed: the platform itself listens there"
        assert (closed.message, closed.reason) == (said, "HostPortClosed")
        assert [access.port for access in setup.traffic.host_ports] == [5432]

    await eventually(told)


async def test_a_replica_takes_looks_at_and_gives_back_a_lease_as_itself(
    setup: MemoryPlane,
) -> None:
    leases = setup.plane.leases
    await setup.store.put_service(API, a_service(scale={"replicas": 2}))
    one, two = (await setup.settles()).replicas
    now = datetime.now(UTC)

    taken = await leases.take(one.address, 300)
    again = await leases.take(one.address, 5)
    other = await leases.take(two.address, 600)
    seen = await leases.held(one.address)
    busy = leases.of(API, now)
    given_back = await leases.give_back(two.address)

    assert (taken.service, taken.version, taken.replica) == ("shop/api", "v1", one.id)
    assert taken.until is not None
    assert timedelta(seconds=300) <= taken.until - now < timedelta(seconds=330)
    # A shorter one ends no longer one, nor does one replica end another's.
    assert (again.until, seen.until, other.replica) == (taken.until, taken.until, two.id)
    assert 600 <= busy < 630
    assert (given_back.until, given_back.seconds) == (None, 0)
    assert 300 <= leases.of(API, now) < 330
    assert leases.of(API, taken.until) == leases.of(ServiceRef("shop", "api", "v2"), now) == 0


async def test_a_lease_outlives_the_control_plane_and_not_its_version(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    address = (await setup.settles()).replicas[0].address
    taken = await setup.plane.leases.take(address, 300)
    now = datetime.now(UTC)

    early, later = leases_of(setup), leases_of(setup)
    await later.load()

    assert later.of(API, now) == setup.plane.leases.of(API, now) > 0
    # Whoever asks first is no exception.
    assert (await early.take(address, 5)).until == taken.until

    await setup.store.delete_service(API)
    await setup.store.put_service(API, a_service())

    async def forgotten() -> None:
        assert setup.plane.leases.of(API, now) == 0

    await eventually(forgotten)
    await setup.settles()


async def test_a_replica_that_no_look_has_seen_yet_takes_a_lease(setup: MemoryPlane) -> None:
    """As an application that does so first of all, before its replica is looked at again."""
    await setup.store.put_service(API, a_service())
    address = (await setup.settles()).replicas[0].address
    taken = await leases_of(setup).take(address, 300)

    assert taken.version == "v1"


async def test_a_lease_is_acknowledged_once_its_version_is_kept_awake(setup: MemoryPlane) -> None:
    await setup.store.put_service(API, a_service())
    address = (await setup.settles()).replicas[0].address
    seen: list[float] = []

    async def keep_awake(ref: ServiceRef) -> None:
        seen.append(leases.of(ref, datetime.now(UTC)))
        if len(seen) > 1:
            raise Transient(EngineFailed("start", "its end is waited for"))

    leases = leases_of(setup, keep_awake)
    await leases.take(address, 300)
    with pytest.raises(Transient):
        await leases.take(address, 600)

    # Whoever decides meanwhile knows of it already.
    assert [value > 0 for value in seen] == [True, True]


@pytest.mark.attack
async def test_who_is_no_replica_takes_no_lease(setup: MemoryPlane) -> None:
    leases = setup.plane.leases
    await setup.store.put_service(API, a_service())
    address = (await setup.settles()).replicas[0].address
    network = (await setup.store.declared()).addresses.services[API.key].subnet

    for stranger in ("127.0.0.1", "10.180.200.3", "::1", "", "local", "10.180.0.3, 10.0.0.1"):
        with pytest.raises(Forbidden):
            await leases.take(stranger, 300)
    for nobody in (str(network[1]), str(network[100])):
        with pytest.raises(NotFound):
            await leases.take(nobody, 300)
    await setup.store.delete_service(API)
    with pytest.raises((Conflict, Forbidden, NotFound)):
        await leases.take(address, 300)

    async def gone() -> None:
        assert (await setup.store.declared()).services == {}

    await eventually(gone)
    assert leases.of(API, datetime.now(UTC)) == 0


async def test_the_gateway_is_told_where_leases_are_taken(setup: MemoryPlane) -> None:
    async def told() -> None:
        assert setup.traffic.takes_leases

    await eventually(told)


def leases_of(
    setup: MemoryPlane, keep_awake: Callable[[ServiceRef], Awaitable[None]] | None = None
) -> Leases:
    """Of a control plane that was just started, and has looked at nothing."""
    return Leases(
        setup.store,
        PolicyCache(setup.store),
        lambda key: None,
        setup.workloads,
        lambda: datetime.now(UTC),
        keep_awake or setup.plane.waker.keep_awake,
    )
