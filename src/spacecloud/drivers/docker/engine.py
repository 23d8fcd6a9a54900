"""
The Docker Engine's API, with its failures in our words.

Every call has a time limit: an engine that hangs is ``Transient``, not a hang of ours. What an
answer that is no success means is told by ``engine_errors``.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp

from spacecloud.drivers.docker.engine_errors import NOT_FOUND, EngineError, error_in_stream, meaning
from spacecloud.errors import Terminal, Transient
from spacecloud.model.json import Json
from spacecloud.reasons.platform import EngineFailed, EngineRefused, EngineUnavailable


class StreamReader(Protocol):
    """The bytes of an answer."""

    async def read(self, n: int = -1) -> bytes:
        """At most so many, as soon as there are some; none at the end."""
        ...

    def iter_any(self) -> AsyncIterator[bytes]:
        """As they come."""
        ...


CALL_SECONDS = 30.0
SLOW_CALL_SECONDS = 120.0
"""Creating, starting and removing wait for the kernel and the disk."""

PIECE_BYTES = 65_536
MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Of one answer: a listing of ten thousand containers is smaller."""

MOST_OBJECT_BYTES = 1024 * 1024
"""Of one object in a stream: a line of a pull, an event. Of a refusal, too."""

FREE_BYTES = 1024 * 1024
"""Of a command's output: what it prints beyond it is read slowly, so that it costs nobody else."""

SLOW_PIECE_SECONDS = 0.01
REFUSED = 400
ENDLESS = aiohttp.ClientTimeout()
"""No limit of the client's own: the callers here have theirs."""

API_VERSION = re.compile(r"\d+\.\d+")
JSON_TYPE, TAR_TYPE = "application/json", "application/x-tar"


class Silent(Transient):
    """The engine has taken a request, and says nothing more."""


@asynccontextmanager
async def connect(url: str, *middlewares: aiohttp.ClientMiddlewareType) -> AsyncGenerator["Engine"]:
    """
    The engine at this address: ``unix:///path``, or ``tcp://host:port`` without TLS.

    Without a limit on connections: each log that somebody follows holds one, and must not
    keep anybody from looking after the replicas. ``middlewares`` see every call.

    Each call has a connection of its own: an engine that ends takes no new one, but goes on to
    answer on those that are open. What is started so has a task that the next engine does not know
    of, and can neither be started nor removed.
    """
    scheme, _, rest = url.partition("://")
    connector: aiohttp.BaseConnector
    match scheme:
        case "unix":
            connector, base = (
                aiohttp.UnixConnector(rest, limit=0, force_close=True),
                "http://docker",
            )
        case "tcp" | "http" | "https":
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            base = f"{scheme.replace('tcp', 'http')}://{rest.rstrip('/')}"
        case _:
            advice = "write unix:///path or tcp://host:port"
            raise Terminal(
                EngineRefused(f"connect to {url}", "it is no address of a Docker Engine", advice)
            )
    async with aiohttp.ClientSession(
        connector=connector, timeout=ENDLESS, middlewares=middlewares
    ) as session:
        yield Engine(session, base, url)


