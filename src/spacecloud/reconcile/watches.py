"""Where keys come from: changes of the store, hints of the engine, a periodic look at all."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Never

from spacecloud.drivers.driver import Driver
from spacecloud.errors import DriverError
from spacecloud.mesh.policy import affected
from spacecloud.model.refs import ServiceKey
from spacecloud.reconcile.platform import Key, Platform
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.queue import KeyQueue
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.store.port import Changes
from spacecloud.workloads.observed import ObservedWorkloads

logger = logging.getLogger(__name__)


class Watches:
    def __init__(
        self,
        store: Changes,
        driver: Driver,
        policies: PolicyCache,
        services: ServiceReconciler,
        platform: Platform,
        queue: KeyQueue[Key],
    ) -> None:
        self._queue = queue
        self._changes = store.changes()
        self._hints = driver.workloads.hints()
        self._driver = driver
        self._policies = policies
        self._services = services
        self._platform = platform

    async def hear_declarations(self) -> None:
        """A change of one service may change how others look: whom they let in."""
        before = await self._policies.policy()
        async for change in self._changes:
            if change.kind in ("service", "ingress", "project"):
                self._platform.declaration_changed()
            if change.kind == "secret":
                self._add_project(change.project)
            if change.kind != "service":
                continue
            key = ServiceKey(change.project, change.id)
            self._queue.add(key)
            after = await self._policies.policy()
            if after is not before:
                for other in affected(before, after) - {key}:
                    self._queue.add(other)
                before = after

    async def hear_engine(self) -> None:
        async for hint in self._hints:
            if hint.key is not None:
                self._services.invalidate(hint.key)
                self._queue.add(hint.key)
            else:
                logger.info("looking at everything: %s", hint.reason)
                self._platform.machine_changed()
                self._services.retry_now()
                await self._look_at_what_changed()

    async def look_now_and_then(self, seconds: float) -> Never:
        """One listing of the engine tells which services differ from their last look."""
        while True:
            await self._look_at_what_changed()
            await asyncio.sleep(seconds)

    async def _look_at_what_changed(self) -> None:
        """What was never looked at counts as changed."""
        try:
            observed = await self._driver.workloads.observe_all()
            named = await self._services.refresh_names()
        except DriverError as error:
            logger.warning("the engine could not be listed, will retry: %s", error)
            return
        await self._add_what_differs(observed, named)

    async def _add_what_differs(
        self, observed: Mapping[ServiceKey, ObservedWorkloads], named: frozenset[ServiceKey]
    ) -> None:
        declared = (await self._policies.policy()).declared.services
        keys = declared.keys() | observed.keys() | named | self._driver.traffic.known()
        self._services.cache_absence(key for key in keys if key not in observed)
        for key in keys:
            published = self._driver.traffic.view(key).published
            if self._services.differs(key, observed.get(key), published):
                self._queue.add(key)

    def _add_project(self, project: str) -> None:
        for key in self._services.snapshots:
            if key.project == project:
                self._queue.add(key)
