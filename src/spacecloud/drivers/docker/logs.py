"""What containers print, as whole lines."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime

from spacecloud.drivers.docker.engine import CALL_SECONDS, PIECE_BYTES, Engine, StreamReader
from spacecloud.drivers.docker.engine_errors import NOT_FOUND, EngineError
from spacecloud.errors import NotFound, Transient
from spacecloud.model.lines import LineCutter

HEADER_BYTES = 8
"""Of a frame: the stream's number, three zeros, the length."""


async def last_lines(engine: Engine, container: str, count: int) -> list[str]:
    """What it said at the end, for a message; ``Transient`` when the engine does not tell."""
    log = lines(engine, container, follow=False, tail=count, since=None)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return [line.decode("utf-8", "replace").strip() async for line in log]
    except TimeoutError as error:
        raise Transient(f"the Docker Engine does not give the log of {container[:12]}") from error


async def lines(
    engine: Engine,
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
    path = f"containers/{container}/logs"
    options = {
        "stdout": True,
        "stderr": True,
        "follow": follow,
        "tail": "all" if tail is None else tail,
        "since": "0" if since is None else f"{since.timestamp():.9f}",
    }
    cutters: defaultdict[int, LineCutter] = defaultdict(LineCutter)
    try:
        async with engine.content("GET", path, params=options) as content:
            async for stream, piece in frames(content):
                for line in cutters[stream].feed(piece):
                    yield line
    except EngineError as error:
        if error.status == NOT_FOUND:
            raise NotFound(f"there is no container {container[:12]} any more") from error
        raise Transient(f"logs of {container[:12]}: {error}") from error
    for cutter in cutters.values():
        for line in cutter.rest():
            yield line


async def frames(content: StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """
    What a container without a terminal prints: the number of the stream, and a piece of it.

    Our tasks have none, so both streams come in one, each frame with its length. A frame comes
    in pieces: its length is what the engine says it is.
    """
    while header := await _exactly(content, HEADER_BYTES):
        left = int.from_bytes(header[4:], "big")
        while left and (piece := await content.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield header[0], piece


async def _exactly(content: StreamReader, size: int) -> bytes:
    """Fewer bytes only where the log ends."""
    data = b""
    while len(data) < size:
        more = await content.read(size - len(data))
        if not more:
            break
        data += more
    return data
