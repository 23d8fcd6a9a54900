"""Every part that decides and reconciles, connected; ``run`` is their life."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from spacecloud.drivers.driver import Driver
from spacecloud.reconcile.background import Background
from spacecloud.reconcile.controller import Controller
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.health import ControlPlaneHealth
from spacecloud.reconcile.platform import Job, Key, Platform
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.queries import Queries, Sources
from spacecloud.reconcile.queue import KeyQueue
from spacecloud.reconcile.scaled_services import scaled_services
from spacecloud.reconcile.scaling.queries import ScalingQueries
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas
from spacecloud.reconcile.watches import Watches
from spacecloud.store.port import Store
from spacecloud.workloads.situation import TerminationLimits


class ControlPlane:
    def __init__(
        self,
        store: Store,
        driver: Driver,
        termination: TerminationLimits,
        now: Callable[[], datetime],
        *,
        http_port: int,
        resync_seconds: float,
    ) -> None:
        policies = PolicyCache(store)
        self.events = EventRecorder(store, now)
        queue = KeyQueue[Key](now)
        self._background = Background[Key](queue.add)
        self._wanted_replicas = WantedReplicas(store, policies, lambda ref: queue.add(ref.key))
        scaled = scaled_services(
            store,
            driver,
            self._wanted_replicas,
            self.events,
            self._background,
            termination,
            now,
        )
        self.services, self.waker, self.leases = scaled.reconciler, scaled.waker, scaled.leases
        self._scale = scaled.scale
        self._driver = driver
        self.platform = Platform(store, driver, policies, self.events, self._background, queue, now)
        after_wakes = self._wanted_replicas.precedence.after_wakes
        self.controller = Controller[Key](
            "reconcile", queue, self._reconcile, self._failed, now, after_wakes
        )
        self._watches = Watches(store, driver, policies, self.services, self.platform, queue)
        self._resync_seconds = resync_seconds
        self.queries = Queries(
            store,
            driver,
            Sources(
                self.controller,
                policies,
                self.services,
                self.platform,
                ScalingQueries(store, self.services.snapshot, scaled.requests),
                scaled.metrics,
                ControlPlaneHealth(store, self.platform, now),
            ),
            http_port,
        )

    async def run(self) -> None:
        """Until it is cancelled. The host is looked at before the first service is."""
        await self.platform.ensure()
        self.platform.start()
        self._driver.gate.serve_calls(self.waker.answer, self.waker.refused)
        watches: dict[str, Coroutine[Any, Any, None]] = {
            "background": self._background.run(),
            "events": self.events.run(),
            "controller": self.controller.run(),
            "declarations": self._watches.hear_declarations(),
            "engine": self._watches.hear_engine(),
            "everything": self._watches.look_now_and_then(self._resync_seconds),
            "wanted-replicas": self._wanted_replicas.run(),
            "autoscaler": self._scale(),
            "denied-calls": self.platform.denied_calls.listen(),
            "leases": self.leases.forget_deleted(),
        }
        async with asyncio.TaskGroup() as tasks:
            for name, loop in watches.items():
                tasks.create_task(loop, name=name)

    async def _reconcile(self, key: Key) -> datetime | None:
        match key:
            case Job():
                return await self.platform(key)
            case _:
                return await self.services(key)

    def _failed(self, key: Key, error: Exception) -> None:
        match key:
            case Job():
                self.platform.last_error(key, error)
            case _:
                self.services.last_error(key, error)
