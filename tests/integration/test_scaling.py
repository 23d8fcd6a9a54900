"""The autoscaler and the waker over a real store, with a platform that is only imagined."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from eventually import eventually, stays
from memory_plane import API, REPORT_SECONDS, MemoryPlane, a_memory_plane, now
from spacecloud.api.envelopes import envelopes_of
from spacecloud.drivers.memory import MemoryTraffic
from spacecloud.errors import Transient
from spacecloud.model.gate_calls import CallRefused, HeldCall, Passed
from spacecloud.model.gate_limits import HeldLimits
from spacecloud.model.load import InFlightReport, Load, LoadReport, MachineMemory, OpenConnection
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling import Scaling
from spacecloud.model.service import Service
from spacecloud.model.traffic import Endpoint
from spacecloud.model.wake import Resumed
from spacecloud.reasons.tasks import Exited
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.scaling import autoscaler
from spacecloud.reconcile.scaling.autoscaler import TICK_SECONDS
from spacecloud.reconcile.scaling.version_loads import FRESH_SECONDS, VersionLoads
from spacecloud.reconcile.scaling.waker import MANY_CALLS
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas
from spacecloud.workloads.observed import ObservedWorkloads, Published
from spacecloud.workloads.operations import (
    CreateReplica,
    FreezeReplica,
    StartTask,
    StopReplica,
)

WEB = ServiceRef("shop", "web", "v1")
DB = ServiceRef("shop", "db", "v1")


def a_spec(*, port: str = "http", **given: Any) -> Service:
    given.setdefault("autoScale", sleepy())
    task = {
        "id": "main",
        "docker": {"image": "web:1"},
        "ports": [{"port": 8080, "protocol": port}],
    }
    return Service.model_validate({"tasks": [task], "rollout": {"confirmSeconds": 0}, **given})


def sleepy(**sleep: Any) -> dict[str, Any]:
    trigger = {"type": "active-requests", "metadata": {"target": "10"}}
    return {
        "minReplicas": 0,
        "maxReplicas": 5,
        "triggers": [trigger],
        "sleep": {"freezeAfter": 1, "stopAfter": "never", **sleep},
    }


@pytest.fixture
async def silent(tmp_path: Path) -> AsyncIterator[MemoryPlane]:
    """Whose gateway reports nothing."""
    async with a_memory_plane(tmp_path) as plane:
        yield plane


@pytest.fixture
async def world(silent: MemoryPlane) -> AsyncIterator[MemoryPlane]:
    async with silent.reporting():
        yield silent


async def events(plane: MemoryPlane, kind: str, ref: ServiceRef = API) -> list[str]:
    """One at least: they are written behind the work's back."""
    told: list[str] = []

    async def some() -> None:
        found = await plane.store.events(ref.project, ref.service, 100)
        told[:] = [event.message for event in found if event.kind == kind]
        assert told, f"no event {kind}"

    await eventually(some)
    return told


async def test_what_nobody_calls_is_frozen_and_the_first_call_wakes_it(world: MemoryPlane) -> None:
    await world.declare(a_spec())
    await world.settles(API, "asleep")
    asleep = await world.scaling()

    answers = await asyncio.gather(*(world.gate.knock(API) for _ in range(20)))

    assert asleep.state == "frozen"
    assert all(isinstance(answer, Passed) for answer in answers), answers
    await world.settles(API, "ready")
    awake = await world.scaling()
    assert (awake.state, awake.asleep, awake.wakes.count) == ("awake", None, 1)
    assert awake.wakes.last is not None
    assert (awake.wakes.last.why, awake.wakes.last.was) == ("call", "frozen")
    assert [part.name for part in awake.wakes.last.parts] == ["gate", "thaw", "ready"]

    async def told_once() -> None:
        assert len(await events(world, "Woken")) == 1

    await eventually(told_once)
    (fell,) = await events(world, "Scaled")
    assert fell.startswith("v1: 1 → frozen: nobody has called it")


