"""The log as a stream, served as it is in production: by uvicorn, on a unix socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from api_client import Api, an_api

LOGS = "/v1/runner/shop/services/logs"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as opened:
        yield opened


@pytest.fixture
async def client(api: Api, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    socket = str(tmp_path / "api.sock")
    config = uvicorn.Config(api.app, uds=socket, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket),
            base_url="http://space-cloud",
            headers={"Authorization": f"Bearer {api.token}"},
            timeout=5,
        ) as client:
            yield client
        server.should_exit = True


async def test_a_log_is_plain_text_that_ends_with_a_newline(
    api: Api, client: httpx.AsyncClient
) -> None:
    api.backend.log_lines = {"r1": [b"one\n", b"two\nthr", b"ee"], "r2": [b"one\n"]}

    cut = await client.get(LOGS, params={"replicaId": "r1"})
    whole = await client.get(LOGS, params={"replicaId": "r2"})

    assert cut.text == "one\ntwo\nthree\n"
    assert whole.text == "one\n"
    assert cut.headers["content-type"] == "text/plain; charset=utf-8"
    assert cut.headers["x-content-type-options"] == "nosniff"
    assert cut.headers["transfer-encoding"] == "chunked"


async def test_an_empty_log_is_an_empty_answer(api: Api, client: httpx.AsyncClient) -> None:
    api.backend.log_lines = {"r1": []}

    answer = await client.get(LOGS, params={"replicaId": "r1"})

    assert (answer.status_code, answer.text) == (200, "")


async def test_an_unknown_replica_is_not_found_and_a_missing_one_is_said(
    client: httpx.AsyncClient,
) -> None:
    unknown = await client.get(LOGS, params={"replicaId": "nope"})
    missing = await client.get(LOGS)

    assert (unknown.status_code, missing.status_code) == (404, 400)
    assert "nope" in unknown.json()["error"]
    assert "replicaId" in missing.json()["error"]


async def test_what_breaks_a_log_in_the_middle_is_its_last_line(
    api: Api, client: httpx.AsyncClient
) -> None:
    api.backend.log_lines = {"r1": [b"one", b"<engine gone>"]}

    answer = await client.get(LOGS, params={"replicaId": "r1"})

    assert answer.text == "one\nthe log ended early: the engine closed the log\n"


@pytest.mark.parametrize("lines", [[b"one\n"], []])
async def test_a_followed_log_closes_when_the_client_leaves(
    api: Api, client: httpx.AsyncClient, lines: list[bytes]
) -> None:
    api.backend.log_lines = {"r1": lines}

    request = {"replicaId": "r1", "follow": "true"}
    async with client.stream("GET", LOGS, params=request) as answer:
        assert answer.status_code == 200
        if lines:
            assert await anext(answer.aiter_bytes()) == b"one\n"
        assert api.backend.open_logs == 1

    async with asyncio.timeout(30):
        while api.backend.open_logs:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"follow": False, "tail": None, "since": None, "task": ""}),
        ("follow&tail=5&taskId=main", {"follow": True, "tail": 5, "task": "main"}),
        ("follow=true&since=&since-time=&tail=&taskId=", {"follow": True, "tail": None}),
        ("follow=false&tail=-1", {"follow": False, "tail": None}),
    ],
)
async def test_the_query_is_read_as_the_originals_client_writes_it(
    api: Api, query: str, expected: dict[str, Any]
) -> None:
    api.backend.log_lines = {"r1": []}
    asking = asyncio.create_task(api.client.get(f"{LOGS}?replicaId=r1&{query}"))
    async with asyncio.timeout(30):
        while not api.backend.asked:
            await asyncio.sleep(0.01)
    asking.cancel()

    (asked,) = api.backend.asked
    assert {name: getattr(asked, name) for name in expected} == expected


@pytest.mark.parametrize("query", ["tail=x", "since=10", "since-time=now", "since=1h&since-time=x"])
async def test_a_wrong_query_is_a_400(api: Api, query: str) -> None:
    answer = await api.client.get(f"{LOGS}?replicaId=r1&{query}")

    assert answer.status_code == 400
