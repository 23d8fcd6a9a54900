"""Every part that decides and reconciles, connected; ``run`` is their life."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError
from spacecloud.model.refs import ServiceRef
from spacecloud.reconcile.background import Background
from spacecloud.reconcile.controller import Controller
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.health import Health
from spacecloud.reconcile.observe import Observer
from spacecloud.reconcile.platform import Job, Key, Platform
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.queries import Parts, Queries
from spacecloud.reconcile.queue import KeyQueue
from spacecloud.reconcile.scaling.autoscaler import Autoscaler
from spacecloud.reconcile.scaling.decisions import ScalingDecisions
from spacecloud.reconcile.scaling.leases import Leases
from spacecloud.reconcile.scaling.metrics import ScalingMetrics
from spacecloud.reconcile.scaling.queries import ScalingQueries
from spacecloud.reconcile.scaling.scalings import Scalings
from spacecloud.reconcile.scaling.version_loads import VersionLoads
from spacecloud.reconcile.scaling.version_scaler import VersionScaler
from spacecloud.reconcile.scaling.waker import Waker, Woken
from spacecloud.reconcile.services import ServiceReconciler
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
        self._scalings = Scalings(store, policies, lambda ref: queue.add(ref.key))
        loads = VersionLoads(driver.meter, self._scalings)
        self.services = ServiceReconciler(
            store,
            driver,
            Observer(driver, self._scalings, loads),
            self.events,
            self._background,
            termination,
            now,
        )
        self.scaling_metrics = ScalingMetrics()
        self.waker = Waker(
            driver,
            self.services.admission,
            loads,
            self._scalings,
            self.events,
            self._background,
            now,
        )
        self.waker.listen(self._woken)
        self.leases = Leases(
            store,
            policies,
            self.services.snapshot,
            driver.workloads,
            now,
            self.waker.keep_awake,
        )
        decisions = ScalingDecisions(self._scalings, self.events, self.scaling_metrics, now)
        self.autoscaler = Autoscaler(driver, loads, decisions, self.waker, self.leases, now)
        self._scaler = VersionScaler(
            self.autoscaler, self.waker, self._scalings, self.scaling_metrics, driver.gate, now
        )
        self.services.listen(self.waker.looked)
        self.services.listen(self.autoscaler.looked)
        self.services.listen(self._scaler.looked)
        self._driver = driver
        self.platform = Platform(store, driver, policies, self.events, self._background, queue, now)
        after_wakes = self._scalings.precedence.after_wakes
        self.controller = Controller[Key](
            "reconcile", queue, self._reconcile, self._failed, now, after_wakes
        )
        self._watches = Watches(store, driver, policies, self.services, self.platform, queue)
        self._resync_seconds = resync_seconds
        self.queries = Queries(
            store,
            driver,
            Parts(
                policies,
                self.services,
                self.platform,
                ScalingQueries(store, self.services.snapshot, self._scaler),
                self.scaling_metrics,
                Health(store, self.platform, now),
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
            "scalings": self._scalings.run(),
            "autoscaler": self._scale(),
            "denied-calls": self.platform.denied_calls.listen(),
            "leases": self.leases.forget_deleted(),
        }
        async with asyncio.TaskGroup() as tasks:
            for name, loop in watches.items():
                tasks.create_task(loop, name=name)

    def _woken(self, ref: ServiceRef, outcome: Woken | SpaceCloudError) -> None:
        self._scaler.note(ref, outcome)

    async def _scale(self) -> None:
        """What replicas have said is known before anything is decided."""
        await self.leases.load()
        await self.autoscaler.run()

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