async def test_a_gate_that_a_crowd_comes_to_is_opened_by_no_look(world: MemoryPlane) -> None:
    await world.declare(a_spec())
    await world.settles(API, "asleep")

    async def never_ends(key: ServiceKey) -> None:
        await asyncio.Event().wait()

    first = await world.gate.knock(API)
    setattr(world.workloads, "observe", never_ends)  # noqa: B010 - a method of an instance
    for _ in range(MANY_CALLS - 1):
        await world.gate.knock(API)
    few = world.traffic.view(API.key).published
    others = await asyncio.gather(*(world.gate.knock(API) for _ in range(MANY_CALLS)))

    async def open_to_all() -> None:
        published = world.traffic.view(API.key).published
        assert published is not None
        assert published.gated == ()
        assert [e.draining for e in published.endpoints] == [False]

    assert few is not None
    assert few.gated == ("v1",)
    assert isinstance(first, Passed)
    assert first.wake_ms is not None
    assert others == [Passed(None)] * MANY_CALLS
    await eventually(open_to_all)


async def test_the_parts_of_a_wake_are_all_that_it_took_since_the_call_came(
    world: MemoryPlane,
) -> None:
    wake = world.workloads.wake

    async def slow_wake(ref: ServiceRef) -> Resumed:
        # The driver is not asked yet.
        await asyncio.sleep(0.1)
        world.workloads.ready_after = timedelta(seconds=0.2)
        return await wake(ref)

    await world.declare(a_spec(autoScale=sleepy(freezeAfter="never")))
    await world.plane.queries.scaling.sleep(API, "stopped")
    await world.settles(API, "asleep")
    setattr(world.workloads, "wake", slow_wake)  # noqa: B010 - a method of an instance

    # It came before anybody could answer it.
    began = monotonic() - 0.5
    answer = await world.gate.hold(HeldCall(API, 8080, accepts_html=False, at=began))
    took = 1000 * (monotonic() - began)

    last = (await world.scaling()).wakes.last
    assert isinstance(answer, Passed)
    assert answer.wake_ms is not None
    assert last is not None
    parts = {part.name: part.milliseconds for part in last.parts}
    assert list(parts) == ["gate", "start", "ready"]
    assert sum(parts.values()) == pytest.approx(last.milliseconds)
    assert parts["gate"] >= 600
    assert parts["ready"] >= 200
    assert last.milliseconds <= answer.wake_ms + 1 <= took + 2
    shown = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in parts.items())
    (said,) = await events(world, "Woken")
    assert said.endswith(f"took calls after {last.milliseconds:.1f} ms ({shown})")


async def test_load_makes_more_at_once(silent: MemoryPlane) -> None:
    await silent.declare(a_spec())
    (first,) = await silent.addresses()
    # From the first report on, so that no decision is made of less.
    silent.active[first] = 25

    async def four() -> None:
        # 25 in flight, 7 of 10 each is the aim.
        assert len(await silent.addresses()) == 4

    async with silent.reporting():
        await eventually(four, within=60)
        mode = (await silent.scaling()).mode

    assert mode == "panic"
    assert await events(silent, "Scaled") == [
        "v1: 1 → 4: active-requests is 25 in all, 7 per replica is the aim"
    ]


async def test_no_report_is_no_data_and_nothing_falls_asleep(silent: MemoryPlane) -> None:
    await silent.declare(a_spec())

    async def awake() -> None:
        assert (await silent.scaling()).state == "awake"

    await stays(awake, 5)


async def test_what_a_version_names_as_upstream_is_woken_with_it(world: MemoryPlane) -> None:
    api = [{"projectId": "shop", "service": "api"}]
    db = [{"projectId": "shop", "service": "db"}]
    await world.declare(a_spec(upstreams=api), WEB)
    await world.declare(a_spec(upstreams=db), API)
    await world.declare(a_spec(port="tcp"), DB)
    for ref in (WEB, API, DB):
        await world.settles(ref, "asleep")

    await world.gate.knock(WEB)

    for ref in (API, DB):
        await world.settles(ref, "ready")
        last = (await world.scaling(ref)).wakes.last
        assert last is not None
        assert last.why == "upstream"


