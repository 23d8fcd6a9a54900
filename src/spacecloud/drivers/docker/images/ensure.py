"""
See to it that an image made from local files is in the engine.

An image whose recipe has not changed is not built again: asking costs a few milliseconds.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Generator

from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.images.archive import archive
from spacecloud.drivers.docker.images.platform_images import Name, recipe
from spacecloud.drivers.docker.images.recipe import Recipe
from spacecloud.errors import Transient

logger = logging.getLogger(__name__)

BUILD_TIMEOUT_SECONDS = 120


async def ensure(engine: Engine, name: Name) -> str:
    """
    The id of the platform's own image, built first if it is not there.

    ``Terminal`` where this machine lacks a program for it, ``Transient`` where the engine fails.
    """
    with _failing(f"space-cloud/{name}"):
        wanted = await asyncio.to_thread(recipe, name)
    return await ensure_recipe(engine, wanted)


async def ensure_recipe(engine: Engine, wanted: Recipe) -> str:
    """The id of the image, which afterwards is known to the engine as ``wanted.reference()``."""
    with _failing(wanted.repository):
        reference = await asyncio.to_thread(wanted.reference)
        async with asyncio.timeout(BUILD_TIMEOUT_SECONDS):
            if (id := await _id_of(engine, reference)) is not None:
                return id
            logger.info("building %s", reference)
            await engine.load_image(_pieces(wanted, reference))
            id = await _id_of(engine, reference)
    if id is None:
        raise Transient(f"build {reference}: the engine took it but does not list it")
    return id


@contextlib.contextmanager
def _failing(name: str) -> Generator[None, None, None]:
    """A file that an upgrade replaces just now, or an engine that restarts: worth another try."""
    try:
        yield
    except TimeoutError as error:
        raise Transient(f"build {name}: not done after {BUILD_TIMEOUT_SECONDS} s") from error
    except (EngineError, Transient, OSError) as error:
        raise Transient(f"build {name}: {error}") from error


async def _id_of(engine: Engine, reference: str) -> str | None:
    image = await engine.find(f"images/{reference}/json")
    return None if image is None else str(image["Id"])


async def _pieces(wanted: Recipe, reference: str) -> AsyncIterator[bytes]:
    """The archive, made in a thread piece by piece."""
    with contextlib.closing(archive(wanted, reference)) as pieces:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
