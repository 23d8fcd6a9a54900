"""
What an application sees of the proxy between it and its callers: as little as can be.

The rows of ``docs/proxy-defaults.md`` that are about behaviour, in the mesh and at ingress.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from envoy_host import HTTP_PORT
from ingress_host import WORLD, a_mesh_with_a_route, routes
from mesh_host import Answer, Mesh, mesh, needs_root, read_answer, receive, send

pytestmark = needs_root

Dial = Callable[[Mesh], Awaitable[socket.socket]]


async def from_a_service(live: Mesh) -> socket.socket:
    return await live.dial("shop/web", "shop/web", 8080)


async def from_outside(live: Mesh) -> socket.socket:
    subnet = live.subnet("shop/api")
    connection = await live.host.connect(subnet, str(subnet[1]), HTTP_PORT)
    live.stack.callback(connection.close)
    return connection


BOTH_WAYS: tuple[Dial, ...] = (from_a_service, from_outside)


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with a_mesh_with_a_route() as running:
        yield running


async def ask(connection: socket.socket, *requests: bytes) -> list[Answer]:
    """One after another on one connection."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 20)
    answers = []
    async with asyncio.timeout(30):
        for request in requests:
            writer.write(request)
            answers.append(await read_answer(reader))
    writer.close()
    return answers


async def test_an_upgrade_that_is_not_spoken_is_ignored(live: Mesh) -> None:
    for dial in BOTH_WAYS:
        for protocol in ("TLS/1.2", "tailscale-control-protocol", "h2c", "x, TLS/1.3"):
            lines = ["GET / HTTP/1.1", "Host: a", "Connection: Upgrade", f"Upgrade: {protocol}"]

            (answer,) = await ask(await dial(live), "\r\n".join([*lines, "", ""]).encode())

            assert answer.status == 200
            assert "upgrade" not in answer.json["headers"]


async def test_what_a_service_says_of_its_own_caller_arrives(live: Mesh) -> None:
    said = {
        "x-forwarded-proto": "https",
        "x-forwarded-for": "9.9.9.9",
        "x_forwarded_for": "8.8.8.8",
    }
    lines = ["GET / HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in said.items())]

    (answer,) = await ask(await from_a_service(live), "\r\n".join([*lines, "", ""]).encode())

    assert {name: answer.json["headers"].get(name) for name in said} == said


async def test_a_callee_may_refuse_a_body_before_it_is_sent() -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with mesh() as live:
        live.world = WORLD
        await live.serve("shop/web", 8080, refuse_what_is_expected)
        await live.apply(WORLD)
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        for dial in BOTH_WAYS:
            (refused,) = await ask(await dial(live), request)
            connection = await dial(live)
            await send(connection, request.replace(b"POST /", b"POST /wanted"))

            assert refused.status == 401
            assert (await receive(connection, within=10)).startswith(b"HTTP/1.1 100 ")
            await send(connection, b"12345")
            assert (await receive(connection, within=10)).startswith(b"HTTP/1.1 200 ")


async def refuse_what_is_expected(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """But at one path."""
    if b"/wanted" in await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    else:
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
    await writer.drain()


async def test_a_half_closed_client_gets_nothing() -> None:
    """As ``docs/proxy-defaults.md`` says: when Envoy can do better, this fails."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(1)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with mesh() as live:
        live.world = WORLD
        await live.serve("shop/web", 8080, slow)
        await live.apply(WORLD)
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        for dial in BOTH_WAYS:
            connection = await dial(live)
            await send(connection, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)

            assert await receive(connection, within=10) == b""


class ClosesWhatItThinksIdle:
    """Answers the first request of a connection; at the next one, it closes without an answer."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        self.seen.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[0])


async def test_a_connection_that_ends_unanswered_costs_no_idempotent_request() -> None:
    async with mesh() as live:
        await closing_callee(live)
        for dial in BOTH_WAYS:
            for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
                request = f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()

                answers = await ask(await dial(live), *[request] * 20)

                assert [answer.status for answer in answers] == [200] * 20


async def test_what_may_not_happen_twice_is_not_tried_again() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"
    put = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    async with mesh() as live:
        callee = await closing_callee(live)
        for dial in BOTH_WAYS:
            for request in (post, put):
                callee.seen.clear()

                answers = await ask(await dial(live), *[request] * 6)

                assert {answer.status for answer in answers} == {200, 503}
                assert len(callee.seen) == len(answers)


async def closing_callee(live: Mesh) -> ClosesWhatItThinksIdle:
    callee = ClosesWhatItThinksIdle()
    live.world = WORLD
    await live.serve("shop/web", 8080, callee)
    await live.apply(WORLD)
    await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
    return callee
