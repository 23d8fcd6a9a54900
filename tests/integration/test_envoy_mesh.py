"""Calls between services through a real Envoy, on a host in miniature."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as websocket
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.exceptions import ConnectionClosed

from envoy_host import inside
from eventually import BUSY
from mesh_host import (
    Mesh,
    echo_request,
    eventually,
    get,
    greet,
    in_two_parts,
    mesh,
    needs_root,
    read_answer,
    receive,
    send,
    serving,
)
from mesh_world import a_spec, a_world, peers
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import Declarations, DeclaredService
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import DeniedCall, Endpoint, HostPortAccess

pytestmark = needs_root

APPS = Path(__file__).parent.parent / "apps"
CALL_GRPC = APPS / "grpc_echo" / "call.py"

API, DB = ServiceKey("shop", "api"), ServiceKey("shop", "db")


def shop(**others: Any) -> Declarations:
    """web may call api and db; job may call nobody."""
    return a_world(
        {
            "shop/api": a_spec(8080),
            "shop/db": a_spec("tcp:5432"),
            "shop/web": a_spec(),
            "shop/job": a_spec(upstreams=[]),
            **{name.replace("_", "/"): spec for name, spec in others.items()},
        }
    )


def with_db(world: Declarations, *versions: str) -> Declarations:
    """The same addresses, the same others, and these versions of db."""
    both = a_world({"shop/db": {"v1": a_spec("tcp:5432"), "v2": a_spec("tcp:5432")}})
    db = DeclaredService(
        DB, tuple(v for v in both.services[DB].versions if v.ref.version in versions)
    )
    vips = {version: IPv4Address(f"10.121.9.{version[1:]}") for version in versions}
    allocation = replace(world.addresses.services[DB], versions=vips)
    addresses = replace(world.addresses, services={**world.addresses.services, DB: allocation})
    return Declarations({**world.services, DB: db}, addresses)


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with mesh() as running:
        running.world = shop()
        await running.serve("shop/api", 8080, echo_request)
        await running.serve("shop/db", 5432, greet)
        await running.apply(shop())
        yield running


async def test_a_call_that_both_sides_allow_reaches_the_callee(live: Mesh) -> None:
    answer = await live.get("shop/web", "shop/api", path="/a%2Fb//c?d=%20")

    assert answer.status == 200
    assert answer.json["path"] == "/a%2Fb//c?d=%20"


async def test_a_refused_request_reads_the_rule_and_is_reported_once(live: Mesh) -> None:
    denied_calls = live.traffic.denied_calls()

    answer = await live.get("shop/job", "shop/api")

    assert answer.status == 403
    assert answer.headers["content-type"] == "application/json"
    assert "the whitelists of shop/api let in shop/*" in answer.json["error"]
    caller = str(live.subnet("shop/job")[2])
    assert await asyncio.wait_for(anext(denied_calls), 30) == DeniedCall(
        caller, API, 8080, live.vip("shop/api")
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(denied_calls), 1)


async def test_each_version_lets_in_whom_its_own_whitelist_names() -> None:
    """Its own domain is guarded by its own list, the service's by that of the version there."""
    spec = {"v1": a_spec(whitelists=peers("shop/web")), "v2": a_spec(whitelists=peers("shop/ops"))}
    world = shop(shop_api=spec, shop_ops=a_spec())
    api = world.addresses.services[API]
    async with mesh() as live:
        live.world = world
        await live.serve("shop/api", 8080, echo_request)
        await live.apply(world)
        denied_calls = live.traffic.denied_calls()

        async def status(caller: str, vip: IPv4Address) -> int:
            connection = await live.host.connect(live.subnet(caller), str(vip), 8080)
            live.stack.callback(connection.close)
            return (await get(connection)).status

        by_version = {
            version: [await status(caller, vip) for caller in ("shop/web", "shop/ops")]
            for version, vip in {"of the service": api.vip, **api.versions}.items()
        }

        # 503: let in, and v2 has no replica.
        assert by_version == {"of the service": [200, 403], "v1": [200, 403], "v2": [403, 503]}
        denied = [await asyncio.wait_for(anext(denied_calls), 30) for _ in range(3)]
        # Each of Envoy's workers tells its own.
        assert sorted(Policy(world).version_at(call) for call in denied) == ["v1", "v1", "v2"]


