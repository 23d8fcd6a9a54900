"""Raw TCP: one port where the server speaks first, one where it waits for the client."""

import asyncio

from state import State

_CHUNK = 65536


async def banner(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"banner {state.name}\n".encode())
    await _echo(state, reader, writer, b"")


async def echo(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _echo(state, reader, writer, f"{state.name} ".encode())


async def _echo(
    state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prefix: bytes
) -> None:
    await writer.drain()
    while data := await _read(state, reader):
        writer.write(prefix + data)
        await writer.drain()


async def _read(state: State, reader: asyncio.StreamReader) -> bytes:
    """What the client sends next; empty when it or the app ends."""
    reading = asyncio.ensure_future(reader.read(_CHUNK))
    ending = asyncio.ensure_future(state.stopping.wait())
    try:
        done, _ = await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading in done else b""
    finally:
        reading.cancel()
        ending.cancel()
