"""What the API asks about numbers of replicas, and what a person may ask for."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from spacecloud.errors import Conflict, NotFound
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling import Depth
from spacecloud.model.scaling_view import ScaleView, WakeView
from spacecloud.reasons.scale_requests import ScaleRequestReason, StillWaking
from spacecloud.report.scaling import Known, never_sleeps, scale_view, told_of_number
from spacecloud.report.snapshot import Snapshot
from spacecloud.store.port import Services

WAKE_SECONDS = 50.0
"""A client of the API waits for a minute; the wake itself goes on."""


class Scaler(Protocol):
    """Decides about replicas; a person's word goes before load's."""

    def known(self, version: DeclaredVersion) -> Known:
        """What was decided about it, and what became of it. Asks nobody."""
        ...

    async def pin(self, version: DeclaredVersion, replicas: int) -> None:
        """So many until the next apply, whatever the load. Returns when it is written down."""
        ...

    async def put_to_sleep(self, version: DeclaredVersion, depth: Depth) -> None:
        """
        Until it is called; a number that was asked for is forgotten. Of a version that may sleep.
        Returns when it is written down.
        """
        ...

    async def wake(self, ref: ServiceRef) -> WakeView | None:
        """Returns when it takes calls; None: it was awake. Raises why it does not."""
        ...


class ScalingQueries:
    """Fulfils ``api.backend.ScalingBackend``."""

    def __init__(
        self,
        store: Services,
        snapshot: Callable[[ServiceKey], Snapshot | None],
        scaler: Scaler,
        wake_seconds: float = WAKE_SECONDS,
    ) -> None:
        """``snapshot`` is the last look at a service."""
        self._store = store
        self._snapshot = snapshot
        self._scaler = scaler
        self._wake_seconds = wake_seconds

    async def views(
        self, project: str, service: str | None, version: str | None
    ) -> list[ScaleView]:
        return [
            scale_view(each, self._snapshot(each.ref.key), self._scaler.known(each))
            for each in await self._store.versions(project, service)
            if version in (None, each.ref.version)
        ]

    async def scale(self, ref: ServiceRef, replicas: int) -> tuple[ScaleRequestReason, ...]:
        version = await self._version(ref)
        await self._scaler.pin(version, replicas)
        return tuple(told_of_number(version.spec, replicas))

    async def sleep(self, ref: ServiceRef, depth: Depth) -> None:
        version = await self._version(ref)
        why = never_sleeps(version.spec)
        if why is not None:
            raise Conflict(f"{ref} may not sleep: {why}; {why.fix}")
        scaling = self._scaler.known(version).scaling
        if depth == "frozen" and scaling is not None and scaling.asleep == "stopped":
            # It sleeps deeper already, and is not started to be frozen.
            return
        await self._scaler.put_to_sleep(version, depth)

    async def wake(self, ref: ServiceRef) -> WakeView | StillWaking | None:
        await self._version(ref)
        try:
            async with asyncio.timeout(self._wake_seconds):
                return await self._scaler.wake(ref)
        except TimeoutError:
            return StillWaking(self._wake_seconds)

    async def _version(self, ref: ServiceRef) -> DeclaredVersion:
        for version in await self._store.versions(ref.project, ref.service):
            if version.ref == ref:
                return version
        raise NotFound(f"there is no service {ref}")
