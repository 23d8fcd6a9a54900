"""What tasks print, by their names: the engine's log of the container of each."""

import logging
from collections.abc import AsyncGenerator

from spacecloud.drivers.docker import labels, logs
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods.inspect import listed
from spacecloud.drivers.driver import LogRequest
from spacecloud.errors import NotFound, SpaceCloudError

logger = logging.getLogger(__name__)


class TaskLogs:
    """Fulfils ``drivers.driver.Logs``."""

    def __init__(self, engine: Engine, instance: str, owner: Ownership) -> None:
        self._engine = engine
        self._instance = instance
        self._owner = owner

    async def lines(self, request: LogRequest) -> AsyncGenerator[bytes]:
        container = await self._container(request.project, request.replica, request.task)
        async for line in logs.lines(
            self._engine,
            container,
            follow=request.follow,
            tail=request.tail,
            since=request.since,
        ):
            yield line

    async def last_lines(self, project: str, replica: str, task: str, count: int) -> list[str]:
        try:
            container = await self._container(project, replica, task)
            return await logs.last_lines(self._engine, container, count)
        except (SpaceCloudError, EngineError) as error:
            logger.debug("no last lines of %s/%s: %s", replica, task, error)
            return []

    async def _container(self, project: str, replica: str, task: str) -> str:
        filters = {
            "label": [
                f"{labels.INSTANCE}={self._instance}",
                f"{labels.PROJECT}={project}",
                labels.TASK,
            ]
        }
        try:
            listing = await self._engine.get("containers/json", all=True, filters=filters)
        except EngineError as error:
            raise meaning(f"look for {replica}", error) from error
        containers = [c for item in listing if (c := listed(item, self._owner)) is not None]
        pod = [c for c in containers if c.tag.replica == replica]
        if not pod:
            raise NotFound(f"there is no replica {replica} in project {project}")
        wanted = task or pod[0].tag.expected_tasks[0]
        for container in pod:
            if container.tag.task == wanted:
                return container.run.container
        raise NotFound(
            f"replica {replica} has no task {wanted}: it has {', '.join(pod[0].tag.expected_tasks)}"
        )
