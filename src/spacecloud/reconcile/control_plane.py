"""Every part that decides and reconciles, connected; ``run`` is their life."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from spacecloud.drivers.driver import Driver
from spacecloud.reconcile.declarations import Declarations
from spacecloud.reconcile.journal import Journal
from spacecloud.reconcile.loops import Loops
from spacecloud.reconcile.outlook import Outlook
from spacecloud.reconcile.platform import Platform
from spacecloud.reconcile.refusals import Refusals
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.store.port import Store
from spacecloud.workloads.situation import Patience


class ControlPlane:
    def __init__(
        self,
        store: Store,
        driver: Driver,
        patience: Patience,
        now: Callable[[], datetime],
        *,
        http_port: int,
        resync_seconds: float,
    ) -> None:
        declarations = Declarations(store)
        self.journal = Journal(store, now)
        self.services = ServiceReconciler(store, driver, declarations, self.journal, patience, now)
        self.platform = Platform(store, driver, declarations, self.journal)
        self._refusals = Refusals(driver.traffic, declarations, self.journal, now)
        self._loops = Loops(store, driver, declarations, self.services, self.platform, now)
        self._resync_seconds = resync_seconds
        self.outlook = Outlook(
            store,
            driver,
            declarations,
            self.services,
            self.platform,
            self._refusals,
            http_port,
        )

    async def run(self) -> None:
        """Until it is cancelled. The ground is looked at before the first service is."""
        await self.platform.ensure()
        loops: dict[str, Coroutine[Any, Any, None]] = {
            "journal": self.journal.run(),
            "services": self._loops.controller.run(),
            "declarations": self._loops.hear_declarations(),
            "engine": self._loops.hear_engine(),
            "everything": self._loops.look_now_and_then(self._resync_seconds),
            "host": self.platform.watch_host(),
            "ingress": self.platform.publish(),
            "sever": self.platform.sever(),
            "refusals": self._refusals.listen(),
            "refusals-told": self._refusals.flush(),
        }
        async with asyncio.TaskGroup() as tasks:
            for name, loop in loops.items():
                tasks.create_task(loop, name=name)
