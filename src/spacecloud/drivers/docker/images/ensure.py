"""
See to it that an image made from local files is in the engine.

An image whose recipe has not changed is not built again: asking costs a few milliseconds.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Generator

import aiodocker
import aiohttp

from spacecloud.drivers.docker.images.archive import archive
from spacecloud.drivers.docker.images.platform_images import Name, recipe
from spacecloud.drivers.docker.images.recipe import Recipe
from spacecloud.errors import Transient

logger = logging.getLogger(__name__)

BUILD_TIMEOUT_SECONDS = 120
_NOT_FOUND = 404


async def ensure(docker: aiodocker.Docker, name: Name) -> str:
    """
    The id of the platform's own image, built first if it is not there.

    ``Terminal`` where this machine lacks a program for it, ``Transient`` where the engine fails.
    """
    with _failing(f"space-cloud/{name}"):
        wanted = await asyncio.to_thread(recipe, name)
    return await ensure_recipe(docker, wanted)


async def ensure_recipe(docker: aiodocker.Docker, wanted: Recipe) -> str:
    """The id of the image, which afterwards is known to the engine as ``wanted.reference()``."""
    with _failing(wanted.repository):
        reference = await asyncio.to_thread(wanted.reference)
        async with asyncio.timeout(BUILD_TIMEOUT_SECONDS):
            if (found := await _id_of(docker, reference)) is not None:
                return found
            logger.info("building %s", reference)
            await docker.images.import_image(_pieces(wanted, reference))
            found = await _id_of(docker, reference)
    if found is None:
        raise Transient(f"build {reference}: the engine took it but does not list it")
    return found


@contextlib.contextmanager
def _failing(name: str) -> Generator[None, None, None]:
    """A file that an upgrade replaces just now, or an engine that restarts: worth another try."""
    try:
        yield
    except TimeoutError as error:
        raise Transient(f"build {name}: not done after {BUILD_TIMEOUT_SECONDS} s") from error
    except aiodocker.DockerError as error:
        raise Transient(f"build {name}: {error.message}") from error
    except (OSError, aiohttp.ClientError) as error:
        raise Transient(f"build {name}: {error}") from error


async def _id_of(docker: aiodocker.Docker, reference: str) -> str | None:
    try:
        return str((await docker.images.inspect(reference))["Id"])
    except aiodocker.DockerError as error:
        if error.status == _NOT_FOUND:
            return None
        raise


async def _pieces(wanted: Recipe, reference: str) -> AsyncIterator[bytes]:
    """The archive, made in a thread piece by piece."""
    with contextlib.closing(archive(wanted, reference)) as pieces:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
