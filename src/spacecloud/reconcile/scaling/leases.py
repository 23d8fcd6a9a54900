"""
Which versions may not sleep because a replica of theirs has said that it works (ADR 43).

A lease is a row, written before it is acknowledged: it outlives the control plane. It belongs to
its replica, so that the end of one replica's work does not end another's; it goes with its version.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from ipaddress import AddressValueError

from spacecloud.drivers.driver import Workloads
from spacecloud.errors import Conflict, Forbidden, NotFound
from spacecloud.model.lease import Lease, LeaseView
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.report.snapshot import Snapshot
from spacecloud.store.port import Store
from spacecloud.workloads.observed import ObservedReplica, ObservedWorkloads


class Leases:
    """Fulfils ``api.leases.ReplicaLeases``."""

    def __init__(
        self,
        store: Store,
        policies: PolicyCache,
        last_look: Callable[[ServiceKey], Snapshot | None],
        workloads: Workloads,
        now: Callable[[], datetime],
        keep_awake: Callable[[ServiceRef], Awaitable[object]],
    ) -> None:
        """
        ``keep_awake`` is awaited before a lease is acknowledged: what was decided just before, that
        the version sleeps, is undone by then, or the lease is refused with why it is not.
        """
        self._store = store
        self._policies = policies
        self._last_look = last_look
        self._workloads = workloads
        self._now = now
        self._keep_awake = keep_awake
        self._changes = store.changes()
        self._held: dict[ServiceRef, dict[str, datetime]] = {}
        """Version to replica to the lease's end, as the store has them."""

        self._is_loaded = False
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """What was taken before the control plane was started; to be awaited before ``of``."""
        async with self._lock:
            held: dict[ServiceRef, dict[str, datetime]] = {}
            for lease in await self._store.leases():
                held.setdefault(lease.ref, {})[lease.replica] = lease.until
            self._held, self._is_loaded = held, True

    async def forget_deleted(self) -> None:
        """For ever: a version that is declared again under the same name begins without leases."""
        async for change in self._changes:
            if self._held and change.kind in ("service", "project"):
                await self.load()

    def of(self, ref: ServiceRef, now: datetime) -> float:
        """For how many seconds the version is busy by what its replicas have said; 0: it is not."""
        until = self.until(ref, now)
        return (until - now).total_seconds() if until is not None else 0.0

    def until(self, ref: ServiceRef, now: datetime) -> datetime | None:
        """The end of the longest lease of its replicas; None: it is not busy by any."""
        last = max(self._held.get(ref, {}).values(), default=now)
        return last if last > now else None

    async def take(self, address: str, seconds: int) -> LeaseView:
        """
        For the replica at this address, which is busy from now on for so long at least.

        One that lasts longer stays: who takes it for a short work ends no other's. On disk when
        this returns. ``Forbidden`` and ``NotFound`` where no replica has the address.
        """
        replica = await self._replica_at(address)
        async with self._lock:
            until = _whole_second(self._now() + timedelta(seconds=seconds))
            until = max(until, self._end(replica) or until)
            if not await self._store.take_lease(Lease(replica.ref, replica.id, until)):
                raise Conflict(f"{replica.ref} is deleted: its replicas end whatever they do")
            self._held.setdefault(replica.ref, {})[replica.id] = until
        await self._keep_awake(replica.ref)
        return self._view(replica)

    async def give_back(self, address: str) -> LeaseView:
        """Before its end; nothing happens where the replica has none."""
        replica = await self._replica_at(address)
        async with self._lock:
            await self._store.give_back_lease(replica.ref, replica.id)
            self._held.get(replica.ref, {}).pop(replica.id, None)
        return self._view(replica)

    async def held(self, address: str) -> LeaseView:
        return self._view(await self._replica_at(address))

    def _view(self, replica: ObservedReplica) -> LeaseView:
        until, seconds = self._end(replica), 0
        if until is not None:
            seconds = int((until - self._now()).total_seconds())
        return LeaseView(
            service=str(replica.ref.key),
            version=replica.ref.version,
            replica=replica.id,
            until=until,
            seconds=seconds,
        )

    def _end(self, replica: ObservedReplica) -> datetime | None:
        """None where it has none, or one that has ended."""
        until = self._held.get(replica.ref, {}).get(replica.id)
        return until if until is not None and until > self._now() else None

    async def _replica_at(self, address: str) -> ObservedReplica:
        """As the last look saw it; one that has just begun may be younger than that."""
        if not self._is_loaded:
            await self.load()
        key = await self._service_at(address)
        snapshot = self._last_look(key)
        if snapshot is not None:
            found = _at(address, snapshot.situation.observed.workloads)
            if found is not None:
                return found
        found = _at(address, await self._workloads.observe(key))
        if found is None:
            raise NotFound(f"{address} is in the network of {key}, and no replica has it")
        return found

    async def _service_at(self, address: str) -> ServiceKey:
        policy = await self._policies.policy()
        try:
            key = policy.addressing.at(address)
        except AddressValueError:
            key = None
        if key is None:
            raise Forbidden(f"leases are for the replicas of services, and {address} is none's")
        return key


def _at(address: str, workloads: ObservedWorkloads) -> ObservedReplica | None:
    return next((r for r in workloads.replicas if r.address == address), None)


def _whole_second(moment: datetime) -> datetime:
    """This one or the next."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)
