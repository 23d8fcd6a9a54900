"""
A client that is still sending gets its answer.

Whoever is refused before all of the body was read (too large, no token, no such path) would see
a reset instead of the answer: the connection ends while data is on its way. So what is left of
the body is read and dropped first, as far as ``MOST_BYTES`` and ``MOST_SECONDS`` go, and for as
long as something comes.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 64 * 1024 * 1024
MOST_SECONDS = 60
SILENT_SECONDS = 5


class LingeringClose:
    """Holds nothing of what it drops."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, is_awaiting=_is_awaiting(scope))

        async def send_after_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drop()
            await send(message)

        await self._app(scope, body.receive, send_after_body)


class _Body:
    def __init__(self, receive: Receive, *, is_awaiting: bool) -> None:
        self._receive = receive
        self._is_awaiting = is_awaiting
        """The client sends nothing until it is told to: by the first receive."""

        self._has_ended = False

    async def receive(self) -> Message:
        self._is_awaiting = False
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._has_ended = True
        return message

    async def drop(self) -> None:
        dropped = 0
        try:
            async with asyncio.timeout(MOST_SECONDS):
                while not (self._has_ended or self._is_awaiting) and dropped < MOST_BYTES:
                    async with asyncio.timeout(SILENT_SECONDS):
                        message = await self.receive()
                    dropped += len(message.get("body", b""))
        except TimeoutError:
            return


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_awaiting(scope: Scope) -> bool:
    return Headers(scope=scope).get("expect", "").lower() == "100-continue"