async def test_a_forged_identity_changes_nothing(live: Mesh) -> None:
    friend = str(live.subnet("shop/web")[2])

    refused = await live.get(
        "shop/job", "shop/api", x_forwarded_for=friend, x_real_ip=friend, x_envoy_internal="true"
    )
    passed = await live.get(
        "shop/web", "shop/api", x_forwarded_for="1.2.3.4", x_envoy_max_retries="9", x_own="kept"
    )

    assert refused.status == 403
    seen = passed.json["headers"]
    assert (seen["x-forwarded-for"], seen["x-own"]) == ("1.2.3.4", "kept")
    assert not [name for name in seen if name.startswith("x-envoy")]


async def test_a_request_id_is_the_callers_own_or_absent(live: Mesh) -> None:
    without = await live.get("shop/web", "shop/api")
    with_one = await live.get("shop/web", "shop/api", x_request_id="abc-1")

    assert "x-request-id" not in without.json["headers"]
    assert with_one.json["headers"]["x-request-id"] == "abc-1"


async def test_a_server_that_speaks_first_says_nothing_to_a_refused_caller(live: Mesh) -> None:
    denied_calls = live.traffic.denied_calls()

    allowed = await live.dial("shop/web", "shop/db", 5432)
    refused = await live.dial("shop/job", "shop/db", 5432)

    assert await receive(allowed) == b"hello\n"
    assert await receive(refused, within=BUSY) == b""
    caller = str(live.subnet("shop/job")[2])
    assert await asyncio.wait_for(anext(denied_calls), 30) == DeniedCall(
        caller, DB, 5432, live.vip("shop/db")
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(denied_calls), 1)


async def test_a_port_that_nobody_declared_is_closed_at_once(live: Mesh) -> None:
    connection = await live.dial("shop/web", "shop/api", 9999)

    assert await receive(connection, within=BUSY) == b""


async def test_without_a_replica_a_sentence_is_answered(live: Mesh) -> None:
    live.endpoints[API] = ()
    await live.apply(live.world)

    async with asyncio.timeout(BUSY):
        answer = await live.get("shop/web", "shop/api")

    assert answer.status == 503
    assert answer.json == {"error": "no replica of shop/api@v1 can be reached"}


async def test_a_replica_that_does_not_listen_costs_no_request(live: Mesh) -> None:
    dead = Endpoint("v1", str(live.subnet("shop/api")[6]))
    live.endpoints[API] = (*live.endpoints[API], dead)
    await live.apply(live.world)

    answers = [await live.get("shop/web", "shop/api") for _ in range(20)]

    assert {answer.status for answer in answers} == {200}


async def test_a_draining_replica_finishes_what_it_has_and_gets_nothing_new(live: Mesh) -> None:
    old, new = (str(live.subnet("shop/db")[host]) for host in (3, 4))
    begun = await live.dial("shop/web", "shop/db", 5432)
    assert await receive(begun) == b"hello\n"

    await live.serve("shop/db", 5432, greet, host=4)
    live.endpoints[DB] = (Endpoint("v1", old, draining=True), Endpoint("v1", new))
    await live.apply(live.world)
    later = [await live.dial("shop/web", "shop/db", 5432) for _ in range(10)]
    assert {await receive(connection) for connection in later} == {b"hello\n"}

    busy = await live.in_flight()
    assert busy == {old: 1, new: 10}
    await send(begun, b"still here")
    assert await receive(begun) == b"still here"
    begun.close()
    await eventually(lambda: _idle(live, old))


