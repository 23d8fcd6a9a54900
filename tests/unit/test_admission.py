"""What is started is what the memory holds, in the order of its wishes."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_service, a_task, a_version, desired
from spacecloud.autoscale.capacity import MIB, reserve_bytes
from spacecloud.drivers.memory import MemoryWorkloads
from spacecloud.errors import Transient
from spacecloud.model.declared import Event
from spacecloud.model.load import MachineMemory, Usage
from spacecloud.model.refs import ServiceKey, ServiceRef, replica_id
from spacecloud.model.service import Service
from spacecloud.reasons.scaling import MemoryShort
from spacecloud.reasons.steps import Awake
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.scaling.memory_admission import FORGOTTEN_SECONDS, Admission
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.observed import History, Observed
from spacecloud.workloads.operations import CreateReplica, FreezeReplica, StopReplica
from spacecloud.workloads.plan import Plan, Step
from spacecloud.workloads.situation import Situation

TOTAL = 8192 * MIB
START = datetime(2026, 5, 1, tzinfo=UTC)


class ReplicaFailed(Exception):
    pass


@dataclass
class Events:
    told: list[Event] = field(default_factory=list)

    async def add_event(self, event: Event) -> None:
        self.told.append(event)

    async def events(
        self, project: str | None = None, service: str | None = None, limit: int = 100
    ) -> list[Event]:
        return self.told


class Machine(MemoryWorkloads):
    """Its memory is what its replicas have not taken. They grow while they become ready."""

    def __init__(self, free_mib: int) -> None:
        self.seconds = 0.0
        super().__init__(self.now, ready_after=timedelta(days=1))
        self.free = free_mib * MIB + reserve_bytes(TOTAL)
        self.asked = 0
        self.specs: dict[str, Service] = {}
        self.looks: dict[ServiceKey, Snapshot] = {}
        self.waiting: list[ServiceKey] = []
        self.events = Events()
        self.recorder = EventRecorder(self.events, self.now)
        self.admission = Admission(
            self,
            self,
            self.looks.get,
            self.recorder,
            self.waiting.append,
            self.now,
            lambda: self.seconds,
        )

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def machine_memory(self) -> MachineMemory:
        self.asked += 1
        used = sum(used.memory_bytes for used in self.used.values())
        return MachineMemory(TOTAL, self.free - used)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds

    async def starts(self, name: str, mib: int, slot: int = 0) -> bool:
        """Is it admitted?"""
        ref = ServiceRef("shop", name, "v1")
        spec = a_service(tasks=[a_task(resources={"memory": mib})])
        images, address = {"main": "sha256:a"}, f"10.180.0.{3 + slot}"
        op = CreateReplica(ref, slot, "r1", address, "10.180.0.0/25", spec, images, ())
        self.specs[replica_id(ref, slot)] = spec
        try:
            await self.admission.execute(Step(op, Awake()), op)
        except Transient as error:
            assert isinstance(error.reason, MemoryShort)
            return False
        await self.look(name, spec)
        return True

    async def look(self, name: str, spec: Service | None = None) -> None:
        key = ServiceKey("shop", name)
        version = a_version(
            spec=spec or next(s for id, s in self.specs.items() if id.startswith(f"{name}--")),
            key=key,
        )
        observed = Observed(await self.observe(key))
        situation = Situation(desired(version), observed, History(), self.now())
        self.looks[key] = Snapshot(situation, Plan())

    async def gets_ready(self, name: str, mib: int, *slots: int) -> None:
        """With all the memory that it asked for."""
        for slot in slots or (0,):
            self.used[f"{name}--v1--{slot}"] = Usage(0.0, mib * MIB)
        self.ready_after = timedelta(0)
        self.pass_by(0.001)
        await self.look(name)
        self.ready_after = timedelta(days=1)

    async def told(self) -> list[Event]:
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self.recorder.run())
            await asyncio.sleep(0.01)
            writing.cancel()
        return self.events.told

    async def wakes(self, name: str) -> None:
        self.ready_after = timedelta(0)
        await self.admission.wake(ServiceRef("shop", name, "v1"))
        self.ready_after = timedelta(days=1)

    async def goes(self, name: str, slot: int = 0) -> None:
        ref = ServiceRef("shop", name, "v1")
        stop = StopReplica(ref, replica_id(ref, slot), then="keep")
        await self.admission.execute(Step(stop, Awake()), stop)
        self.pass_by(0.001)
        self.used.pop(replica_id(ref, slot), None)
        await self.look(name)


async def test_what_does_not_fit_is_not_begun_and_is_told_once() -> None:
    machine = Machine(500)
    assert await machine.starts("a", 300)

    for _ in range(3):
        assert not await machine.starts("b", 300)
        machine.pass_by(5)

    assert [type(op).__name__ for op in machine.executed] == ["CreateReplica"]
    (told,) = await machine.told()
    assert (told.kind, told.reason, told.service) == ("NotStarted", "MemoryShort", "b")
    assert told.message.startswith("b--v1--0 is not started: it needs 300 MiB of memory, and 200")


async def test_it_is_begun_when_there_is_room_and_its_service_hears_of_that() -> None:
    machine = Machine(500)
    await machine.starts("a", 300)
    await machine.gets_ready("a", 300)
    assert not await machine.starts("b", 300)

    machine.pass_by(5)
    await machine.goes("a")
    assert await machine.starts("b", 300)
    assert machine.waiting == [ServiceKey("shop", "b")]


async def test_the_oldest_wish_is_first_though_a_younger_one_asks_before_it() -> None:
    machine = Machine(500)
    await machine.starts("a", 500)
    await machine.gets_ready("a", 500)
    assert not await machine.starts("old", 300)
    machine.pass_by(2)
    assert not await machine.starts("young", 300)

    await machine.goes("a")
    machine.pass_by(5)
    assert not await machine.starts("young", 300)
    assert await machine.starts("old", 300)


async def test_who_has_no_replica_comes_before_who_wants_one_more() -> None:
    machine = Machine(600)
    await machine.starts("busy", 200)
    await machine.gets_ready("busy", 200)
    await machine.starts("a", 400)
    await machine.gets_ready("a", 400)
    assert not await machine.starts("busy", 200, slot=1)
    machine.pass_by(2)
    assert not await machine.starts("cold", 300)

    await machine.goes("a")
    machine.pass_by(5)
    assert not await machine.starts("busy", 200, slot=1)
    assert await machine.starts("cold", 300)


async def test_a_small_one_passes_a_large_one_that_does_not_fit() -> None:
    machine = Machine(500)

    assert not await machine.starts("large", 600)
    assert await machine.starts("small", 100)


async def test_a_wish_that_nobody_repeats_keeps_nothing_from_others() -> None:
    machine = Machine(500)
    await machine.starts("a", 500)
    await machine.gets_ready("a", 500)
    assert not await machine.starts("gone", 300)

    await machine.goes("a")
    machine.pass_by(FORGOTTEN_SECONDS + 1)
    assert await machine.starts("b", 500)


async def test_a_start_that_fails_keeps_no_memory() -> None:
    machine = Machine(500)

    async def fails(op: object) -> None:
        raise ReplicaFailed

    execute, machine.execute = machine.execute, fails  # type: ignore[method-assign]
    with pytest.raises(ReplicaFailed):
        await machine.starts("a", 500)
    machine.execute = execute  # type: ignore[method-assign]

    assert await machine.starts("b", 500)


async def test_where_nobody_knows_the_memory_all_is_begun() -> None:
    machine = Machine(0)
    machine.machine_memory = lambda: MachineMemory(0, 0)  # type: ignore[method-assign]

    assert await machine.starts("a", 9999)


async def test_what_a_version_used_last_counts_when_it_is_woken() -> None:
    machine = Machine(700)
    await machine.starts("a", 500)
    await machine.gets_ready("a", 100)
    await machine.goes("a")
    machine.pass_by(2)
    await machine.starts("b", 500)
    await machine.gets_ready("b", 500)
    machine.pass_by(2)

    await machine.wakes("a")


async def test_a_wake_of_what_has_ended_needs_room_and_a_thaw_needs_none() -> None:
    machine = Machine(600)
    for name in ("frozen", "stopped"):
        await machine.starts(name, 300)
        await machine.gets_ready(name, 300)
    await machine.goes("stopped")
    ref = ServiceRef("shop", "frozen", "v1")
    await machine.execute(FreezeReplica(ref, "frozen--v1--0"))
    await machine.look("frozen")
    machine.pass_by(2)
    assert await machine.starts("b", 300)
    await machine.gets_ready("b", 300)
    machine.pass_by(2)

    await machine.wakes("frozen")
    with pytest.raises(Transient, match="it needs 300 MiB of memory, and 0 MiB are free"):
        await machine.wakes("stopped")


async def test_the_machine_is_asked_once_a_second_however_many_start() -> None:
    machine = Machine(5000)
    for number in range(100):
        await machine.starts(f"s{number}", 10)

    assert machine.asked == 1


steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "ready", "pass"]),
        st.sampled_from("abcd"),
        st.integers(0, 2),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2000), st.tuples(*[st.integers(1, 900)] * 4), steps)
async def test_never_more_is_begun_than_fits(
    free: int, sizes: tuple[int, ...], steps: list[tuple[str, str, int]]
) -> None:
    machine, begun = Machine(free), dict[str, int]()
    for what, name, slot in steps:
        mib, id = sizes["abcd".index(name)], f"{name}--v1--{slot}"
        if what == "start" and id not in begun:
            if await machine.starts(name, mib, slot):
                begun[id] = mib
        elif what == "ready" and id in begun:
            slots = [slot for slot in (0, 1, 2) if f"{name}--v1--{slot}" in begun]
            await machine.gets_ready(name, mib, *slots)
        else:
            machine.pass_by(1 + slot)
        assert sum(begun.values()) <= free