async def test_a_caller_that_is_woken_wakes_what_it_holds_connections_to(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec(), WEB)
    await world.declare(a_spec(port="tcp"), DB)
    (caller,), (callee,) = await world.addresses(WEB), await world.addresses(DB)
    vip = str((await world.store.declared()).addresses.services[DB.key].vip)
    world.traffic.open[caller, vip, 8080] = 2
    world.active[callee] = world.traffic.busy[callee] = 2
    await world.settles(WEB, "asleep")
    # Its two connections ask for nothing while their caller sleeps.
    await world.settles(DB, "asleep")
    # Else a report may come first, which counts what a caller holds open that is awake.
    setattr(world.traffic.loads, "send", lambda _: None)  # noqa: B010 - a method of an instance

    await world.gate.knock(WEB)

    await world.settles(DB, "ready")
    last = (await world.scaling(DB)).wakes.last
    assert last is not None
    assert last.why == "connection"


async def test_only_where_sleeping_callers_hold_all_of_it_nothing_is_in_flight(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec(), WEB)
    await world.declare(a_spec(port="tcp", autoScale={"minReplicas": 1}), DB)
    await world.settles(WEB, "asleep")
    (caller,) = await world.addresses(WEB)
    policies = PolicyCache(world.store)
    face = (await policies.policy()).face(DB.key)
    entry = next(entry for entry in face.entries if entry.of_service)
    world.traffic.open[caller, entry.vip, entry.port] = 2
    loads = VersionLoads(world.traffic, WantedReplicas(world.store, policies, lambda ref: None))
    loads.note_replicas(WEB.key, {caller: WEB})
    stays, goes = Endpoint("v1", "10.0.0.2"), Endpoint("v1", "10.0.0.3", draining=True)

    async def left(*gated: str, **busy: int) -> Mapping[str, int]:
        told = InFlightReport(now(), now(), {f"10.0.0.{host[1:]}": n for host, n in busy.items()})
        (found,) = await loads.without_parked((told,), Published(face, (stays, goes), gated=gated))
        return found.replicas

    assert await left("v1", _2=2) == {}
    assert await left("v1", _2=3) == {stays.address: 3}
    assert await left("v1", _2=1, _3=2) == {stays.address: 1, goes.address: 2}
    assert await left("v1", _2=1, _3=1) == {goes.address: 1}
    assert await left(_2=2) == {stays.address: 2}


async def test_a_trial_that_is_skipped_starts_nothing_and_the_next_call_makes_what_is_new(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec(autoScale=sleepy(freezeAfter="never", stopAfter=1)))
    await world.settles(API, "asleep")
    (before,) = (await world.workloads.observe(API.key)).replicas
    executed = len(world.workloads.executed)
    spec = a_spec(autoScale=sleepy(freezeAfter="never", stopAfter=1)).as_given()
    changed = {**spec, "tasks": [{**spec["tasks"][0], "env": {"a": "b"}}]}
    meta = {"project": API.project, "serviceId": API.service, "version": API.version}
    document = {"type": "service", "meta": meta, "spec": changed}
    given = envelopes_of([document], "documents")
    tried = await world.plane.queries.plan(given, delete=False)
    skipped = await world.plane.queries.plan(given, "skipped", delete=False)

    await world.store.put_service(API, a_spec(**changed), "skipped")

    async def is_recorded() -> None:
        (found,) = await world.plane.queries.status("shop", "api", "v1")
        assert (found.state, found.revision, found.confirmed_revision) == ("asleep", 2, 1), found
        assert not (await world.workloads.observe(API.key)).replicas

    await eventually(is_recorded, within=60)
    later = world.workloads.executed[executed:]
    assert not [op for op in later if isinstance(op, CreateReplica | StartTask)]
    planned = [step.kind for step in skipped.services[0].steps]
    assert {type(op).__name__ for op in later} <= set(planned)
    assert {"CreateReplica", "StartTask"} & set(planned) == set()
    assert "CreateReplica" in [step.kind for step in tried.services[0].steps]

    answer = await world.gate.knock(API)

    assert isinstance(answer, Passed), answer
    (after,) = (await world.workloads.observe(API.key)).replicas
    assert after.revision != before.revision
    last = (await world.scaling()).wakes.last
    assert last is not None
    assert [part.name for part in last.parts] == ["gate", "create"]
    assert sum(part.milliseconds for part in last.parts) == pytest.approx(last.milliseconds)


