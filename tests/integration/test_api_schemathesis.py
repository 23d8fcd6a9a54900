"""Requests made up from the OpenAPI document, right and wrong ones: none of them is a 500."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api_client import an_api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@dataclass
class Served:
    url: str
    token: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """By a thread of its own, for the requests come from code that knows no event loop."""
    found: list[Served] = []
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve(folder: Path) -> None:
        async with an_api(folder) as api:
            config = uvicorn.Config(api.app, port=0, lifespan="off", log_level="critical")
            server = uvicorn.Server(config)
            servers.append(server)
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(server.serve())
                while not server.started and not serving.done():
                    await asyncio.sleep(0.01)
                port = server.servers[0].sockets[0].getsockname()[1]
                found.append(Served(f"http://127.0.0.1:{port}", api.token))
                ready.set()

    folder = tmp_path_factory.mktemp("api")
    thread = threading.Thread(target=lambda: asyncio.run(serve(folder)), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield found[0]
    servers[0].should_exit = True
    thread.join(10)


def test_no_request_is_a_500(served: Served) -> None:
    """One Hypothesis run per operation; the library's own fixture does not know this pytest."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    headers = {"Authorization": f"Bearer {served.token}"}
    operations = list(schema.get_all_operations())

    for found in operations:
        assert isinstance(found, Ok), found

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=found.ok().as_strategy())
        def answers_as_described(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=10)

        answers_as_described()

    assert len(operations) > 20
