"""What the engine shows of single containers, and of what the kernel holds frozen, the kernel."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from spacecloud.drivers.docker import ownership
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods import observe
from spacecloud.drivers.docker.pods.freezer import Freezer
from spacecloud.drivers.docker.pods.observe import Container
from spacecloud.errors import Transient
from spacecloud.model.json import Json
from spacecloud.reasons.platform import EngineFailed

MOST_INSPECTIONS = 8
"""Of containers at once, in one look."""


async def inspect(engine: Engine, ids: Sequence[str]) -> list[Container]:
    """In the order of ``ids``; those that are gone by now are left out."""
    found: dict[str, Container] = {}
    inspections = asyncio.Semaphore(MOST_INSPECTIONS)

    async def one(id: str) -> None:
        async with inspections:
            item = await engine.find(f"containers/{id}/json")
        container = _readable(observe.inspected, item) if item is not None else None
        if container is not None:
            found[id] = _as_frozen(container)

    if len(ids) == 1:
        await one(ids[0])
    elif ids:
        failed: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                for id in ids:
                    tasks.create_task(one(id))
        except* (EngineError, Transient) as group:
            failed.extend(group.exceptions)
        # Not within `except*`: Python before 3.11.4 wraps what is raised there in a group.
        match failed:
            case [EngineError() as error, *_]:
                raise meaning("inspect a container", error) from error
            case [error, *_]:
                raise error
    return [found[id] for id in ids if id in found]


def listed(item: Json, owner: Ownership) -> Container | None:
    """As a listing shows it; None where it is not ours."""
    return _readable(observe.listed, item) if owner.has("replica", item) else None


def frozen(container: Container) -> Container:
    return replace(container, run=replace(container.run, frozen=container.run.state == "running"))


def _as_frozen(container: Container) -> Container:
    """The engine may take one that the kernel holds for one that runs."""
    run = container.run
    if not container.tag.task or run.state != "running" or run.frozen or not container.pid:
        return container
    is_frozen = Freezer(run.container, container.pid).state() == "frozen"
    return frozen(container) if is_frozen else container


def _readable(read: Callable[[Json], Container | None], item: Json) -> Container | None:
    """One of ours that the engine tells nothing sensible of is not one that is missing."""
    try:
        return read(dict(item))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        id = ownership.id_of(item)[:12]
        words = "it is in no known form"
        raise Transient(EngineFailed(f"read what is shown of container {id}", words)) from error
