"""
HTTP/1.1 by hand, so that the tests see the bytes as they are.

| path               | answer                                                                |
|--------------------|-----------------------------------------------------------------------|
| ``/sleep?s=1``     | after that many seconds                                               |
| ``/stream?n=5&s=1``| n chunks, s seconds apart, each sent as soon as it is there           |
| ``/ws``            | WebSocket: each message comes back, after the app's name              |
| ``/env``           | the environment                                                       |
| ``/file?path=/p``  | the bytes of a file                                                   |
| ``/status?code=503``| that status                                                          |
| ``/bytes?n=1000``  | that many bytes                                                       |
| ``/health``        | 200, or 503 after ``/fail`` (which toggles it)                        |
| ``/crash?code=3``  | none: the process ends                                                |
| all else           | JSON: name, method, path, query, headers, peer, body                  |
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import websocket
from state import State


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    peer: str

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


async def serve(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    peer = "{}:{}".format(*writer.get_extra_info("peername")[:2])
    while not state.stopping.is_set():
        request = await _next(state, reader, peer)
        if request is None:
            return
        with state.at_work():
            if request.headers.get("upgrade", "").lower() == "websocket":
                await websocket.serve(state, request.headers, reader, writer)
                return
            await _answer(state, request, writer)
            await writer.drain()
        if request.headers.get("connection", "").lower() == "close":
            return


async def _next(state: State, reader: asyncio.StreamReader, peer: str) -> Request | None:
    """The next request of the connection; None when there is none, or the app ends."""
    reading = asyncio.ensure_future(_read(reader, peer))
    ending = asyncio.ensure_future(state.stopping.wait())
    try:
        done, _ = await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading in done else None
    finally:
        reading.cancel()
        ending.cancel()


async def _read(reader: asyncio.StreamReader, peer: str) -> Request | None:
    line = await reader.readline()
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return Request(method, target, headers, await _body(reader, headers), peer)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while (await reader.readline()).strip():
        pass
    return body


async def _answer(state: State, request: Request, writer: asyncio.StreamWriter) -> None:
    query = request.query
    match request.path:
        case "/stream":
            await _stream(state, query, writer)
        case "/crash":
            os._exit(int(query.get("code", "1")))
        case "/env":
            _send(writer, 200, dict(os.environ))
        case "/file":
            path = Path(query.get("path", ""))
            found = path.is_file()
            _send(writer, 200 if found else 404, path.read_bytes() if found else {"error": "none"})
        case "/status":
            _send(writer, int(query.get("code", "200")), {"name": state.name})
        case "/bytes":
            _send(writer, 200, b"x" * int(query.get("n", "0")))
        case "/health":
            _send(writer, 200 if state.healthy else 503, {"healthy": state.healthy})
        case "/fail":
            state.healthy = not state.healthy
            _send(writer, 200, {"healthy": state.healthy})
        case path:
            if path == "/sleep":
                await asyncio.sleep(float(query.get("s", "1")))
            _send(writer, 200, _seen(state, request))


def _seen(state: State, request: Request) -> dict[str, object]:
    return {
        "name": state.name,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": dict(request.headers),
        "peer": request.peer,
        "body": request.body.decode("utf-8", "replace"),
        "served": state.served,
    }


def _send(writer: asyncio.StreamWriter, status: int, content: bytes | dict[str, object]) -> None:
    kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _stream(state: State, query: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 -\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for number in range(int(query.get("n", "5"))):
        line = f"{state.name} {number}\n".encode()
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        await writer.drain()
        await asyncio.sleep(float(query.get("s", "0.2")))
    writer.write(b"0\r\n\r\n")
