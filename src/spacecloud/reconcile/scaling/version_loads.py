"""What each version has to do: of what the gateway tells of addresses, the machine of sockets."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from time import monotonic

from spacecloud.drivers.driver import Meter
from spacecloud.errors import SpaceCloudError
from spacecloud.mesh.policy import Policy
from spacecloud.model.load import InFlightReport, Load, LoadReport, OpenConnection
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.task import Protocol
from spacecloud.model.traffic import Endpoint
from spacecloud.reasons.scaling import BusyReason, CallsOthers
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas
from spacecloud.workloads.observed import Published

logger = logging.getLogger(__name__)

NONE = Load(0, 0)

FRESH_SECONDS = 0.2
"""For so long a list of connections answers everybody: a report comes each second."""


@dataclass(frozen=True, slots=True)
class Connections:
    """Between two versions, at one port of the callee."""

    caller: ServiceRef
    callee: ServiceRef
    protocol: Protocol
    count: int


Entries = Mapping[tuple[str, int], tuple[ServiceRef, Protocol]]
"""Virtual IP and port to the version that answers there."""


class VersionLoads:
    def __init__(
        self, meter: Meter, wanted_replicas: WantedReplicas, clock: Callable[[], float] = monotonic
    ) -> None:
        self._meter = meter
        self._wanted_replicas = wanted_replicas
        self._clock = clock
        self._listing = asyncio.Lock()
        self._listed: tuple[float, Mapping[OpenConnection, int]] = (-math.inf, {})
        """When, and what."""

        self._versions: dict[str, ServiceRef] = {}
        """By address of a replica."""

        self._addresses: dict[ServiceKey, frozenset[str]] = {}
        self._latest: Mapping[ServiceRef, Load] = {}
        self._entries: tuple[Policy | None, Entries] = (None, {})

    def note_replicas(self, key: ServiceKey, replicas: Mapping[str, ServiceRef]) -> None:
        """Of a service, as a look has seen them: address to version."""
        for address in self._addresses.pop(key, ()):
            self._versions.pop(address, None)
        if replicas:
            self._addresses[key] = frozenset(replicas)
            self._versions |= replicas

    async def take(self, report: LoadReport) -> Mapping[ServiceRef, Load]:
        """Of those that had anything to do. A sleeping caller's TCP connection asks for nothing."""
        loads: dict[ServiceRef, Load] = {}
        for address, load in report.replicas.items():
            ref = self._versions.get(address)
            if ref is not None and (load.active or load.issued):
                before = loads.get(ref, NONE)
                loads[ref] = Load(before.active + load.active, before.issued + load.issued)
        parked = await self._parked(loads)
        self._latest = {
            ref: Load(max(0.0, load.active - parked[ref]), load.issued)
            for ref, load in loads.items()
        }
        return self._latest

    async def without_parked(
        self, told: tuple[InFlightReport, ...], published: Published
    ) -> tuple[InFlightReport, ...]:
        """
        Of replicas that are to sleep, where callers that sleep hold open all that they have in
        flight. One that drains has what it has: its connections end with it.
        """
        key = published.face.key
        gated = {
            e: ServiceRef(*key, e.version)
            for e in published.endpoints
            if e.version in published.gated
        }
        busy = {ref for e, ref in gated.items() for each in told if each.replicas.get(e.address)}
        parked = await self._parked(busy)
        if not parked.keys() & busy:
            return told
        return tuple(_without_parked(each, gated, parked) for each in told)

    async def calls_others(self, caller: ServiceRef) -> tuple[BusyReason, ...]:
        """
        Is there a callee that it has a connection to, and that has requests in flight?

        Whose requests those are nobody can tell, so that it counts as busy. A TCP connection alone
        does not: pools of databases are never closed.
        """
        found = {
            str(each.callee.key)
            for each in await self._connections()
            if each.caller == caller and each.callee != caller and each.protocol == "http"
            if self._latest.get(each.callee, NONE).active > 0
        }
        return (CallsOthers(tuple(sorted(found))),) if found else ()

    async def sleeping_callees(self, caller: ServiceRef) -> tuple[ServiceRef, ...]:
        """Those that it has connections to."""
        callees = {each.callee for each in await self._connections() if each.caller == caller}
        return tuple(sorted([ref for ref in callees if await self._wanted_replicas.depth(ref)]))

    async def _parked(self, loads: Iterable[ServiceRef]) -> Counter[ServiceRef]:
        """TCP connections whose callers sleep, by callee. Asked only where there can be any."""
        parked: Counter[ServiceRef] = Counter()
        if not loads or not await self._wanted_replicas.anybody_sleeps():
            return parked
        entries = self._entries_of(await self._wanted_replicas.policies.policy())
        tcp = {ref for ref, protocol in entries.values() if protocol == "tcp"}
        if tcp.isdisjoint(loads):
            return parked
        for each in await self._connections():
            if each.protocol == "tcp" and await self._wanted_replicas.depth(each.caller):
                parked[each.callee] += each.count
        return parked

    async def _connections(self) -> tuple[Connections, ...]:
        """Open now, those that wait for their next request as well; empty: nobody can say."""
        try:
            opened = await self._opened()
        except SpaceCloudError as error:
            logger.warning("nobody says which connections are open: %s", error)
            return ()
        entries = self._entries_of(await self._wanted_replicas.policies.policy())
        return tuple(self._known(opened, entries))

    async def _opened(self) -> Mapping[OpenConnection, int]:
        """
        As they were within the last moment, for all who ask in it: a list takes the interpreter
        from everybody else, and a hundred that wake at once would each make one.
        """
        async with self._listing:
            at, opened = self._listed
            if self._clock() >= at + FRESH_SECONDS:
                opened = await self._meter.connections()
                self._listed = self._clock(), opened
            return opened

    def _known(
        self, opened: Mapping[OpenConnection, int], entries: Entries
    ) -> Iterable[Connections]:
        for (address, vip, port), count in opened.items():
            caller, dialled = self._versions.get(address), entries.get((vip, port))
            if caller is not None and dialled is not None:
                yield Connections(caller, *dialled, count)

    def _entries_of(self, policy: Policy) -> Entries:
        known, entries = self._entries
        if known is not policy:
            entries = {
                (entry.vip, entry.port): (ServiceRef(*key, entry.version), entry.protocol)
                for key, face in policy.faces().items()
                for entry in face.entries
            }
            self._entries = (policy, entries)
        return entries


def _without_parked(
    told: InFlightReport, gated: Mapping[Endpoint, ServiceRef], parked: Mapping[ServiceRef, int]
) -> InFlightReport:
    """Which replica of a version a connection leads to nobody can tell: all of it, or nothing."""
    counts: Counter[ServiceRef] = Counter()
    for endpoint, ref in gated.items():
        counts[ref] += told.replicas.get(endpoint.address, 0)
    idle = {e.address for e, ref in gated.items() if counts[ref] <= parked[ref] and not e.draining}
    return replace(told, replicas={a: n for a, n in told.replicas.items() if a not in idle})
