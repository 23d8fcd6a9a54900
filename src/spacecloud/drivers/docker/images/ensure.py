"""
See to it that an image made from local files is in the engine.

An image whose recipe has not changed is not built again: asking costs a few milliseconds.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import aiodocker

from spacecloud.drivers.docker.images.archive import archive
from spacecloud.drivers.docker.images.own import Name, recipe
from spacecloud.drivers.docker.images.recipe import Recipe
from spacecloud.errors import Transient

logger = logging.getLogger(__name__)

_BUILD_TIMEOUT_SECONDS = 120
_NOT_FOUND = 404


async def ensure(docker: aiodocker.Docker, name: Name) -> str:
    """
    The id of the platform's own image, built first if it is not there.

    ``Terminal`` where this machine lacks a program for it, ``Transient`` where the engine fails.
    """
    return await ensure_recipe(docker, await asyncio.to_thread(recipe, name))


async def ensure_recipe(docker: aiodocker.Docker, wanted: Recipe) -> str:
    """The id of the image, which afterwards is known to the engine as ``wanted.reference()``."""
    reference = await asyncio.to_thread(wanted.reference)
    try:
        async with asyncio.timeout(_BUILD_TIMEOUT_SECONDS):
            if (found := await _id_of(docker, reference)) is not None:
                return found
            logger.info("building %s", reference)
            await docker.images.import_image(_pieces(wanted, reference))
            found = await _id_of(docker, reference)
    except TimeoutError as error:
        raise Transient(f"build {reference}: not done after {_BUILD_TIMEOUT_SECONDS} s") from error
    except aiodocker.DockerError as error:
        raise Transient(f"build {reference}: {error.message}") from error
    except OSError as error:
        raise Transient(f"build {reference}: {error}") from error
    if found is None:
        raise Transient(f"build {reference}: the engine took it but does not list it")
    return found


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
