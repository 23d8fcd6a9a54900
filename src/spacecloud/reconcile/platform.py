"""
The ground that all services stand on: rules, gateway, resolver, ingress, doors to the host.

Looked at every few seconds and after every hint; what was mended is an event, what could not
be mended is a problem that every status may show.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Never

from spacecloud.drivers.driver import Driver
from spacecloud.errors import DriverError, Terminal
from spacecloud.ingress import table
from spacecloud.mesh.policy import host_ports
from spacecloud.model.status import HostState
from spacecloud.model.traffic import HostPortAccess, IngressTable
from spacecloud.reconcile.events import PLATFORM, EventRecorder
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.store.port import Store

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
RETRY_SECONDS = 1.0
MOST_RETRY_SECONDS = 60.0
"""Between tries of what the gateway refuses, unless something is declared anew."""
SEVER_SECONDS = 1.0
SEVER_ROUNDS = 5
"""Looks at live connections after a change of policy; then only now and then."""

SEVER_EVERY = 30


class Platform:
    def __init__(
        self,
        store: Store,
        driver: Driver,
        policies: PolicyCache,
        events: EventRecorder,
    ) -> None:
        self.state = HostState()
        self.refused_routes: Mapping[str, str] = {}
        """Ids of the ingress routes that the gateway refuses, with its words."""

        self._told_of: Mapping[str, str] = {}

        self._store = store
        self._driver = driver
        self._policies = policies
        self._events = events
        self._woken = asyncio.Event()
        self._declaration_changed = asyncio.Event()
        self._declaration_changed.set()
        self._policy_changes = 1
        self._table: IngressTable | None = None
        self._host_ports: tuple[HostPortAccess, ...] | None = None
        self._told = False
        """Has the gateway acknowledged ingress and doors once?"""

    def wake(self) -> None:
        """Something happened to the machine: look now."""
        self._woken.set()

    def declaration_changed(self) -> None:
        """Services, projects or ingress routes changed."""
        self._declaration_changed.set()
        self._policy_changes += 1

    @property
    def works(self) -> bool:
        """All its parts run, and the gateway was told by this process what it is to serve."""
        parts = self.state.parts.values()
        return self._told and bool(parts) and all(part == "running" for part in parts)

    async def watch_host(self) -> Never:
        while True:
            self._woken.clear()
            await self.ensure()
            await _either(self._woken, LOOK_SECONDS)

    async def ensure(self) -> None:
        """One look at rules, gateway and resolver, and what it takes to mend them."""
        try:
            state = await self._driver.host.ensure()
        except DriverError as error:
            state = HostState(problems=(str(error),), parts=self.state.parts)
        for sentence in state.repaired:
            logger.info("repaired: %s", sentence)
            self._events.record(PLATFORM, "Repaired", sentence, "warning")
        for sentence in set(state.problems) - set(self.state.problems):
            logger.error("%s", sentence)
            self._events.record(PLATFORM, "Problem", sentence, "error")
        self.state = state

    async def publish(self) -> Never:
        """Keep ingress and host doors as they are declared."""
        failed = 0
        while True:
            await self._declaration_changed.wait()
            self._declaration_changed.clear()
            try:
                await self._publish_ingress()
                await self._publish_host_ports()
                self._told, failed = True, 0
            except DriverError as error:
                logger.warning("ingress could not be published, will retry: %s", error)
                self._events.record(PLATFORM, "IngressNotPublished", str(error), "error")
                # What is refused is refused again, unless it was the machine's fault.
                failed = failed + 1 if isinstance(error, Terminal) else 0
                seconds = min(RETRY_SECONDS * 2**failed, MOST_RETRY_SECONDS)
                await _either(self._declaration_changed, seconds if failed else RETRY_SECONDS)
                self._declaration_changed.set()

    async def close_revoked(self) -> Never:
        """Close live connections that policy no longer allows."""
        rounds, seen = 0, 0
        while True:
            await asyncio.sleep(SEVER_SECONDS)
            if seen != self._policy_changes:
                seen, rounds = self._policy_changes, 0
            rounds += 1
            if rounds > SEVER_ROUNDS and rounds % SEVER_EVERY:
                continue
            try:
                closed = await self._driver.traffic.close_revoked(
                    (await self._policies.policy()).faces()
                )
            except DriverError as error:
                logger.warning("live connections could not be checked: %s", error)
                continue
            if closed:
                text = f"closed {closed} connections that policy no longer allows"
                self._events.record(PLATFORM, "ConnectionsClosed", text)

    async def _publish_ingress(self) -> None:
        policy = await self._policies.policy()
        documents = await self._store.ingress()
        wanted = table.table(table.read(documents), policy.declared)
        if wanted != self._table:
            # Until it is acknowledged the gateway may hold either.
            self._table = None
            self.refused_routes = await self._driver.traffic.publish_ingress(wanted)
            self._table = wanted
        self._tell_not_served({**table.unreadable(documents), **self.refused_routes})

    def _tell_not_served(self, reasons: Mapping[str, str]) -> None:
        for id, reason in sorted(reasons.items() - self._told_of.items()):
            sentence = table.not_served(id, reason)
            logger.error("%s", sentence)
            self._events.record(PLATFORM, "IngressRouteNotServed", sentence, "error")
        self._told_of = reasons

    async def _publish_host_ports(self) -> None:
        policy = await self._policies.policy()
        wanted = host_ports(policy.declared, await self._store.projects())
        if wanted != self._host_ports:
            self._host_ports = None
            await self._driver.traffic.publish_host_ports(wanted)
            self._host_ports = wanted


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Until it is set, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
