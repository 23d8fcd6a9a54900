"""A control plane over a real store and a platform of dicts, in the loop of the test."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Never

from eventually import eventually
from spacecloud.drivers.held_calls import LIMITS
from spacecloud.drivers.memory import MemoryGate, MemoryTraffic, MemoryWorkloads, memory_driver
from spacecloud.errors import NotFound
from spacecloud.model.addresses import PoolAllocator, Pools
from spacecloud.model.gate_limits import HeldLimits
from spacecloud.model.load import Load, LoadReport
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling_view import ScaleView
from spacecloud.model.service import Service
from spacecloud.model.status import ServiceStatus
from spacecloud.reconcile.control_plane import ControlPlane
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store.sqlite import SqliteStore
from spacecloud.workloads.situation import TerminationLimits

API = ServiceRef("shop", "api", "v1")
HTTP_PORT = 4122
REPORT_SECONDS = 0.2


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class MemoryPlane:
    store: SqliteStore
    plane: ControlPlane
    workloads: MemoryWorkloads
    traffic: MemoryTraffic
    gate: MemoryGate
    database: Path
    active: dict[str, float] = field(default_factory=dict)
    """Address of a replica to what it has in flight, as each load report tells it."""

    async def status(self, ref: ServiceRef = API) -> ServiceStatus:
        found = await self.plane.queries.status(ref.project, ref.service, ref.version)
        if not found:
            raise NotFound(str(ref))
        return found[0]

    async def settles(
        self, ref: ServiceRef = API, state: str = "ready", message: str = ""
    ) -> ServiceStatus:
        """In that state, as it was declared last, with a message that begins so."""

        async def check() -> None:
            status = await self.status(ref)
            assert status.state == state, status
            assert status.observed_generation == status.generation
            assert status.message.startswith(message)

        await eventually(check, within=60)
        return await self.status(ref)

    async def declare(self, spec: Service, ref: ServiceRef = API) -> None:
        await self.store.put_service(ref, spec)
        await self.settles(ref)

    async def scaling(self, ref: ServiceRef = API) -> ScaleView:
        (found,) = await self.plane.queries.scaling.views(ref.project, ref.service, ref.version)
        return found

    async def addresses(self, ref: ServiceRef = API) -> list[str]:
        observed = await self.workloads.observe(ref.key)
        return [replica.address for replica in observed.replicas if replica.ref == ref]

    @asynccontextmanager
    async def reporting(self) -> AsyncGenerator[None]:
        """Meanwhile the gateway reports loads: what is ``active``."""
        async with asyncio.TaskGroup() as tasks:
            reports = tasks.create_task(self._report())
            yield
            reports.cancel()

    async def _report(self) -> Never:
        while True:
            loads = {address: Load(active, 0) for address, active in self.active.items()}
            self.traffic.loads.send(LoadReport(REPORT_SECONDS, loads))
            await asyncio.sleep(REPORT_SECONDS)


PATIENT = TerminationLimits(drain=timedelta(seconds=2), grace=timedelta(seconds=1))


@asynccontextmanager
async def a_memory_plane(
    folder: Path,
    termination: TerminationLimits = PATIENT,
    ready_after: timedelta = timedelta(0),
    limits: HeldLimits = LIMITS,
) -> AsyncGenerator[MemoryPlane]:
    """The gateway reports nothing, unless it is ``reporting``."""
    database = folder / "store.db"
    sealer = open_sealer(folder / "secret.key", database)
    async with SqliteStore.open(database, PoolAllocator(Pools()), sealer, now) as store:
        driver = replace(
            memory_driver(now, ready_after),
            own_ports=frozenset({HTTP_PORT}),
            gate=MemoryGate(limits),
        )
        plane = ControlPlane(
            store, driver, termination, now, http_port=HTTP_PORT, resync_seconds=30
        )
        assert isinstance(driver.workloads, MemoryWorkloads)
        assert isinstance(driver.traffic, MemoryTraffic)
        assert isinstance(driver.gate, MemoryGate)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(plane.run())
            yield MemoryPlane(store, plane, driver.workloads, driver.traffic, driver.gate, database)
            running.cancel()
