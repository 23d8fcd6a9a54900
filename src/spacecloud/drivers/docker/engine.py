"""
The Docker Engine's API, with its failures in our words.

Every call has a time limit: an engine that hangs is ``Transient``, not a hang of ours.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiodocker
import aiohttp

from spacecloud.errors import Terminal, Transient
from spacecloud.model.json import Json

CALL_SECONDS = 30.0
SLOW_CALL_SECONDS = 120.0
"""Creating, starting and removing wait for the kernel and the disk."""

NOT_MODIFIED, NOT_FOUND, CONFLICT = 304, 404, 409
PASSING = frozenset({403, NOT_FOUND, 408, CONFLICT, 429})
"""Of the refusals that blame the request, those that time may change; 403: it is in use."""

PIECE_BYTES = 65_536
MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Of one answer: a listing of ten thousand containers is smaller."""

MOST_OBJECT_BYTES = 1024 * 1024
"""Of one object in a stream: a line of a pull, an event."""

FREE_BYTES = 1024 * 1024
"""Of a command's output: what it prints beyond it is read slowly, so that it costs nobody else."""

SLOW_PIECE_SECONDS = 0.01
UNREACHABLE = 900
"""What the client library says where there was no answer."""


@asynccontextmanager
async def connect(url: str) -> AsyncGenerator[aiodocker.Docker]:
    """
    A client of the engine at this address.

    Without a limit on connections: each log that somebody follows holds one, and must not
    keep anybody from looking after the replicas.
    """
    scheme, _, path = url.partition("://")
    if scheme != "unix":
        async with aiodocker.Docker(url) as docker:
            yield docker
        return
    async with (
        aiohttp.UnixConnector(path, limit=0) as connector,
        aiodocker.Docker("unix://localhost", connector=connector) as docker,
    ):
        yield docker