async def test_what_the_memory_does_not_hold_waits_and_says_so_until_it_fits(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec(autoScale=sleepy(freezeAfter="never", stopAfter=1)))
    await world.settles(API, "asleep")
    short, enough = MachineMemory(8 << 30, 430 << 20), MachineMemory(8 << 30, 6 << 30)
    world.workloads.memory = short
    executed = len(world.workloads.executed)

    refused = await world.gate.knock(API)

    assert isinstance(refused, CallRefused)
    assert "it needs 64 MiB of memory, and 20 MiB are free" in refused.sentence
    await world.store.put_service(WEB, a_spec())

    async def both_wait() -> None:
        for ref in (API, WEB):
            (found,) = await world.plane.queries.status(ref.project, ref.service, ref.version)
            assert (found.state, found.reason) == ("progressing", "MemoryShort"), found
            assert len(await events(world, "NotStarted", ref)) == 1

    await eventually(both_wait, within=60)
    later = world.workloads.executed[executed:]
    assert not [op for op in later if isinstance(op, CreateReplica | StartTask | StopReplica)]
    world.workloads.memory = enough
    for ref in (API, WEB):
        await world.settles(ref, "ready")
    assert len(await events(world, "NotStarted")) == 1


async def test_a_wake_that_fails_says_why_to_who_waits_and_in_events(world: MemoryPlane) -> None:
    async def fails(ref: ServiceRef) -> None:
        raise Transient(Exited(3, "no database"))

    await world.declare(a_spec())
    await world.settles(API, "asleep")
    setattr(world.workloads, "wake", fails)  # noqa: B010 - a method of an instance

    answer = await world.gate.knock(API)

    assert isinstance(answer, CallRefused)
    assert "no database" in answer.sentence
    assert answer.retry_after_seconds > 0

    async def told() -> None:
        assert any("no database" in said for said in await events(world, "WakeFailed"))

    await eventually(told)
    assert (await world.scaling()).wakes.failed == 1


async def test_a_call_that_may_not_wait_wakes_its_version_for_the_next(tmp_path: Path) -> None:
    async with a_memory_plane(tmp_path, limits=HeldLimits(in_all=1)) as world, world.reporting():
        for ref in (WEB, API):
            await world.declare(a_spec(autoScale=sleepy(freezeAfter="never")), ref)
            await world.plane.queries.scaling.sleep(ref, "frozen")
            await world.settles(ref, "asleep")
        waits = asyncio.create_task(world.gate.knock(WEB))
        await asyncio.sleep(0)

        refused = await world.gate.knock(API)

        await world.settles(API, "ready")
        last = (await world.scaling()).wakes.last
        assert isinstance(await waits, Passed)

    assert isinstance(refused, CallRefused)
    assert last is not None
    assert last.why == "call"


async def test_an_error_that_many_are_told_does_not_grow_with_them(world: MemoryPlane) -> None:
    async def fails(ref: ServiceRef) -> None:
        raise Transient(Exited(3, "no database"))

    await world.declare(a_spec())
    await world.settles(API, "asleep")
    setattr(world.workloads, "wake", fails)  # noqa: B010 - a method of an instance
    depths: list[int] = []
    for _ in range(3):
        try:
            await world.plane.waker.wake(API, "call")
        except Transient as error:
            depths.append(len(list(traceback.walk_tb(error.__traceback__))))

    assert depths[2] == depths[1] <= depths[0]


async def test_one_who_hangs_up_leaves_the_wake_to_who_waits_with_him(world: MemoryPlane) -> None:
    may_end = asyncio.Event()
    wake = world.workloads.wake

    async def slow_wake(ref: ServiceRef) -> Resumed:
        await may_end.wait()
        return await wake(ref)

    await world.declare(a_spec())
    await world.settles(API, "asleep")
    setattr(world.workloads, "wake", slow_wake)  # noqa: B010 - a method of an instance
    first, second = [asyncio.create_task(world.gate.knock(API)) for _ in range(2)]

    async def both_wait() -> None:
        assert world.gate.waiting(API) == 2

    await eventually(both_wait)
    first.cancel()
    await asyncio.wait([first])
    may_end.set()

    assert isinstance(await second, Passed)
    assert first.cancelled()
    await world.settles(API, "ready")
    assert (await world.scaling()).wakes.count == 1


