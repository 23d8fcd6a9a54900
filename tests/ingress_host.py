"""A mesh whose ingress is asked: its routes, who asks from where, and an API behind it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from envoy_host import HTTP_PORT
from mesh_host import Answer, Mesh, echo_request, get, mesh, serving
from mesh_world import a_spec, a_world
from spacecloud.drivers.docker.gateway.api_socket import listen
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.ingress.table import read, table
from spacecloud.model.declared import StoredDocument
from spacecloud.model.traffic import IngressTable

WORLD = a_world({"shop/web": a_spec(whitelists=[]), "shop/api": a_spec()})


async def begin(running: Mesh) -> None:
    running.world = WORLD
    await running.serve("shop/web", 8080, echo_request)
    await running.apply(WORLD)


@asynccontextmanager
async def a_mesh_with_a_route() -> AsyncIterator[Mesh]:
    """All paths lead to web."""
    async with mesh() as running:
        await begin(running)
        await running.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        yield running


def routes(*documents: dict[str, Any]) -> IngressTable:
    """A document is its source; the target is web where none is given."""
    web = [{"host": "web.shop.svc.cluster.local", "port": 8080}]
    return table(
        read(
            StoredDocument("shop", f"r{number}", {"targets": web, **document})
            for number, document in enumerate(documents)
        ),
        WORLD,
    )


async def outside(live: Mesh, path: str, **headers: str) -> Answer:
    """From an address that is not loopback."""
    subnet = live.subnet("shop/api")
    connection = await live.host.connect(subnet, str(subnet[1]), HTTP_PORT)
    return await get(connection, path, **headers)


async def local(live: Mesh, path: str, **headers: str) -> Answer:
    return await get(await live.host.connect_locally("127.0.0.1", HTTP_PORT), path, **headers)


def the_api(live: Mesh) -> socket.socket:
    server = listen(RunDirectory(live.host.settings.run_dir))
    server.listen()
    server.setblocking(False)
    return server


def a_server_that_says_api(live: Mesh) -> AbstractAsyncContextManager[None]:
    return serving(the_api(live), _i_am_the_api)


async def _i_am_the_api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\napi")
        await writer.drain()