async def test_a_connection_to_the_oldest_version_outlives_it(live: Mesh) -> None:
    """The service's own domain is the next version's at once; what is open drains."""
    old, new = (str(live.subnet("shop/db")[host]) for host in (3, 4))
    await live.serve("shop/db", 5432, greet, host=4)
    live.endpoints[DB] = (Endpoint("v1", old), Endpoint("v2", new))
    await live.apply(with_db(live.world, "v1", "v2"))
    begun = await live.dial("shop/web", "shop/db", 5432)
    assert await receive(begun) == b"hello\n"
    assert (await live.in_flight())[old] == 1

    live.endpoints[DB] = (Endpoint("v1", old, draining=True), Endpoint("v2", new))
    await live.apply(with_db(live.world, "v2"))

    later = await live.dial("shop/web", "shop/db", 5432)
    assert await receive(later) == b"hello\n"
    busy = await live.in_flight()
    assert busy == {old: 1, new: 1}
    # A chain that is rewritten closes what it has by then.
    await asyncio.sleep(live.host.settings.listener_drain_seconds + 1)
    await send(begun, b"still here")
    assert await receive(begun) == b"still here"
    begun.close()
    await eventually(lambda: _idle(live, old))


async def _idle(live: Mesh, address: str) -> bool:
    return not (await live.in_flight()).get(address)


async def test_connections_survive_a_hundred_policy_edits_of_others(live: Mesh) -> None:
    api = live.bind("shop/web", 8080)
    async with serve_websocket(_repeat, sock=api):
        await live.apply(live.world)
        session = await live.dial("shop/api", "shop/db", 5432)
        assert await receive(session) == b"hello\n"
        stream = await live.dial("shop/api", "shop/web", 8080)

        async with websocket("ws://web:8080/", sock=stream, proxy=None) as chat:
            started = asyncio.get_running_loop().time()
            for edit in range(100):
                # Takes db and web through block, by-name and refused-one forms in turn.
                muted = {"shop_job": a_spec(upstreams=[] if edit % 2 else peers("shop/*"))}
                if edit % 3 == 0:
                    muted["shop_extra"] = a_spec(upstreams=[])
                    muted["shop_more"] = a_spec(upstreams=[])
                    muted["shop_most"] = a_spec(upstreams=[])
                assert await live.apply(shop(**muted)) > 0
                assert await live.close_revoked() == 0
            spent = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, 3 - spent))

            await chat.send("still here")
            assert await chat.recv() == "still here"
            await send(session, b"still here")
            assert await receive(session) == b"still here"


