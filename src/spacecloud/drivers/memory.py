"""
A platform of dicts: what is simulated is the world.

For tests of what stands above the drivers and for developing the web pages. It passes the
contract suite of the ports; nothing it runs can be reached.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime, timedelta

from spacecloud.broadcast import Broadcast
from spacecloud.drivers.driver import WOKEN_SECONDS, Driver, GatewayView, Hint, LogRequest
from spacecloud.drivers.held_calls import LIMITS, HeldCalls
from spacecloud.errors import NotFound, Transient
from spacecloud.model.gate_calls import CallRefused, HeldCall, Passed
from spacecloud.model.gate_limits import HeldLimits
from spacecloud.model.load import InFlightReport, LoadReport, MachineMemory, OpenConnection, Usage
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.status import HostState, PullView
from spacecloud.model.traffic import DeniedCall, Endpoint, Face, HostPortAccess, IngressTable
from spacecloud.model.wake import Resumed, RunName
from spacecloud.reasons.images import ImageNotFound
from spacecloud.reasons.platform import WokenMeanwhile
from spacecloud.workloads.observed import (
    ObservedPull,
    ObservedReplica,
    ObservedWorkloads,
    Published,
)
from spacecloud.workloads.operations import (
    CancelPull,
    CreateNetwork,
    FreezeReplica,
    PullImage,
    RemoveNetwork,
    RemoveReplica,
    StartTask,
    StopReplica,
    ThawReplica,
    WorkloadOp,
    key_of,
)
from spacecloud.workloads.simulate import became_ready, ended, state_after

MOST_HINTS = 10_000

MISSING = "missing"
"""An image whose name starts with it is in no registry."""


class MemoryWorkloads:
    """
    Fulfils ``Workloads``, ``Images``, ``Resources`` and ``Logs``.

    Every image but the missing ones can be pulled; every task is ready after a moment.
    """

    def __init__(self, now: Callable[[], datetime], ready_after: timedelta = timedelta(0)) -> None:
        self.executed: list[WorkloadOp] = []
        self.output: list[bytes] = []
        """What each task has printed, in place of a line of its own."""

        self._now = now
        self.ready_after = ready_after
        self._world: dict[ServiceKey, ObservedWorkloads] = {}
        self._images: dict[str, str] = {}
        self.image_volumes: dict[str, tuple[str, ...]] = {}
        """Of images by reference, told once they are pulled."""

        self.used: dict[str, Usage] = {}
        """By id of the replica; one that is not named has used nothing."""

        self.memory = MachineMemory(total_bytes=1 << 40, available_bytes=3 << 38)
        self._pulls: dict[tuple[ServiceRef, str], ObservedPull] = {}
        self._woken: dict[ServiceRef, datetime] = {}
        self._hints: Broadcast[Hint] = Broadcast(MOST_HINTS)

    async def observe(self, key: ServiceKey) -> ObservedWorkloads:
        world = self._world.get(key, ObservedWorkloads(key, None))
        for replica in world.replicas:
            started = [t.started_at for t in replica.tasks if t.started_at is not None]
            if started and max(started) + self.ready_after <= self._now():
                world = became_ready(world, replica.id)
        self._world[key] = world
        return world

    async def observe_all(self) -> Mapping[ServiceKey, ObservedWorkloads]:
        return {k: w for k, w in self._world.items() if w.network is not None or w.replicas}

    async def images(self, references: Iterable[str]) -> Mapping[str, str | None]:
        known = {**self._images, **{id: id for id in self._images.values()}}
        return {reference: known.get(reference) for reference in references}

    def volumes(self) -> Mapping[str, tuple[str, ...]]:
        here = {r: v for r, v in self.image_volumes.items() if r in self._images}
        return here | {self._images[reference]: folders for reference, folders in here.items()}

    async def usage(self, key: ServiceKey) -> Mapping[str, Usage]:
        world = await self.observe(key)
        running = (r.id for r in world.replicas if any(t.state == "running" for t in r.tasks))
        return {id: self.used.get(id, Usage(0.0, 0)) for id in running}

    def machine_memory(self) -> MachineMemory:
        return self.memory

    def progress(self) -> Mapping[str, PullView]:
        return {}

    def pulls(self, key: ServiceKey) -> tuple[ObservedPull, ...]:
        return tuple(p for (ref, _), p in self._pulls.items() if ref.key == key)

    async def execute(self, op: WorkloadOp) -> None:
        self.executed.append(op)
        match op:
            case PullImage():
                return self._pull(op)
            case CancelPull():
                self._pulls.pop((op.pull.ref, op.pull.image), None)
                return None
            case _:
                return await self._change(op)

    async def _change(self, op: WorkloadOp) -> None:
        if isinstance(op, FreezeReplica) or (isinstance(op, StopReplica) and op.then == "keep"):
            woken = self._woken.get(op.ref)
            if woken is not None and self._now() - woken < timedelta(seconds=WOKEN_SECONDS):
                raise Transient(WokenMeanwhile(op.replica))
        key = key_of(op)
        world = state_after(await self.observe(key), op, self._now())
        if isinstance(op, StopReplica):
            world = ended(world, op.replica, self._now())
        self._world[key] = world
        if not isinstance(op, CreateNetwork | RemoveNetwork | RemoveReplica):
            loop = asyncio.get_running_loop()
            loop.call_later(self.ready_after.total_seconds(), self._tell, key)

    async def wake(self, ref: ServiceRef) -> Resumed:
        began, now = time.monotonic(), self._now()
        world = await self.observe(ref.key)
        kept = [r for r in world.replicas if r.ref == ref and r.sandbox == "running"]
        replica = min(kept, key=_effort, default=None)
        if replica is None:
            raise NotFound(f"nothing is kept of {ref} that could be woken")
        ended = [task for task in replica.tasks if task.state == "exited" and not task.is_over]
        for task in ended:
            world = state_after(world, StartTask(ref, replica.id, task.task, task.container), now)
        self._woken[ref] = now
        self._world[ref.key] = state_after(world, ThawReplica(ref, replica.id), now)
        self._tell(ref.key)
        runs = time.monotonic()
        if ended:
            await asyncio.sleep(self.ready_after.total_seconds())
            self._world[ref.key] = became_ready(self._world[ref.key], replica.id)
            self._woken[ref] = self._now()
            self._tell(ref.key)
        by: RunName | None = "start" if ended else "thaw" if replica.has_frozen else None
        return Resumed(by, runs - began, time.monotonic() - runs)

    def hints(self) -> AsyncGenerator[Hint]:
        return self._hints.subscribe()

    async def lines(self, request: LogRequest) -> AsyncGenerator[bytes]:
        for key, world in self._world.items():
            for replica in world.replicas:
                if (key.project, replica.id) == (request.project, request.replica):
                    for line in self.output:
                        yield line
                    if self.output:
                        return
                    yield f"{replica.id} of revision {replica.revision} runs in memory\n".encode()
                    return
        raise NotFound(f"there is no replica {request.replica} in project {request.project}")

    async def last_lines(self, project: str, replica: str, task: str, count: int) -> list[str]:
        return [line.decode(errors="replace") for line in self.output[-count:]]

    def kill(self, key: ServiceKey, replica: str) -> None:
        """All its tasks end."""
        self._world[key] = ended(self._world[key], replica, self._now())
        self._tell(key)

    def _pull(self, op: PullImage) -> None:
        """Over as soon as it is begun."""
        if op.image.startswith(MISSING):
            reason = ImageNotFound(op.image, "it does not exist")
            self._pulls[op.ref, op.image] = ObservedPull(op, "failed", self._now(), reason)
        else:
            self._images[op.image] = f"sha256:{op.image}"
            self._pulls[op.ref, op.image] = ObservedPull(op, "done", self._now())
        self._tell(op.ref.key)

    def _tell(self, key: ServiceKey) -> None:
        self._hints.send(Hint(key, "in memory"))


def _effort(replica: ObservedReplica) -> tuple[bool, bool]:
    """What it takes to wake it: nothing, a thaw, a start."""
    is_live = any(task.state == "running" for task in replica.tasks)
    return (not is_live, replica.has_frozen)


class MemoryTraffic:
    """Fulfils ``Traffic``, ``Edge``, ``Meter`` and ``Refusals``."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.ingress = IngressTable()
        self.refuses: dict[str, str] = {}
        self.host_ports: tuple[HostPortAccess, ...] = ()
        self.takes_leases = False
        self.busy: dict[str, int] = {}
        self.open: dict[OpenConnection, int] = {}
        self.denied: Broadcast[DeniedCall] = Broadcast(1000)
        self.loads: Broadcast[LoadReport] = Broadcast(60)
        self.refused = 0
        self._published: dict[ServiceKey, Published] = {}
        self._policies: dict[ServiceKey, Face] = {}

    async def publish(
        self, face: Face, endpoints: tuple[Endpoint, ...], gated: tuple[str, ...] = ()
    ) -> None:
        self._published[face.key] = Published(face, endpoints, gated=gated)
        self._policies.pop(face.key, None)

    async def publish_policy(self, face: Face) -> None:
        if face.key not in self._published:
            self._policies[face.key] = face

    async def withdraw(self, key: ServiceKey) -> None:
        self._published.pop(key, None)
        self._policies.pop(key, None)

    async def publish_ingress(self, table: IngressTable) -> Mapping[str, str]:
        """Refuses the rules of which ``refuses`` says why, by their ids."""
        refused = {r.id: self.refuses[r.id] for r in table.rules if r.id in self.refuses}
        self.ingress = IngressTable(tuple(r for r in table.rules if r.id not in refused))
        return refused

    async def publish_host_ports(self, host_ports: tuple[HostPortAccess, ...]) -> None:
        self.host_ports = host_ports

    async def publish_leases(self) -> None:
        self.takes_leases = True

    def view(self, key: ServiceKey) -> GatewayView:
        held = key in self._published
        return GatewayView(self._published.get(key), held, self._policies.get(key))

    def known(self) -> frozenset[ServiceKey]:
        return frozenset(self._published)

    def load_reports(self) -> AsyncIterator[LoadReport]:
        """Those that ``loads`` is given."""
        return self.loads.subscribe()

    async def in_flight(self) -> tuple[InFlightReport, ...]:
        """``busy``, as it is now."""
        now = self._now()
        return (InFlightReport(now, now, dict(self.busy)),)

    async def connections(self) -> Mapping[OpenConnection, int]:
        return dict(self.open)

    async def refused_connections(self) -> int:
        return self.refused

    def denied_calls(self) -> AsyncIterator[DeniedCall]:
        """Nothing can be called: those that ``denied`` is given."""
        return self.denied.subscribe()


