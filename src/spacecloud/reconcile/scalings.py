"""
How many replicas of each version are wanted: read from the store, written behind the work's back.

What was decided holds here from that moment on, so that no look undoes a wake whose row is not on
the disk yet. A row that cannot be written is tried again.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Never

from spacecloud.errors import SpaceCloudError
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling import Scaling
from spacecloud.store.port import Services

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Scalings:
    def __init__(self, store: Services, written: Callable[[ServiceRef], None]) -> None:
        """``written`` is called with a version whose row has changed."""
        self._store = store
        self._written = written
        self._unwritten: dict[ServiceRef, Scaling] = {}
        self._wanted = asyncio.Event()

    def of(self, version: DeclaredVersion) -> Scaling | None:
        """None where nothing was ever decided."""
        return self._unwritten.get(version.ref, version.scaling)

    def decide(self, ref: ServiceRef, scaling: Scaling) -> None:
        """From now on this is wanted."""
        self._unwritten[ref] = scaling
        self._wanted.set()

    async def record(self, ref: ServiceRef, scaling: Scaling) -> None:
        """The same, and returns when it is on the disk."""
        self.decide(ref, scaling)
        await self._write(ref, scaling)

    async def run(self) -> Never:
        """Until it is cancelled: write what was decided."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            for ref, scaling in list(self._unwritten.items()):
                try:
                    await self._write(ref, scaling)
                except SpaceCloudError as error:
                    logger.warning("how many replicas of %s are wanted is not kept: %s", ref, error)
                    self._wanted.set()
                    await asyncio.sleep(RETRY_SECONDS)
                    break

    async def _write(self, ref: ServiceRef, scaling: Scaling) -> None:
        await self._store.record_scaling(ref, scaling)
        if self._unwritten.get(ref) is scaling:
            del self._unwritten[ref]
        self._written(ref)
