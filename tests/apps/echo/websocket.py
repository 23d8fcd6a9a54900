"""WebSocket (RFC 6455) as far as an echo needs it: no extensions, no fragments."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping

from state import State

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


async def serve(
    state: State,
    headers: Mapping[str, str],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    key = headers.get("sec-websocket-key", "")
    accept = base64.b64encode(hashlib.sha1((key + _MAGIC).encode()).digest()).decode()
    writer.write(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-accept: {accept}\r\n\r\n".encode()
    )
    while True:
        kind, payload = await receive(reader)
        match kind:
            case _ if kind == CLOSE:
                writer.write(frame(CLOSE, payload[:2]))
                await writer.drain()
                return
            case _ if kind == PING:
                writer.write(frame(PONG, payload))
            case _ if kind in (TEXT, BINARY):
                writer.write(frame(kind, f"{state.name} ".encode() + payload))
        await writer.drain()


async def receive(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2))
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8))
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    payload = await reader.readexactly(size)
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def frame(kind: int, payload: bytes, mask: bytes = b"") -> bytes:
    """``mask`` of four bytes on what a client sends, empty on what a server sends."""
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | kind, flag | size))
    elif size < 65536:
        head = bytes((0x80 | kind, flag | 126)) + size.to_bytes(2)
    else:
        head = bytes((0x80 | kind, flag | 127)) + size.to_bytes(8)
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload
    return head + mask + body
