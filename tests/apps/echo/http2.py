"""
HTTP/2 without TLS, by prior knowledge: just enough to answer every request with one line.

Headers are not decoded: whatever is asked, the answer is ``NAME over h2``. That is all a test
needs to know that HTTP/2 came through as HTTP/2.
"""

import asyncio

from state import State

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY = 0, 1, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_STATUS_200 = b"\x88"
_TEXT_PLAIN = b"\x0f\x10\x0atext/plain"
"""A literal without indexing of static name 31, ``content-type``."""


async def serve(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if await reader.readexactly(len(_PREFACE)) != _PREFACE:
        return
    writer.write(_frame(_SETTINGS, 0, 0, b""))
    while True:
        size, kind, flags, stream = _head(await reader.readexactly(9))
        payload = await reader.readexactly(size)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY:
            return
        elif kind in (_HEADERS, _DATA) and flags & _END_STREAM:
            with state.at_work():
                writer.write(_answer(state, stream))
        await writer.drain()


def _answer(state: State, stream: int) -> bytes:
    body = f"{state.name} over h2\n".encode()
    headers = _frame(_HEADERS, _END_HEADERS, stream, _STATUS_200 + _TEXT_PLAIN)
    return headers + _frame(_DATA, _END_STREAM, stream, body)


def _head(head: bytes) -> tuple[int, int, int, int]:
    return int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:]) & 0x7FFFFFFF


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload
