"""An engine that repeats what a registry or an image said: anything, without an end, or no JSON."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from spacecloud.drivers.docker.engine import MOST_OBJECT_BYTES, Engine, connect
from spacecloud.errors import Transient

pytestmark = pytest.mark.attack

DEEP = b"[" * 100_000


@asynccontextmanager
async def an_engine(folder: Path, *pieces: bytes) -> AsyncIterator[Engine]:
    """Answers every question with these bytes, piece by piece."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        return response

    async def version(request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.41"})

    app = web.Application()
    app.router.add_get("/version", version)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(folder / "engine.sock")).start()
        async with connect(f"unix://{folder / 'engine.sock'}") as engine:
            yield engine
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("answer", [b"{", DEEP, b"[1,", b'{"a": \xff}'])
async def test_an_answer_that_is_no_json_is_passing(tmp_path: Path, answer: bytes) -> None:
    async with an_engine(tmp_path, answer) as engine:
        with pytest.raises(Transient, match="not JSON"):
            await engine.get("containers/json")


async def test_of_a_stream_only_objects_are_told(tmp_path: Path) -> None:
    async with (
        an_engine(tmp_path, b'5\n"x"\n[1]\n\nnull\n{"a"', b': 1}\n{"b": 2}') as engine,
        engine.stream("GET", "events") as messages,
    ):
        assert [message async for message in messages] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("line", [b"{\n", DEEP + b"\n", b"not json"])
async def test_a_line_of_a_stream_that_is_no_json_is_passing(tmp_path: Path, line: bytes) -> None:
    async with an_engine(tmp_path, line) as engine:
        with pytest.raises(Transient, match="not JSON"):
            async with engine.stream("GET", "events") as messages:
                async for _ in messages:
                    pass


async def test_a_line_without_an_end_is_not_held_whole(tmp_path: Path) -> None:
    pieces = [b"x" * 2**20] * (MOST_OBJECT_BYTES // 2**20 + 8)
    async with an_engine(tmp_path, *pieces) as engine:
        with pytest.raises(Transient, match="a line is longer"):
            async with engine.stream("GET", "events") as messages:
                async for _ in messages:
                    pass