async def test_a_version_that_is_declared_anew_was_never_woken(world: MemoryPlane) -> None:
    await world.declare(a_spec())
    await world.settles(API, "asleep")
    await world.gate.knock(API)
    await world.settles(API, "ready")
    before = (await world.scaling()).wakes

    await world.store.delete_service(API)

    async def is_gone() -> None:
        assert not await world.addresses()

    await eventually(is_gone, within=60)
    await world.declare(a_spec(autoScale=sleepy(freezeAfter="never")))

    after = (await world.scaling()).wakes
    assert (before.count, after.count, after.last) == (1, 0, None)


async def test_a_browser_is_shown_a_page_where_the_service_asks_for_it(world: MemoryPlane) -> None:
    await world.declare(a_spec(autoScale=sleepy(waitingPage=True, maxHeld=1)))
    await world.settles(API, "asleep")

    page = await world.gate.knock(API, accepts="text/html")

    assert isinstance(page, CallRefused)
    assert page.html is not None
    assert "api is starting" in page.html
    await world.settles(API, "ready")


async def test_a_call_while_a_replica_is_laid_down_wakes_it(world: MemoryPlane) -> None:
    """What was decided before the call does not undo the wake."""
    await world.declare(a_spec())
    await world.settles(API, "asleep")
    froze = [op for op in world.workloads.executed if isinstance(op, FreezeReplica)]
    await world.gate.knock(API)

    with pytest.raises(Transient, match="woken a moment ago"):
        await world.workloads.execute(froze[-1])


async def test_a_wake_that_takes_its_time_is_not_undone_by_what_was_decided_before(
    world: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoscaler, "TICK_SECONDS", 0.05)
    begins, may_end = asyncio.Event(), asyncio.Event()
    wake, observe = world.workloads.wake, world.workloads.observe

    async def slow_wake(ref: ServiceRef) -> Resumed:
        begins.set()
        await may_end.wait()
        return await wake(ref)

    async def slow_look(key: ServiceKey) -> ObservedWorkloads:
        await may_end.wait()
        return await observe(key)

    await world.declare(a_spec(autoScale=sleepy(freezeAfter="never")))
    (address,) = await world.addresses()
    await world.plane.queries.scaling.sleep(API, "stopped")
    await world.settles(API, "asleep")
    setattr(world.workloads, "wake", slow_wake)  # noqa: B010 - methods of an instance
    setattr(world.workloads, "observe", slow_look)  # noqa: B010
    call = asyncio.create_task(world.gate.knock(API))
    async with asyncio.timeout(60):
        await begins.wait()
    while_it_wakes = set()
    for _ in range(20):
        # Of calls before it slept: it is decided about, and not awake for them.
        world.traffic.loads.send(LoadReport(60, {address: Load(0, 1)}))
        await asyncio.sleep(0.05)
        while_it_wakes.add((await world.scaling()).asleep)
    may_end.set()

    assert isinstance(await call, Passed)
    assert while_it_wakes == {None}
    assert (await world.scaling()).asleep is None


