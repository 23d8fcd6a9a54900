"""What replicas use, by the processes that were seen last, and what frozen ones give back."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from spacecloud.drivers.docker.pods import cgroups
from spacecloud.drivers.docker.pods.cgroups import Process
from spacecloud.drivers.docker.pods.observe import Container
from spacecloud.drivers.docker.pods.reclaim import Reclaim, Reclaims
from spacecloud.model.load import MachineMemory, Usage
from spacecloud.model.refs import ServiceKey

logger = logging.getLogger(__name__)

RECLAIM_AFTER_SECONDS = 5.0


class CgroupResources:
    """Fulfils ``drivers.driver.Resources``."""

    def __init__(self) -> None:
        self._processes: dict[ServiceKey, tuple[Process, ...]] = {}
        self._reclaims = Reclaims()

    def note(self, key: ServiceKey, containers: Iterable[Container]) -> None:
        """As they were seen. Of tasks: a sandbox does nothing."""
        running = tuple(
            Process(c.tag.replica, c.run.container, c.pid)
            for c in containers
            if c.tag.task and c.run.state == "running" and c.pid
        )
        if running:
            self._processes[key] = running
        else:
            self._processes.pop(key, None)

    async def usage(self, key: ServiceKey) -> Mapping[str, Usage]:
        return await asyncio.to_thread(cgroups.usage, self._processes.get(key, ()))

    def machine_memory(self) -> MachineMemory:
        return cgroups.machine_memory()

    def begin_reclaim(self, group: asyncio.TaskGroup, key: ServiceKey, replica: str) -> None:
        """Behind the freeze: a wake waits for none of it."""
        its = [process for process in self._processes.get(key, ()) if process.replica == replica]
        if its:
            group.create_task(self._reclaim(its), name=f"reclaim memory of {replica}")

    def close(self) -> None:
        self._reclaims.close()

    async def _reclaim(self, processes: Iterable[Process]) -> None:
        """Nothing of what is thawed again at once, as something slipped past its gate."""
        await asyncio.sleep(RECLAIM_AFTER_SECONDS)
        for process in processes:
            given = await self._reclaims.run(Reclaim(process.container, process.pid))
            logger.debug("%s gave %d bytes back", process.replica, given)
