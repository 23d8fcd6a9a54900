"""The API on a loopback port, served from a thread of its own: for clients that block."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvicorn

from api_client import Api, an_api

Result = TypeVar("Result")
START_SECONDS = 20


@dataclass
class ApiServer:
    url: str
    api: Api
    _loop: asyncio.AbstractEventLoop

    @property
    def password(self) -> str:
        return self.api.password

    def do(self, action: Callable[[Api], Awaitable[Result]]) -> Result:
        """Run in the server's own loop, where its store lives."""

        async def done() -> Result:
            return await action(self.api)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(START_SECONDS)


@contextmanager
def an_api_server(folder: Path) -> Generator[ApiServer]:
    ready = threading.Event()
    running: list[tuple[ApiServer, uvicorn.Server]] = []

    async def serve() -> None:
        async with an_api(folder) as api:
            config = uvicorn.Config(
                api.app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none"
            )
            server = uvicorn.Server(config)
            serving = asyncio.ensure_future(server.serve())
            while not server.started and not serving.done():
                await asyncio.sleep(0.005)
            port = server.servers[0].sockets[0].getsockname()[1]
            found = ApiServer(f"http://127.0.0.1:{port}", api, asyncio.get_running_loop())
            running.append((found, server))
            ready.set()
            await serving

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="api-server", daemon=True)
    thread.start()
    assert ready.wait(START_SECONDS), "the API did not start"
    served, server = running[0]
    try:
        yield served
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(START_SECONDS)
