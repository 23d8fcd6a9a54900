"""Between us and the Docker Engine: it refuses what it is told to refuse, and passes on the rest."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


@dataclass
class EngineProxy:
    address: str
    """To be given as the engine's."""

    close: Callable[[], Awaitable[None]]
    """The engine is gone: what it was asked ends, and nobody is there any more."""

    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By an expression for ``DELETE /v1.41/networks/x``: the status and the engine's words."""

    def refusal(self, request: str) -> tuple[int, str] | None:
        return next((r for sign, r in self.refusals.items() if re.fullmatch(sign, request)), None)


@asynccontextmanager
async def engine_proxy(engine: str, socket: Path) -> AsyncIterator[EngineProxy]:
    connector = aiohttp.UnixConnector(engine.removeprefix("unix://"), limit=0)
    endless = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=endless) as session:

        async def passed_on(request: web.Request) -> web.StreamResponse:
            refused = proxy.refusal(f"{request.method} {request.path}")
            if refused is not None:
                return web.json_response({"message": refused[1]}, status=refused[0])
            headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
            async with session.request(
                request.method,
                f"http://engine{request.raw_path}",
                data=await request.read(),
                headers=headers,
            ) as answer:
                kind = answer.headers.get("content-type", "application/json")
                response = web.StreamResponse(status=answer.status, headers={"content-type": kind})
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                return response

        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", passed_on)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        proxy = EngineProxy(f"unix://{socket}", runner.cleanup)
        await runner.setup()
        try:
            await web.UnixSite(runner, str(socket)).start()
            yield proxy
        finally:
            await runner.cleanup()
