"""An engine that ends answers on the connections that it has, and takes no new one."""

import asyncio
from pathlib import Path

import pytest

from spacecloud.drivers.docker.engine import connect
from spacecloud.errors import Transient

BODY = b'{"ApiVersion": "1.41"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


async def test_nothing_is_asked_of_an_engine_that_ends(tmp_path: Path) -> None:
    """What it starts then has a task that the next one does not know of."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked.append(line)
            while (await reader.readline()).strip():
                pass
            writer.write(ANSWER)
        writer.close()
        await writer.wait_closed()
        answered.release()

    answered = asyncio.Semaphore(0)
    server = await asyncio.start_unix_server(answer, tmp_path / "docker.sock")
    async with connect(f"unix://{tmp_path}/docker.sock") as engine:
        await engine.get("info")
        before = len(asked)

        server.close()

        with pytest.raises(Transient, match="cannot be reached"):
            await engine.post("containers/a/start")
        async with asyncio.timeout(10):
            for _ in range(before):
                await answered.acquire()
    assert len(asked) == before