class MemoryGate(HeldCalls):
    """Nothing can be called: a test says who knocks."""

    def __init__(self, limits: HeldLimits = LIMITS) -> None:
        super().__init__(time.monotonic, limits)

    async def knock(
        self, ref: ServiceRef, port: int = 8080, *, accepts: str = "", body_bytes: int = 0
    ) -> Passed | CallRefused:
        """A call that arrives now; cancel it to hang up."""
        return await self.hold(HeldCall(ref, port, "text/html" in accepts, self.now()), body_bytes)


class MemoryNames:
    def __init__(self) -> None:
        self._names: dict[ServiceKey, tuple[tuple[str, str], ...]] = {}

    async def publish(self, key: ServiceKey, names: tuple[tuple[str, str], ...]) -> None:
        if names:
            self._names[key] = names
        else:
            self._names.pop(key, None)

    async def published(self) -> Mapping[ServiceKey, tuple[tuple[str, str], ...]]:
        return dict(self._names)


class MemoryHost:
    async def ensure(self) -> HostState:
        return HostState(parts={"gateway": "running", "resolver": "running"})

    async def remove(self) -> None:
        pass


def memory_driver(now: Callable[[], datetime], ready_after: timedelta = timedelta(0)) -> Driver:
    workloads, gateway = MemoryWorkloads(now, ready_after), MemoryTraffic(now)
    return Driver(
        workloads=workloads,
        images=workloads,
        resources=workloads,
        logs=workloads,
        traffic=gateway,
        edge=gateway,
        meter=gateway,
        refusals=gateway,
        names=MemoryNames(),
        host=MemoryHost(),
        gate=MemoryGate(),
    )
