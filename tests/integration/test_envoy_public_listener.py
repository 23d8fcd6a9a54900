"""The public listener of a real Envoy: what it may cost, and whom it believes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import IPv4Network

import pytest

from envoy_host import HTTP_PORT, envoy_host, inside
from integration.test_envoy_ingress import begin, local, outside, routes, the_api
from mesh_host import Mesh, get, mesh, needs_root, read_answer, receive, send, serving, traffic_of
from spacecloud.drivers.docker.gateway.ingress import public_listener
from spacecloud.mesh.envoy import limits
from spacecloud.mesh.envoy.claims import CLAIMS, STEERING

pytestmark = [needs_root, pytest.mark.attack]

HALF_A_REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow"
MORE = 500
"""Connections beyond the ceiling that are tried."""


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with mesh() as running:
        await begin(running)
        await running.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        yield running


async def test_half_requests_close_neither_the_inside_nor_the_api(live: Mesh) -> None:
    ceiling = public_listener(live.host.settings).most_connections
    held = hold(live, ceiling + MORE)
    try:
        await wait_for_limited(live, MORE)

        assert (await live.get("shop/web", "shop/web")).status == 200
        async with serving(the_api(live), an_api):
            assert (await local(live, "/v1/config/env")).body == b"api"
        # Whoever is refused hears it at once.
        assert await receive(await stranger(live), within=10) == b""
        assert sum(is_open(connection) for connection in held) == ceiling
    finally:
        for connection in held:
            connection.close()
    assert (await eventually_outside(live)) == 200


async def test_half_requests_on_loopback_close_neither_the_inside_nor_the_outside() -> None:
    async with mesh(public_connections=20) as live:
        await begin(live)
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        held = [await live.host.connect_locally("127.0.0.1", HTTP_PORT) for _ in range(30)]

        assert await receive(held[-1], within=10) == b""
        assert (await live.get("shop/web", "shop/web")).status == 200
        assert (await outside(live, "/")).status == 200
        for connection in held:
            connection.close()


async def test_headers_that_do_not_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.TIMES, "request_headers_timeout", "0.5s")
    async with mesh() as live:
        await begin(live)
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        half, slow = await stranger(live), await stranger(live)

        await send(half, HALF_A_REQUEST)
        await send(slow, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")

        assert b" 408 " in await receive(half, within=10)
        # An upload that is slower than that goes on.
        assert b" 200 " in await receive(slow, within=10)


async def test_when_memory_is_short_the_outside_is_shed_and_the_inside_is_not() -> None:
    async with envoy_host() as host, AsyncExitStack() as stack:
        host.heap_bytes = 1 << 20
        live = Mesh(host, traffic_of(host), stack)
        async with live.traffic.serve():
            await host.start_envoy()
            await begin(live)
            await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))

            async with asyncio.timeout(30):
                while await is_answered(live):
                    await asyncio.sleep(0.1)
            answer = await live.get("shop/web", "shop/web")

    assert answer.status == 200
    assert "connection" not in answer.headers


async def is_answered(live: Mesh) -> bool:
    """Envoy looks at its memory four times a second."""
    try:
        return (await outside(live, "/")).status == 200
    except (asyncio.IncompleteReadError, ConnectionError):
        return False


CLAIMED = {
    "x-forwarded-for": "9.9.9.9, 8.8.8.8",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "shop.example",
    "x-real-ip": "9.9.9.9",
    "forwarded": "for=9.9.9.9",
    "remote-user": "admin",
}


async def test_only_a_trusted_proxy_is_believed() -> None:
    proxies = ("10.120.0.132/32", "8.8.8.8/32")
    async with mesh(trusted_proxies=tuple(map(IPv4Network, proxies))) as live:
        await begin(live)
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        assert str(live.subnet("shop/api")[4]) == "10.120.0.132"

        proxy = (await get(await stranger(live, 4), "/", **CLAIMED)).json["headers"]
        plain = (await get(await stranger(live, 4), "/")).json["headers"]
        other = (await get(await stranger(live, 2), "/", **CLAIMED)).json["headers"]

    said = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "remote-user")
    assert [proxy.get(name) for name in said] == ["9.9.9.9", "https", "shop.example", None, None]
    assert [plain.get(name) for name in said] == ["10.120.0.132", "http", None, None, None]
    assert [other.get(name) for name in said] == ["10.120.0.130", "http", None, None, None]


async def test_a_proxy_on_this_host_brings_no_stranger_to_the_api() -> None:
    async with mesh(trusted_proxies=(IPv4Network("127.0.0.1/32"),)) as live:
        await begin(live)
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))

        async with serving(the_api(live), an_api):
            owner = await local(live, "/docs")
            passed_on = await local(live, "/docs", **CLAIMED)

    assert owner.body == b"api"
    assert passed_on.json["path"] == "/docs"
    assert passed_on.json["headers"]["x-forwarded-for"] == "8.8.8.8"


@pytest.mark.parametrize("sign", ["-", "_", ".", "+"])
async def test_no_claim_arrives_in_any_spelling(live: Mesh, sign: str) -> None:
    names = [claim.replace("*", "any").replace("-", sign) for claim in (*CLAIMS, *STEERING)]
    kept = ["X_Own", "X-Request-Start", "Authorization", "X-Auth-Token", "X-Forward"]
    heads = [f"{name.upper()}: me" for name in (*names, *kept)]
    request = "\r\n".join(["GET / HTTP/1.1", "Host: a", *heads, "", ""])

    connection = await stranger(live)
    await send(connection, request.encode())
    reader, writer = await asyncio.open_connection(sock=connection)
    seen = (await read_answer(reader)).json["headers"]
    writer.close()

    assert {name for name, value in seen.items() if value == "me"} == {k.lower() for k in kept}


async def test_a_gateway_of_an_earlier_release_gets_a_listener_that_it_takes() -> None:
    async with envoy_host() as host, AsyncExitStack() as stack:
        host.heap_bytes = None
        live = Mesh(host, traffic_of(host), stack)
        async with live.traffic.serve():
            await host.start_envoy()
            await begin(live)
            await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))

            seen = (await get(await stranger(live), "/a%2Fb", **CLAIMED, x_own="kept")).json
            private = await outside(live, "/v1/config/login")

    assert seen["path"] == "/a/b"
    assert seen["headers"]["x-own"] == "kept"
    assert seen["headers"]["x-forwarded-for"] == "10.120.0.130"
    assert not {"x-real-ip", "remote-user", "forwarded"} & seen["headers"].keys()
    assert private.status == 403


async def test_a_request_with_two_hosts_is_refused(live: Mesh) -> None:
    connection = await stranger(live)

    await send(connection, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")

    assert (await receive(connection, within=10)).startswith(b"HTTP/1.1 400 ")


def hold(live: Mesh, count: int) -> list[socket.socket]:
    subnet = live.subnet("shop/api")

    def act() -> list[socket.socket]:
        every = []
        for number in range(count):
            connection = socket.socket()
            connection.bind((str(subnet[2 + number % 6]), 0))
            connection.settimeout(10)
            connection.connect((str(subnet[1]), HTTP_PORT))
            connection.send(HALF_A_REQUEST)
            connection.setblocking(False)
            every.append(connection)
        return every

    return inside(live.host.network(subnet), act)


def is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


async def wait_for_limited(live: Mesh, count: int) -> None:
    async with asyncio.timeout(30):
        while await live.traffic.refused_connections() < count:
            await asyncio.sleep(0.05)


async def stranger(live: Mesh, host: int = 2) -> socket.socket:
    subnet = live.subnet("shop/api")
    connection = await live.host.connect(subnet, str(subnet[1]), HTTP_PORT, host)
    live.stack.callback(connection.close)
    return connection


async def eventually_outside(live: Mesh) -> int:
    async with asyncio.timeout(30):
        while True:
            try:
                return (await outside(live, "/")).status
            except (asyncio.IncompleteReadError, ConnectionError):
                await asyncio.sleep(0.05)


async def an_api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\napi")
        await writer.drain()
