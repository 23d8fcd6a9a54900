"""
A log as an answer: lines as they come, for as long as the client listens.

The status is not sent before the first line or a short wait, so that an unknown replica is a
404 and a quiet log is an open stream and not a silence.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from spacecloud.errors import SpaceCloudError

WAIT_FOR_FIRST_LINE_SECONDS = 0.5
HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"x-content-type-options", b"nosniff"),
]


Item = bytes | SpaceCloudError | None
"""A piece of log, why there will be no more, or its end."""


class _ClientLeft(Exception):
    """Ends the task group when nobody listens any more."""


class LogStream(Response):
    """Ends with a newline, whatever the source ends with."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self.background = None
        self.status_code = 200
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        items: asyncio.Queue[Item] = asyncio.Queue(maxsize=16)
        refused: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(_read(self._lines, items), name="log-read")
                leaving = group.create_task(_until_client_leaves(receive), name="log-leave")
                await _send(send, items)
                reading.cancel()
                leaving.cancel()
        except* _ClientLeft:
            pass
        except* SpaceCloudError as errors:
            refused.extend(errors.exceptions)
        # Not within `except*`: Python before 3.11.4 wraps what is raised there in a group.
        if refused:
            raise refused[0] from None


async def _read(lines: AsyncIterator[bytes], items: asyncio.Queue[Item]) -> None:
    try:
        async for chunk in lines:
            await items.put(chunk)
        await items.put(None)
    except SpaceCloudError as error:
        await items.put(error)
    finally:
        if isinstance(lines, AsyncGenerator):
            await lines.aclose()


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _ClientLeft


async def _send(send: Send, items: asyncio.Queue[Item]) -> None:
    item: Item = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT_FOR_FIRST_LINE_SECONDS):
            item = await items.get()
    if isinstance(item, SpaceCloudError):
        raise item
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    last = b"\n"
    while isinstance(item, bytes):
        if item:
            await send({"type": "http.response.body", "body": item, "more_body": True})
            last = item[-1:]
        item = await items.get()
    # The status is gone, so an error can only be said as a line.
    end = b"" if last == b"\n" else b"\n"
    end += f"the log ended early: {item}\n".encode() if item is not None else b""
    await send({"type": "http.response.body", "body": end, "more_body": False})