async def test_calls_that_wait_for_a_slow_start_begin_as_many_replicas_as_they_need(
    world: MemoryPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = asyncio.Event()
    wake = world.workloads.wake

    async def slow_wake(ref: ServiceRef) -> Resumed:
        await may_end.wait()
        return await wake(ref)

    await world.declare(a_spec(autoScale=sleepy(freezeAfter="never")))
    await world.plane.queries.scaling.sleep(API, "stopped")
    await world.settles(API, "asleep")
    setattr(world.workloads, "wake", slow_wake)  # noqa: B010 - a method of an instance
    # It is not for the next tick that they wait.
    monkeypatch.setattr(autoscaler, "TICK_SECONDS", 1000)
    calls = [asyncio.create_task(world.gate.knock(API)) for _ in range(25)]

    async def four() -> None:
        # 7 of 10 each is the aim.
        assert (await world.scaling()).wanted == 4
        assert len(await world.addresses()) == 4

    await eventually(four, within=60)
    while_it_wakes = await world.scaling()
    may_end.set()

    assert while_it_wakes.held == 25
    assert all(isinstance(answer, Passed) for answer in await asyncio.gather(*calls))


async def test_a_number_that_a_person_asks_for_holds_against_load_and_idleness(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec())
    await world.plane.queries.scaling.scale(API, 3)

    async def three() -> None:
        assert len(await world.addresses()) == 3

    await eventually(three, within=60)
    await stays(three, 3)

    (version,) = await world.store.versions("shop", "api")
    assert version.scaling is not None
    assert (version.scaling.replicas, version.scaling.pinned) == (3, version.generation)


async def test_what_was_recorded_is_in_the_latest_policy(world: MemoryPlane) -> None:
    await world.declare(a_spec())
    policies = PolicyCache(world.store)
    await policies.policy()
    wanted_replicas = WantedReplicas(world.store, policies, lambda ref: None)

    await wanted_replicas.record(API, Scaling(1, now(), "frozen"))

    assert await wanted_replicas.depth(API) == "frozen"


class CountedTraffic(MemoryTraffic):
    """Whose connections are listed slowly, as they are by a kernel."""

    lists = 0

    async def connections(self) -> Mapping[OpenConnection, int]:
        self.lists += 1
        await asyncio.sleep(0.01)
        return await super().connections()


async def test_connections_are_listed_once_for_all_who_ask_in_a_moment(world: MemoryPlane) -> None:
    moment = 0.0
    meter = CountedTraffic(now)
    wanted_replicas = WantedReplicas(world.store, PolicyCache(world.store), lambda ref: None)
    loads = VersionLoads(meter, wanted_replicas, lambda: moment)

    await asyncio.gather(*(loads.sleeping_callees(API) for _ in range(20)))
    assert meter.lists == 1

    moment += FRESH_SECONDS
    await loads.sleeping_callees(API)
    assert meter.lists == 2


async def test_a_report_of_calls_before_a_person_sent_it_to_sleep_does_not_wake_it(
    world: MemoryPlane,
) -> None:
    await world.declare(a_spec(autoScale=sleepy(freezeAfter="never")))
    (address,) = await world.addresses()

    await world.plane.queries.scaling.sleep(API, "frozen")
    world.traffic.loads.send(LoadReport(60, {address: Load(1, 1)}))
    await world.settles(API, "asleep")
    fell = await world.scaling()

    async def is_woken() -> None:
        world.traffic.loads.send(LoadReport(REPORT_SECONDS, {address: Load(1, 1)}))
        assert (await world.scaling()).wakes.last is not None

    assert fell.wakes.last is None
    await eventually(is_woken, within=60)
    woken = (await world.scaling()).wakes.last
    assert woken is not None
    assert woken.why == "load"


async def test_what_a_person_asks_for_while_the_first_look_goes_on_holds(
    world: MemoryPlane,
) -> None:
    """As right after a start: the look knows what was declared before, and ends after the order."""
    looks, told = asyncio.Event(), asyncio.Event()
    observe = world.workloads.observe

    async def slow(key: ServiceKey) -> ObservedWorkloads:
        looks.set()
        await told.wait()
        return await observe(key)

    setattr(world.workloads, "observe", slow)  # noqa: B010 - a method of an instance
    await world.store.put_service(API, a_spec(autoScale=sleepy(freezeAfter="never")))
    async with asyncio.timeout(60):
        await looks.wait()
    await world.plane.queries.scaling.sleep(API, "frozen")
    told.set()
    await world.settles(API, "asleep")

    async def frozen() -> None:
        assert (await world.scaling()).asleep == "frozen"

    await stays(frozen, 2 * TICK_SECONDS)


async def test_what_was_decided_last_holds_for_who_has_read_before(world: MemoryPlane) -> None:
    """A look, or an order, that has the row as it was before it was written."""
    await world.declare(a_spec())
    policies = PolicyCache(world.store)
    wanted_replicas = WantedReplicas(world.store, policies, lambda ref: None)
    await policies.policy()
    (before,) = await world.store.versions("shop", "api")

    await wanted_replicas.record(API, Scaling(1, now(), "frozen"))

    assert before.scaling is None
    known = wanted_replicas.of(before)
    assert known is not None
    assert known.asleep == "frozen"
