"""An engine that takes a question and says nothing more: nobody waits for it for ever."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spacecloud.drivers.docker import engine, logs
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.images import pulls
from spacecloud.errors import Terminal, Transient

VERSION = b'{"ApiVersion": "1.41"}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
WHOLE = HEAD + b"content-length: %d\r\n\r\n%s" % (len(VERSION), VERSION)
ONE_WORD = HEAD + b'transfer-encoding: chunked\r\n\r\n11\r\n{"status": "pul"}\r\n'


class Silent:
    """Says its version, and to all else the beginning of an answer."""

    def __init__(self) -> None:
        self.beginning = b""
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                if b"/version" in line:
                    writer.write(WHOLE)
                else:
                    self.asked += 1
                    writer.write(self.beginning)
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
def silent() -> Silent:
    return Silent()


@pytest.fixture
async def docker(
    silent: Silent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    monkeypatch.setattr(engine, "SLOW_CALL_SECONDS", 0.2)
    monkeypatch.setattr(logs, "CALL_SECONDS", 0.2)
    monkeypatch.setattr(pulls, "SILENCE_SECONDS", 0.2)
    server = await asyncio.start_unix_server(silent.serve, tmp_path / "docker.sock")
    async with server, connect(f"unix://{tmp_path}/docker.sock") as docker:
        yield docker


@pytest.mark.parametrize("beginning", [b"", ONE_WORD], ids=["no answer", "no end"])
async def test_a_pull_that_the_engine_forgets_is_tried_again_and_then_given_up(
    docker: Engine, silent: Silent, beginning: bytes
) -> None:
    silent.beginning = beginning

    with pytest.raises(Terminal, match="fell silent"):
        await asyncio.wait_for(pulls.Pulls(docker).pull("echo:1", None), 20)

    assert silent.asked == pulls.TRIES


async def test_a_log_that_the_engine_does_not_give_keeps_nobody(
    docker: Engine,
) -> None:
    with pytest.raises(Transient, match="read the log of 0123456789ab: no answer"):
        await asyncio.wait_for(logs.last_lines(docker, "0123456789ab", 3), 5)