class EngineError(Exception):
    """An answer that is not a success; what it means depends on the question."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Engine:
    """Paths are without the version. Raises ``Transient`` or ``EngineRefused``."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self.docker = docker

    async def get(self, path: str, **params: Any) -> Any:
        return await self._call("GET", path, params=_query(params))

    async def find(self, path: str, **params: Any) -> Any | None:
        """None where there is nothing of that name."""
        try:
            return await self.get(path, **params)
        except EngineError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def post(
        self, path: str, body: Json | None = None, *, ok: tuple[int, ...] = (), **params: Any
    ) -> Any:
        """``ok``: refusals that mean that it was so already."""
        return await self._forgiving("POST", path, ok, body=body, params=_query(params))

    async def delete(self, path: str, *, ok: tuple[int, ...] = (NOT_FOUND,), **params: Any) -> None:
        await self._forgiving("DELETE", path, ok, params=_query(params))

    async def put_archive(self, container: str, tar: bytes) -> None:
        await self._call(
            "PUT",
            f"containers/{container}/archive",
            params={"path": "/"},
            data=tar,
            headers={"content-type": "application/x-tar"},
        )

    async def run_exec(self, id: str) -> None:
        """Start a made exec and wait until its command has ended; its output is dropped."""
        await self._call(
            "POST", f"exec/{id}/start", body={"Detach": False, "Tty": False}, read=_drop
        )

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        silence_seconds: float | None = None,
        **params: Any,
    ) -> AsyncGenerator[AsyncIterator[Json]]:
        """
        JSON objects, one a line, for as long as the engine sends them.

        ``silence_seconds``: longer without a word is ``Transient``; None where silence is no news.
        """
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=CALL_SECONDS, sock_read=silence_seconds
        )
        try:
            async with AsyncExitStack() as opened:
                query = self.docker._query(
                    quoted(path),
                    method=method,
                    params=_query(params),
                    headers=headers,
                    timeout=limits,
                )
                async with asyncio.timeout(SLOW_CALL_SECONDS):
                    response = await opened.enter_async_context(query)
                yield _objects((await opened.enter_async_context(response)).content)
        except aiodocker.DockerError as error:
            raise _refused(error) from error
        except TimeoutError as error:
            raise Transient(f"the Docker Engine fell silent: {method} {path}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(f"the Docker Engine went away: {error}") from error

    async def _forgiving(self, method: str, path: str, ok: tuple[int, ...], **given: Any) -> Any:
        try:
            return await self._call(method, path, **given)
        except EngineError as error:
            if error.status in ok:
                return None
            raise

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        read: Callable[[aiohttp.StreamReader], Awaitable[bytes]] | None = None,
        **given: Any,
    ) -> Any:
        if body is not None:
            given["data"] = json.dumps(body)
            given["headers"] = {"content-type": "application/json"}
        seconds = CALL_SECONDS if method == "GET" else SLOW_CALL_SECONDS
        try:
            async with (
                asyncio.timeout(seconds),
                self.docker._query(quoted(path), method=method, **given) as response,
                response,
            ):
                text = await (read or _whole)(response.content)
        except aiodocker.DockerError as error:
            raise _refused(error) from error
        except TimeoutError as error:
            raise Transient(
                f"the Docker Engine did not answer {method} {path} in {seconds:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(f"the Docker Engine cannot be reached: {error}") from error
        return _parsed(text) if text.strip().startswith((b"{", b"[")) else None


def _refused(error: aiodocker.DockerError) -> EngineError | Transient:
    if error.status == UNREACHABLE:
        return Transient(f"the Docker Engine cannot be reached: {error.message}")
    return EngineError(error.status, error.message)


def quoted(path: str) -> str:
    """
    What stands between slashes as that and nothing else: no query, no escape, no way up.

    ``Terminal`` where it cannot be said: names come from documents, labels and images.
    """
    segments = path.split("/")
    if not {"", ".", ".."}.isdisjoint(segments):
        raise Terminal(f"{path!a} does not name anything of the Docker Engine")
    return "/".join(quote(segment, safe=":@") for segment in segments)


def meaning(action: str, error: EngineError) -> Terminal | Transient:
    """``Terminal`` where only another declaration helps: the request itself was at fault."""
    text = f"{action}: {plain(str(error))}"
    return Terminal(text) if is_final(error) else Transient(text)


def is_final(error: EngineError) -> bool:
    """The same request will be refused again."""
    return 400 <= error.status < 500 and error.status not in PASSING


def plain(message: str) -> str:
    """The engine's words without the layers of wrapping that say nothing."""
    last = message.split("container init caused: ")[-1].split("starting container process caused: ")
    return last[-1].removesuffix(": unknown").strip()


def _query(params: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for name, value in params.items():
        match value:
            case None:
                continue
            case bool():
                texts[name] = "1" if value else "0"
            case dict():
                texts[name] = json.dumps(value)
            case _:
                texts[name] = str(value)
    return texts


def _parsed(text: bytes) -> Any:
    """What repeats the words of a registry or of an image may be anything."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Transient("the Docker Engine answered something that is not JSON") from error


async def _objects(content: aiohttp.StreamReader) -> AsyncGenerator[Json]:
    """Those that are objects; a line without an end is ``Transient``."""
    buffer = bytearray()
    async for chunk in content.iter_any():
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            buffer += line
            if buffer.strip() and isinstance(found := _parsed(bytes(buffer)), dict):
                yield found
            buffer.clear()
        buffer += rest
        if len(buffer) > MOST_OBJECT_BYTES:
            raise Transient(f"the Docker Engine sent a line of over {MOST_OBJECT_BYTES} bytes")
    if buffer.strip() and isinstance(found := _parsed(bytes(buffer)), dict):
        yield found


async def _whole(content: aiohttp.StreamReader) -> bytes:
    text = bytearray()
    while piece := await content.read(PIECE_BYTES):
        text += piece
        if len(text) > MOST_ANSWER_BYTES:
            raise Transient("the Docker Engine's answer is too large")
    return bytes(text)


async def _drop(content: aiohttp.StreamReader) -> bytes:
    """Read to the end and keep nothing."""
    size = 0
    while piece := await content.read(PIECE_BYTES):
        size += len(piece)
        if size > FREE_BYTES:
            await asyncio.sleep(SLOW_PIECE_SECONDS)
    return b""