class Engine:
    """Paths are without the version. Raises ``Transient`` or ``EngineError``."""

    def __init__(self, session: aiohttp.ClientSession, base: str, address: str) -> None:
        """``base``: what paths follow; ``address``: as it is told to a person."""
        self._session = session
        self._base = base
        self._address = address
        self._version = ""

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
            headers={"content-type": TAR_TYPE},
        )

    async def load_image(self, tar: AsyncIterator[bytes]) -> None:
        """Of an archive as ``docker save`` writes it. The limit in time is the caller's."""
        try:
            response = await self._request(
                "POST", "images/load", data=tar, headers={"content-type": TAR_TYPE}
            )
            async with response:
                async for message in _objects(response.content):
                    if "error" in message:
                        raise meaning("load an image", error_in_stream(message))
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(EngineUnavailable(f"the Docker Engine went away: {error}")) from error

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

        ``silence_seconds``: longer without a word is ``Silent``; None where silence is no news.
        """
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=CALL_SECONDS, sock_read=silence_seconds
        )
        try:
            async with asyncio.timeout(SLOW_CALL_SECONDS):
                response = await self._request(
                    method, path, params=_query(params), headers=headers, limits=limits
                )
            async with response:
                yield _objects(response.content)
        except TimeoutError as error:
            silent = EngineUnavailable(f"the Docker Engine fell silent: {method} {path}")
            raise Silent(silent) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(EngineUnavailable(f"the Docker Engine went away: {error}")) from error

    @asynccontextmanager
    async def content(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Json | None = None,
    ) -> AsyncGenerator[StreamReader]:
        """The bytes of an answer as they come; the limit in time is the caller's."""
        data = None if body is None else json.dumps(body)
        try:
            async with await self._request(
                method, path, params=_query(params or {}), data=data
            ) as response:
                yield response.content
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(EngineUnavailable(f"the Docker Engine went away: {error}")) from error

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
        read: Callable[[StreamReader], Awaitable[bytes]] | None = None,
        **given: Any,
    ) -> Any:
        if body is not None:
            given["data"] = json.dumps(body)
        seconds = CALL_SECONDS if method == "GET" else SLOW_CALL_SECONDS
        try:
            async with (
                asyncio.timeout(seconds),
                await self._request(method, path, **given) as response,
            ):
                text = await (read or _whole)(response.content)
        except TimeoutError as error:
            sentence = f"the Docker Engine did not answer {method} {path} in {seconds:g} s"
            raise Transient(EngineUnavailable(sentence)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(
                EngineUnavailable(f"the Docker Engine cannot be reached: {error}")
            ) from error
        return _parsed(text) if text.strip().startswith((b"{", b"[")) else None

    async def _request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        limits: aiohttp.ClientTimeout = ENDLESS,
        **given: Any,
    ) -> aiohttp.ClientResponse:
        """An answer that is a success, whose content has still to be read; ``EngineError``."""
        prefix = await self._prefix() if path != "version" else ""
        try:
            response = await self._session.request(
                method,
                f"{self._base}/{prefix}{quoted(path)}",
                headers={"content-type": JSON_TYPE, **(headers or {})},
                timeout=limits,
                **given,
            )
        except aiohttp.ClientConnectorError as error:
            why = error.os_error.strerror or error
            sentence = f"the Docker Engine cannot be reached at {self._address}: {why}"
            raise Transient(EngineUnavailable(sentence)) from error
        if response.status < REFUSED:
            return response
        async with response:
            text = await _whole(response.content, MOST_OBJECT_BYTES)
        raise EngineError(response.status, _message(text))

    async def _prefix(self) -> str:
        """The newest API that the engine has, asked for once."""
        if not self._version:
            async with await self._request("GET", "version") as response:
                found = _parsed(await _whole(response.content))
            api = found.get("ApiVersion") if isinstance(found, dict) else None
            if not API_VERSION.fullmatch(str(api)):
                words = f"it tells no version of its API: {api!a:.50}"
                raise Transient(EngineFailed("ask the Docker Engine for its version", words))
            self._version = f"v{api}/"
        return self._version


def _message(refusal: bytes) -> str:
    """Engines say it as JSON, and what stands before one as plain text."""
    try:
        return str(json.loads(refusal)["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return refusal.decode("utf-8", "replace").strip()


def quoted(path: str) -> str:
    """
    What stands between slashes as that and nothing else: no query, no escape, no way up.

    ``Terminal`` where it cannot be said: names come from documents, labels and images.
    """
    segments = path.split("/")
    if not {"", ".", ".."}.isdisjoint(segments):
        words = "it does not name anything of the Docker Engine"
        raise Terminal(EngineRefused(ascii(path)[:200], words))
    return "/".join(quote(segment, safe=":@") for segment in segments)


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
        raise Transient(_garbled("it is not JSON")) from error


def _garbled(words: str) -> EngineFailed:
    return EngineFailed("read the Docker Engine's answer", words)


async def _objects(content: StreamReader) -> AsyncGenerator[Json]:
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
            raise Transient(_garbled(f"a line is longer than {MOST_OBJECT_BYTES} bytes"))
    if buffer.strip() and isinstance(found := _parsed(bytes(buffer)), dict):
        yield found


async def _whole(content: StreamReader, most_bytes: int = MOST_ANSWER_BYTES) -> bytes:
    text = bytearray()
    while piece := await content.read(PIECE_BYTES):
        text += piece
        if len(text) > most_bytes:
            raise Transient(_garbled(f"it is larger than {most_bytes} bytes"))
    return bytes(text)


async def _drop(content: StreamReader) -> bytes:
    """Read to the end and keep nothing."""
    size = 0
    while piece := await content.read(PIECE_BYTES):
        size += len(piece)
        if size > FREE_BYTES:
            await asyncio.sleep(SLOW_PIECE_SECONDS)
    return b""
