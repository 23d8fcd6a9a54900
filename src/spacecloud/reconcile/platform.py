"""
What all services need: rules, gateway, resolver, ingress, host ports, leases, denied calls.

| job          | looked at                                                             |
|--------------|-----------------------------------------------------------------------|
| host         | every 5 s, and after every hint about the machine                     |
| ingress      | when services, projects or routes change                              |
| host ports   | the same                                                              |
| revocation   | every second after such a change, five times; then every half a minute|
| denied calls | a second after one, with all that were denied meanwhile               |
| public port  | every half a minute                                                   |
| leases       | once                                                                  |

Jobs are keys like services: what fails is told, and tried again with back-off. What was mended is
an event, what could not be mended is a problem that every status may show.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from spacecloud.drivers.driver import Driver, Revocation
from spacecloud.errors import DriverError, Transient
from spacecloud.ingress import table
from spacecloud.mesh.host_ports import asking_for, host_ports
from spacecloud.model.refs import PLATFORM, ServiceKey
from spacecloud.model.status import HostState
from spacecloud.model.traffic import HostPortAccess, IngressTable
from spacecloud.reasons.notices import HostPortClosed, RouteNotServed
from spacecloud.reasons.platform import ConnectionsRefused
from spacecloud.reasons.union import FailureReason
from spacecloud.reconcile.background import Background, Begun
from spacecloud.reconcile.denied_calls import DeniedCalls
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.outcome import reason_of
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.queue import KeyQueue
from spacecloud.reconcile.refused_connections import RefusedConnections
from spacecloud.store.port import Store

logger = logging.getLogger(__name__)

HOLD_SECONDS = 0.5
NEXT_LOOK = timedelta(0)
LOOK_EVERY = timedelta(seconds=5)
REVOCATION_EVERY, REVOCATION_LATER = timedelta(seconds=1), timedelta(seconds=30)
COUNT_EVERY = timedelta(seconds=30)
REVOCATION_ROUNDS = 5
"""Looks at live connections after a change of policy; then only now and then."""


class Job(Enum):
    HOST = "host"
    INGRESS = "ingress"
    HOST_PORTS = "host ports"
    REVOCATION = "revocation"
    DENIED_CALLS = "denied calls"
    PUBLIC_PORT = "public port"
    LEASES = "leases"

    def __str__(self) -> str:
        return self.value


NOT_DONE = {
    Job.HOST: "Problem",
    Job.INGRESS: "IngressNotPublished",
    Job.HOST_PORTS: "HostPortsNotPublished",
    Job.REVOCATION: "ConnectionsNotChecked",
    Job.DENIED_CALLS: "DeniedCallsNotCounted",
    Job.PUBLIC_PORT: "ConnectionsNotCounted",
    Job.LEASES: "LeasesNotPublished",
}
"""The event of a job that failed."""

Key = ServiceKey | Job


class Platform:
    def __init__(
        self,
        store: Store,
        driver: Driver,
        policies: PolicyCache,
        events: EventRecorder,
        background: Background[Job],
        queue: KeyQueue[Key],
        now: Callable[[], datetime],
    ) -> None:
        self.state = HostState()
        self.refused_routes: Mapping[str, str] = {}
        """Ids of the ingress routes that the gateway refuses, with its words."""

        self.refused_connections = RefusedConnections()
        self.denied_calls = DeniedCalls(
            driver.refusals,
            policies,
            events,
            now,
            tell_at=lambda at: queue.add_at(Job.DENIED_CALLS, at),
        )
        self._not_served: Mapping[str, str] = {}

        self._store = store
        self._driver = driver
        self._policies = policies
        self._events = events
        self._background = background
        self._queue = queue
        self._now = now
        self._told_closed: Mapping[str, tuple[int, ...]] = {}
        self._running: dict[Job, Begun[datetime | None]] = {}
        self._errors: dict[Job, FailureReason] = {}
        self._acknowledged: set[Job] = set()
        """Of ingress and host ports, what the gateway has acknowledged once."""

        self._rounds = 0
        self._table: IngressTable | None = None
        self._host_ports: tuple[HostPortAccess, ...] | None = None

    async def __call__(self, job: Job) -> datetime | None:
        """Begin the job, or take in its end; a look holds its key for half a second."""
        begun = self._running.get(job)
        if begun is None:
            begun = self._background.begin(job, self._do(job), str(job))
            self._running[job] = begun
        else:
            begun.join()
        if not await begun.ended(HOLD_SECONDS):
            return None
        del self._running[job]
        again = begun.future.result()
        self._errors.pop(job, None)
        return self._now() + NEXT_LOOK if begun.is_joined else again

    def start(self) -> None:
        """From the first look at the host on."""
        self._queue.add_at(Job.HOST, self._now() + LOOK_EVERY)
        self._queue.add_at(Job.PUBLIC_PORT, self._now() + LOOK_EVERY)
        self._queue.add(Job.LEASES)
        self.declaration_changed()

    def machine_changed(self) -> None:
        """Something happened to the machine: look now."""
        self._queue.add(Job.HOST)
        for job in self._errors:
            self._queue.add(job)

    def declaration_changed(self) -> None:
        """Services, projects or ingress routes changed."""
        self._queue.add(Job.INGRESS)
        self._queue.add(Job.HOST_PORTS)
        self._rounds = 0
        self._queue.add_at(Job.REVOCATION, self._now() + REVOCATION_EVERY)

    def last_error(self, job: Job, error: Exception) -> None:
        """A job failed, and will be tried again; the same words are told once."""
        reason = reason_of(error)
        if self._errors.get(job) != reason:
            self._events.record(PLATFORM, NOT_DONE[job], str(reason), "error", reason=reason)
        self._errors[job] = reason

    @property
    def works(self) -> bool:
        """All its parts run, and the gateway was told by this process what it is to serve."""
        parts = self.state.parts.values()
        is_acknowledged = {Job.INGRESS, Job.HOST_PORTS} <= self._acknowledged
        return is_acknowledged and bool(parts) and all(part == "running" for part in parts)

    async def ensure(self) -> None:
        """One look at rules, gateway and resolver, and what it takes to mend them."""
        try:
            state = await self._driver.host.ensure()
        except DriverError as error:
            state = replace(self.state, repaired=(), problems=(error.reason,))
        for sentence in state.repaired:
            logger.info("repaired: %s", sentence)
            self._events.record(PLATFORM, "Repaired", sentence, "warning")
        for reason in set(state.problems) - set(self.state.problems):
            logger.error("%s", reason)
            self._events.record(PLATFORM, "Problem", str(reason), "error", reason=reason)
        self.state = state

    async def _do(self, job: Job) -> datetime | None:
        match job:
            case Job.HOST:
                await self.ensure()
                return self._now() + LOOK_EVERY
            case Job.INGRESS:
                await self._publish_ingress()
            case Job.HOST_PORTS:
                await self._publish_host_ports()
            case Job.REVOCATION:
                revocation = self._driver.revocation
                return None if revocation is None else await self._close_revoked(revocation)
            case Job.DENIED_CALLS:
                await self.denied_calls.tell()
                return None
            case Job.PUBLIC_PORT:
                return await self._count_refused()
            case Job.LEASES:
                await self._driver.edge.publish_leases()
        self._acknowledged.add(job)
        return None

    async def _close_revoked(self, revocation: Revocation) -> datetime:
        """Close live connections that policy no longer allows."""
        self._rounds += 1
        allowed = (await self._policies.policy()).faces()
        closed = await revocation.close_revoked(allowed)
        if closed:
            text = f"closed {closed} connections that policy no longer allows"
            self._events.record(PLATFORM, "ConnectionsClosed", text)
        later = REVOCATION_EVERY if self._rounds < REVOCATION_ROUNDS else REVOCATION_LATER
        return self._now() + later

    async def _count_refused(self) -> datetime:
        """
        Tell of connections that the public port closed because of its limits. A gateway that does
        not answer is told of by whoever needs it.
        """
        with suppress(Transient):
            counted = await self._driver.refusals.refused_connections()
            if refused := self.refused_connections.note(counted):
                cause = ConnectionsRefused()
                self._events.record(
                    PLATFORM, cause.code, str(cause), "warning", count=refused, reason=cause
                )
        return self._now() + COUNT_EVERY

    async def _publish_ingress(self) -> None:
        policy = await self._policies.policy()
        documents = await self._store.ingress()
        wanted = table.table(table.read(documents), policy.declared)
        if wanted != self._table:
            # Until it is acknowledged the gateway may hold either.
            self._table = None
            self.refused_routes = await self._driver.edge.publish_ingress(wanted)
            self._table = wanted
        self._record_not_served({**table.unreadable(documents), **self.refused_routes})

    def _record_not_served(self, reasons: Mapping[str, str]) -> None:
        for id, reason in sorted(reasons.items() - self._not_served.items()):
            cause = RouteNotServed(id, reason)
            logger.error("%s", cause)
            self._events.record(
                PLATFORM, "IngressRouteNotServed", str(cause), "error", reason=cause
            )
        self._not_served = reasons

    async def _publish_host_ports(self) -> None:
        policy = await self._policies.policy()
        projects = await self._store.projects()
        own = self._driver.own_ports
        self._tell_closed(asking_for(own, projects))
        wanted = host_ports(policy.declared.addresses, projects, own)
        if wanted != self._host_ports:
            self._host_ports = None
            await self._driver.edge.publish_host_ports(wanted)
            self._host_ports = wanted

    def _tell_closed(self, closed: Mapping[str, tuple[int, ...]]) -> None:
        """Of projects that an earlier release has accepted."""
        for project, ports in closed.items():
            if self._told_closed.get(project) != ports:
                cause = HostPortClosed(project, ports)
                self._events.record(PLATFORM, cause.code, str(cause), "warning", reason=cause)
        self._told_closed = closed
