"""The platform's own listeners of a real Envoy: what they may cost, and whom they believe."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import IPv4Network

import pytest

from envoy_host import HTTP_PORT, MESH_PORT, envoy_host, inside
from ingress_host import a_mesh_with_a_route, begin, local, outside, routes, the_api
from mesh_host import (
    Answer,
    Mesh,
    echo_request,
    get,
    mesh,
    needs_root,
    read_answer,
    receive,
    send,
    serving,
    traffic_of,
)
from spacecloud.drivers.docker.gateway.ingress import public_listener
from spacecloud.mesh.envoy import leases, limits
from spacecloud.mesh.envoy.spoofable_headers import CLAIMS, STEERING
from spacecloud.model.api import LEASE_HEADER

pytestmark = [needs_root, pytest.mark.attack]

HALF_A_REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow"
MORE = 500
"""Connections beyond the ceiling that are tried."""


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with a_mesh_with_a_route() as running:
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


@contextlib.asynccontextmanager
async def a_gateway_of_an_earlier_release() -> AsyncIterator[Mesh]:
    async with envoy_host() as host, AsyncExitStack() as stack:
        host.heap_bytes = None
        live = Mesh(host, traffic_of(host), stack)
        async with live.traffic.serve():
            await host.start_envoy()
            await begin(live)
            await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
            yield live


async def test_a_gateway_of_an_earlier_release_gets_a_listener_that_it_takes() -> None:
    async with a_gateway_of_an_earlier_release() as live:
        seen = (await get(await stranger(live), "/a%2Fb", **CLAIMED, x_own="kept")).json
        private = await outside(live, "/v1/config/login")

    assert seen["path"] == "/a/b"
    assert seen["headers"]["x-own"] == "kept"
    assert seen["headers"]["x-forwarded-for"] == "10.120.0.130"
    assert not {"x-real-ip", "remote-user", "forwarded"} & seen["headers"].keys()
    assert private.status == 403


async def test_a_gateway_of_an_earlier_release_takes_leases_too() -> None:
    async with a_gateway_of_an_earlier_release() as live:
        await live.traffic.publish_leases()
        async with serving(the_api(live), echo_request):
            seen = (await lease(live, **FORGED)).json
            api = (await local(live, "/v1/config/env", **FORGED)).json

    assert seen["headers"][LEASE_HEADER] == str(live.subnet("shop/api")[2])
    assert LEASE_HEADER not in api["headers"]


async def test_of_a_lease_call_nothing_arrives_but_whose_it_is(live: Mesh) -> None:
    await live.traffic.publish_leases()
    async with serving(the_api(live), echo_request):
        plain = await lease(live, "/v1/lease?seconds=300")
        forged = await lease(live, "/v1/lease?seconds=300", **FORGED)
        short = await lease(live, method="PUT", host="10.121.0.12", content_length="0")
        absolute = await lease(live, "http://127.0.0.1/v1/lease", method="DELETE", **FORGED)

    about = {"host", LEASE_HEADER, "x-forwarded-proto"}
    assert plain.json["path"] == forged.json["path"] == "/v1/lease?seconds=300"
    assert plain.json["headers"].keys() == forged.json["headers"].keys() == about
    assert absolute.json["headers"].keys() == about
    assert short.json["headers"].keys() == about | {"content-length"}
    caller = str(live.subnet("shop/api")[2])
    assert {a.json["headers"][LEASE_HEADER] for a in (plain, forged, absolute)} == {caller}


async def test_no_other_path_of_the_api_is_at_the_lease_address(live: Mesh) -> None:
    await live.traffic.publish_leases()
    async with serving(the_api(live), echo_request):
        for path in (
            "/v1/config/env",
            "/v1/config/login",
            "/v1/runner/shop/services/api/v1",
            "/v1/lease/",
            "/v1/lease/../config/env",
            "/v1/lease%2F..%2Fconfig/env",
            "/v1/./lease",
            "//v1/lease",
            "/v1/lease;x",
            "/V1/LEASE",
            "/docs",
            "/openapi.json",
            "/",
        ):
            answer = await lease(live, path)
            assert (answer.status, answer.json["code"]) == (404, "not_found"), path
        for method in ("POST", "PATCH", "OPTIONS"):
            answer = await lease(live, method=method, content_length="0")
            assert (answer.status, answer.headers["allow"]) == (405, "get, put, delete"), method


async def test_no_call_from_outside_becomes_a_lease(live: Mesh) -> None:
    await live.traffic.publish_leases()
    async with serving(the_api(live), echo_request):
        api = await local(live, "/v1/config/env", **FORGED)
        path = await local(live, "/v1/lease", **FORGED)
        beyond = await outside(live, "/v1/lease", **FORGED)
        direct = await live.host.connect_locally("127.0.0.1", MESH_PORT)
        await send(direct, b"PUT /v1/lease HTTP/1.1\r\nHost: platform.space-cloud\r\n\r\n")
        assert await receive(direct, within=30) == b""
        direct.close()

    # The service behind the route for all paths is who answers to the path.
    assert api.json["path"] == "/v1/config/env"
    assert path.json["path"] == beyond.json["path"] == "/v1/lease"
    for answer in (api, path, beyond):
        assert LEASE_HEADER not in answer.json["headers"]
    for answer in (path, beyond):
        assert "x-space-cloud-caller" not in answer.json["headers"]


async def test_a_flood_of_lease_calls_of_one_replica_ends_at_the_gateway(live: Mesh) -> None:
    await live.traffic.publish_leases()
    flood = await dial_platform(live)
    async with serving(the_api(live), echo_request):
        answers = await flood_with(flood, 1000)
        other = await get(await dial_platform(live, host=4), "/v1/lease")

    statuses = [answer.status for answer in answers]
    refused = next(answer for answer in answers if answer.status == 429)
    assert set(statuses) == {200, 429}
    # Ten at once, and one for each second since.
    assert statuses.count(200) < 10 + 50
    assert refused.headers["retry-after"] == "1"
    assert "less often" in refused.json["error"]
    assert other.status == 200


async def test_the_replicas_of_one_service_do_not_take_what_there_is_for_all(
    live: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(leases.OF_ONE_SERVICE, "max_tokens", 10)
    monkeypatch.setitem(leases.OF_ONE_SERVICE, "fill_interval", "3600s")
    await live.traffic.publish_leases()
    async with serving(the_api(live), echo_request):
        for host in range(2, 8):
            await flood_with(await dial_platform(live, host), 4)
        late = await lease(live)
        other = await get(await dial_platform(live, 2, "shop/web"), "/v1/lease")

    assert (late.status, other.status) == (429, 200)


async def test_a_body_at_the_lease_address_is_not_kept(live: Mesh) -> None:
    await live.traffic.publish_leases()
    large = b"x" * (10 << 20)
    head = b"PUT /v1/lease HTTP/1.1\r\nHost: a\r\n"
    async with serving(the_api(live), echo_request):
        whole = await dial_platform(live)
        with contextlib.suppress(ConnectionError):
            await send(whole, head + b"Content-Length: %d\r\n\r\n" % len(large) + large)
        said = await receive(whole, within=30)
        chunked = await dial_platform(live)
        await send(chunked, head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        reader, writer = await asyncio.open_connection(sock=chunked)
        passed = (await read_answer(reader)).json
        writer.close()

    assert said == b"" or said.startswith(b"HTTP/1.1 413 ")
    # Its length is told, so that it can be refused.
    assert passed["headers"]["content-length"] == "3"


async def test_a_lease_call_waits_for_a_control_plane_that_is_started_again(live: Mesh) -> None:
    await live.traffic.publish_leases()
    call = await dial_platform(live)

    await send(call, b"PUT /v1/lease HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(TimeoutError):
        await receive(call, within=0.5)
    async with serving(the_api(live), echo_request):
        assert (await receive(call, within=30)).startswith(b"HTTP/1.1 200 ")


async def test_a_request_with_two_hosts_is_refused(live: Mesh) -> None:
    connection = await stranger(live)

    await send(connection, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")

    assert (await receive(connection, within=10)).startswith(b"HTTP/1.1 400 ")


FORGED = {
    "x_space_cloud_lease_caller": "10.120.0.3",
    "X_Space_Cloud_Caller": "127.0.0.1",
    "x_forwarded_for": "127.0.0.1",
    "x_envoy_original_path": "/v1/config/env",
    "x_request_id": "mine",
    "authorization": "Bearer mine",
    "content_type": "text/plain",
    "Connection": "x-space-cloud-lease-caller",
}
"""``_`` is sent as ``-``."""


async def lease(live: Mesh, path: str = "/v1/lease", **headers: str) -> Answer:
    return await get(await dial_platform(live), path, **headers)


async def dial_platform(live: Mesh, host: int = 2, service: str = "shop/api") -> socket.socket:
    vip = str(live.host.settings.pools.platform_vip)
    connection = await live.host.connect(live.subnet(service), vip, 80, host)
    live.stack.callback(connection.close)
    return connection


async def flood_with(connection: socket.socket, count: int) -> list[Answer]:
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        answers = []
        for _ in range(count):
            writer.write(b"GET /v1/lease HTTP/1.1\r\nHost: a\r\n\r\n")
            answers.append(await read_answer(reader))
        return answers
    finally:
        writer.close()


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
