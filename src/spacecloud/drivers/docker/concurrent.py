"""Several calls of the engine at once."""

import asyncio
from collections.abc import Awaitable, Iterable

from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.errors import SpaceCloudError, Terminal


async def together(works: Iterable[Awaitable[None]]) -> None:
    """All at once; the first failure is raised when all have ended."""
    failures: list[SpaceCloudError] = []

    async def run(work: Awaitable[None]) -> None:
        try:
            await work
        except SpaceCloudError as error:
            failures.append(error)
        except EngineError as error:
            failures.append(meaning("ask the Docker Engine", error))

    async with asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(run(work))
    terminal = [f for f in failures if isinstance(f, Terminal)]
    if failures:
        raise (terminal or failures)[0]
