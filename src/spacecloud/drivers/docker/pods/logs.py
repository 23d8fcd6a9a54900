"""What tasks print, as whole lines."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Any

import aiodocker
import aiohttp

from spacecloud.drivers.docker.engine import CALL_SECONDS, NOT_FOUND, PIECE_BYTES, quoted
from spacecloud.errors import NotFound, Transient
from spacecloud.model.lines import LineCutter

HEADER_BYTES = 8
"""Of a frame: the stream's number, three zeros, the length."""


async def last_lines(docker: aiodocker.Docker, container: str, count: int) -> list[str]:
    """What it said at the end, for a message; ``Transient`` when the engine does not tell."""
    said = lines(docker, container, follow=False, tail=count, since=None)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return [line.decode("utf-8", "replace").strip() async for line in said]
    except TimeoutError as error:
        raise Transient(f"the Docker Engine does not give the log of {container[:12]}") from error


async def lines(
    docker: aiodocker.Docker,
    container: str,
    *,
    follow: bool,
    tail: int | None,
    since: datetime | None,
) -> AsyncGenerator[bytes]:
    """
    Each ends in a newline; a last one that is not finished yet comes when it is.

    One that is longer than ``LONGEST_LINE`` is cut there, with a mark.
    """
    options = {
        "stdout": "1",
        "stderr": "1",
        "follow": "1" if follow else "0",
        "tail": "all" if tail is None else str(tail),
        "since": "0" if since is None else f"{since.timestamp():.9f}",
    }
    cutters: defaultdict[int, LineCutter] = defaultdict(LineCutter)
    try:
        async for stream, piece in _frames(docker, container, options):
            for line in cutters[stream].feed(piece):
                yield line
    except aiodocker.DockerError as error:
        if error.status == NOT_FOUND:
            raise NotFound(f"there is no container {container[:12]} any more") from error
        raise Transient(f"logs of {container[:12]}: {error.message}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Transient(f"logs of {container[:12]}: {error}") from error
    for cutter in cutters.values():
        for line in cutter.rest():
            yield line


async def _frames(
    docker: aiodocker.Docker, container: str, options: dict[str, str]
) -> AsyncIterator[tuple[int, bytes]]:
    """
    Our tasks have no terminal, so both streams come in one, each frame with its length.

    A frame comes in pieces: its length is what the engine says it is.
    """
    never: Any = aiohttp.ClientTimeout(total=None)
    path = quoted(f"containers/{container}/logs")
    async with docker._query(path, params=options, timeout=never) as response, response:
        while header := await _exactly(response.content, HEADER_BYTES):
            left = int.from_bytes(header[4:], "big")
            while left and (piece := await response.content.read(min(left, PIECE_BYTES))):
                left -= len(piece)
                yield header[0], piece


async def _exactly(content: aiohttp.StreamReader, size: int) -> bytes:
    """Fewer bytes only where the log ends."""
    data = b""
    while len(data) < size:
        more = await content.read(size - len(data))
        if not more:
            break
        data += more
    return data