async def _repeat(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def test_a_revoked_callers_connections_are_closed_and_nobody_elses(live: Mesh) -> None:
    async with serve_websocket(_repeat, sock=live.bind("shop/web", 8080)):
        await live.apply(live.world)
        session = await live.dial("shop/job", "shop/db", 5432)
        assert await receive(session) == b""
        open_to_job = shop(shop_job=a_spec())
        await live.apply(open_to_job)
        assert await live.close_revoked() == 0
        revoked = await live.dial("shop/job", "shop/db", 5432)
        kept = await live.dial("shop/api", "shop/db", 5432)
        assert await receive(revoked) == await receive(kept) == b"hello\n"
        stream = await live.dial("shop/job", "shop/web", 8080)

        async with websocket("ws://web:8080/", sock=stream, proxy=None) as chat:
            await chat.send("hello")
            assert await chat.recv() == "hello"
            await live.apply(shop())
            assert await live.close_revoked() == 2

            assert await receive(revoked, within=BUSY) == b""
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(chat.recv(), BUSY)
        await send(kept, b"still here")
        assert await receive(kept) == b"still here"
        assert await live.close_revoked() == 0


async def test_open_connections_are_told_by_caller_and_by_what_was_dialled(live: Mesh) -> None:
    """Also those that wait for their next request, which nothing that is in flight tells of."""
    assert await live.traffic.connections() == {}
    web, api = (str(live.subnet(name)[2]) for name in ("shop/web", "shop/api"))
    sessions = [await live.dial("shop/web", "shop/db", 5432) for _ in range(2)]
    assert {await receive(session) for session in sessions} == {b"hello\n"}
    of_another = await live.dial("shop/api", "shop/db", 5432)
    assert await receive(of_another) == b"hello\n"
    kept = await live.dial("shop/web", "shop/api", 8080)
    await send(kept, b"GET / HTTP/1.1\r\nhost: api\r\n\r\n")
    assert (await receive(kept)).startswith(b"HTTP/1.1 200")

    held = await live.traffic.connections()

    db, its = live.vip("shop/db"), live.vip("shop/api")
    assert held == {(web, db, 5432): 2, (api, db, 5432): 1, (web, its, 8080): 1}

    for connection in (*sessions, kept):
        connection.close()

    async def one_is_left() -> bool:
        return await live.traffic.connections() == {(api, db, 5432): 1}

    await eventually(one_is_left)


async def test_a_refused_client_may_keep_its_connection_to_read_the_next_refusal(
    live: Mesh,
) -> None:
    assert await live.close_revoked() == 0
    assert await live.close_revoked() == 0
    connection = await live.dial("shop/job", "shop/api", 8080)
    reader, writer = await asyncio.open_connection(sock=connection)

    for _ in range(3):
        writer.write(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n")
        assert (await asyncio.wait_for(read_answer(reader), 3)).status == 403
        assert await live.close_revoked() == 0

    writer.close()
    await writer.wait_closed()


async def test_large_headers_pass_both_ways(live: Mesh) -> None:
    answer = await live.get("shop/web", "shop/api", x_large="x" * 90_000)

    assert answer.status == 200
    assert len(answer.json["headers"]["x-large"]) == 90_000
    assert len(answer.headers["x-large"]) == 90_000


async def test_a_response_is_streamed_as_it_comes(live: Mesh) -> None:
    go_on = asyncio.Event()

    await live.serve("shop/web", 8080, in_two_parts(go_on))
    await live.apply(live.world)
    connection = await live.dial("shop/api", "shop/web", 8080)
    reader, writer = await asyncio.open_connection(sock=connection)

    async with asyncio.timeout(30):
        writer.write(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n")
        assert b"one" in await reader.readuntil(b"one\r\n")
        go_on.set()
        assert b"two" in await reader.readuntil(b"two\r\n")
    writer.close()
    await writer.wait_closed()


async def test_grpc_passes_both_ways_and_reads_a_refusal(live: Mesh) -> None:
    key = ServiceKey("shop", "web")
    live.endpoints[key] = (Endpoint("v1", str(live.subnet("shop/web")[2])),)
    world = shop(shop_web=a_spec(50051))
    await live.apply(world)
    async with live.host.program(live.subnet("shop/web"), str(APPS / "grpc_echo" / "app.py")):

        async def call(caller: str, *arguments: str) -> Any:
            target = f"{live.vip('shop/web')}:50051"
            return json.loads(
                await live.host.output(live.subnet(caller), str(CALL_GRPC), target, *arguments)
            )

        async def ready() -> bool:
            return bool((await call("shop/api", "say", "hello"))["ok"])

        await eventually(ready, within=30)
        chat = await call("shop/api", "chat", "one", "two")
        refused = await call("shop/job", "say", "hello")

    assert chat["got"] == ["echo: one", "echo: two"]
    assert refused["code"] == "PERMISSION_DENIED"
    assert "the whitelists of shop/web let in shop/*" in refused["detail"]


async def test_a_host_port_opens_for_the_project_that_asked_and_for_no_other(live: Mesh) -> None:
    def listen() -> socket.socket:
        server = socket.create_server(("127.0.0.1", 5999))
        server.setblocking(False)
        return server

    await live.stack.enter_async_context(serving(inside(live.host.name, listen), greet))
    bank = a_world({"shop/api": a_spec(), "bank/bill": a_spec()})
    await live.apply(bank)
    block = str(bank.addresses.blocks["bank"][0])
    host_vip = str(live.host.settings.pools.host_vip)

    await live.traffic.publish_host_ports((HostPortAccess(5999, (block,)),))
    invited = await live.host.connect(live.subnet("bank/bill"), host_vip, 5999)
    stranger = await live.host.connect(live.subnet("shop/api"), host_vip, 5999)

    assert await receive(invited) == b"hello\n"
    assert await receive(stranger, within=BUSY) == b""
    assert await live.close_revoked() == 0
    await live.traffic.publish_host_ports(())
    late = await live.host.connect(live.subnet("bank/bill"), host_vip, 5999)
    assert await receive(late) == b""
    assert await live.close_revoked() == 1
    assert await receive(invited, within=BUSY) == b""
    for connection in (invited, stranger, late):
        connection.close()
