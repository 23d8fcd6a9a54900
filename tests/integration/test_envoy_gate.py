"""The gate in a real Envoy: requests wait there, go on, and are not lost when it opens or shuts."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as websocket
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.exceptions import ConnectionClosed

from envoy_host import HTTP_PORT, envoy_host
from eventually import BUSY
from gate_waker import Waker
from mesh_host import (
    Answer,
    Mesh,
    echo_request,
    eventually,
    get,
    in_two_parts,
    mesh,
    needs_root,
    read_answer,
    traffic_of,
)
from mesh_world import a_spec, a_world
from spacecloud.ingress.table import read, table
from spacecloud.mesh.envoy.gate import gate_socket
from spacecloud.model.declared import StoredDocument
from spacecloud.model.gate_calls import CallRefused, Passed
from spacecloud.model.refs import ServiceRef
from spacecloud.model.traffic import Endpoint

pytestmark = needs_root

APPS = Path(__file__).parent.parent / "apps"
CALL_GRPC = APPS / "grpc_echo" / "call.py"

API = ServiceRef("shop", "api", "v1")
WORLD = a_world(
    {"shop/api": a_spec(8080, 50051), "shop/web": a_spec(), "shop/job": a_spec(upstreams=[])}
)


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with mesh(listener_drain_seconds=1) as running:
        running.world = WORLD
        await running.apply(WORLD)
        yield running


@pytest.fixture
def waker(live: Mesh) -> Waker:
    waker = Waker()
    live.traffic.gate.serve_calls(waker)
    return waker


async def held(live: Mesh, calls: int) -> None:
    """Until so many wait."""

    async def so_many() -> bool:
        return sum(held.calls for held in live.traffic.gate.held().values()) == calls

    await eventually(so_many)


async def test_a_request_waits_at_the_gate_and_arrives_as_it_was_sent(
    live: Mesh, waker: Waker
) -> None:
    await live.serve("shop/api", 8080, echo_request)
    await live.publish("shop/api")
    warm = await live.get("shop/web", "shop/api", path="/a%2Fb//c?d=%20", x_large="x" * 90_000)

    await live.publish("shop/api", "v1")
    waiting = asyncio.ensure_future(
        live.get("shop/web", "shop/api", path="/a%2Fb//c?d=%20", x_large="x" * 90_000)
    )
    await held(live, 1)
    assert live.traffic.gate.held().keys() == {API}
    waker.awake.set()
    answer = await waiting

    assert not live.traffic.gate.held()
    assert (answer.status, answer.json) == (200, warm.json)
    assert answer.headers["space-cloud-wake-ms"] == "7"
    assert {**answer.headers, "date": ""} == {
        **warm.headers,
        "space-cloud-wake-ms": "7",
        "date": "",
    }


async def test_none_is_lost_while_a_service_falls_asleep_and_wakes_under_load(
    live: Mesh, waker: Waker
) -> None:
    await live.serve("shop/api", 8080, echo_request)
    await live.publish("shop/api")
    waker.awake.set()
    statuses: list[int] = []
    waked = 0
    done = asyncio.Event()

    async def load(requests_per_connection: int) -> None:
        nonlocal waked
        while not done.is_set():
            connection = await live.dial("shop/web", "shop/api", 8080)
            reader, writer = await asyncio.open_connection(sock=connection)
            for _ in range(requests_per_connection):
                # Not one that Envoy may try again: what is lost shows.
                writer.write(b"POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\n\r\n")
                answer = await asyncio.wait_for(read_answer(reader), 30)
                statuses.append(answer.status)
                waked += "space-cloud-wake-ms" in answer.headers
            writer.close()

    async with asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(load(200 if number % 2 else 3))
        for switch in range(20):
            await asyncio.sleep(0.05)
            await live.publish("shop/api", *(["v1"] if switch % 2 else []))
        done.set()

    assert set(statuses) == {200}
    assert 0 < waked < len(statuses)


async def test_what_has_come_to_the_gate_when_it_opens_is_not_asked_about(
    live: Mesh, waker: Waker
) -> None:
    """It is under way between the port and the gate, as a crowd is that wakes a version."""
    waker.awake.set()
    await live.serve("shop/api", 8080, echo_request)
    await live.publish("shop/api", "v1")
    gate = gate_socket(str(live.host.settings.run_dir / "gateway"), "shop/api|gate|v1|8080")
    reader, writer = await asyncio.open_unix_connection(gate)

    async def call() -> Answer:
        writer.write(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n")
        return await asyncio.wait_for(read_answer(reader), 30)

    asleep = await call()
    await live.publish("shop/api")
    awake = await call()
    asked = len(waker.asked)
    await live.publish("shop/api", "v1")
    asleep_again = await call()
    writer.close()

    assert [a.status for a in (asleep, awake, asleep_again)] == [200, 200, 200]
    assert [a.headers.get("space-cloud-wake-ms") for a in (asleep, awake, asleep_again)] == [
        "7",
        None,
        "7",
    ]
    assert (asked, len(waker.asked)) == (1, 2)


async def _repeat(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def test_a_websocket_outlives_both_switches_wherever_it_began(
    live: Mesh, waker: Waker
) -> None:
    waker.awake.set()
    async with serve_websocket(_repeat, sock=live.bind("shop/api", 8080)):
        await live.publish("shop/api")
        warm = await live.dial("shop/web", "shop/api", 8080)
        async with websocket("ws://api:8080/", sock=warm, proxy=None) as first:
            await live.publish("shop/api", "v1")
            cold = await live.dial("shop/web", "shop/api", 8080)
            async with websocket("ws://api:8080/", sock=cold, proxy=None) as second:
                assert len(waker.asked) == 1
                for gated in ([], ["v1"], []):
                    await live.publish("shop/api", *gated)
                # A chain that is rewritten closes what it has by then.
                await asyncio.sleep(live.host.settings.listener_drain_seconds + 1)
                for chat in (first, second):
                    await chat.send("still here")
                    assert await asyncio.wait_for(chat.recv(), 30) == "still here"


async def test_what_came_through_the_gate_outlives_the_end_of_the_gate(
    live: Mesh, waker: Waker
) -> None:
    """A version that may not sleep any more has what was begun before."""
    waker.awake.set()
    async with serve_websocket(_repeat, sock=live.bind("shop/api", 8080)):
        await live.publish("shop/api", "v1")
        connection = await live.dial("shop/web", "shop/api", 8080)
        async with websocket("ws://api:8080/", sock=connection, proxy=None) as chat:
            await live.publish("shop/api", gates=())
            await asyncio.sleep(live.host.settings.listener_drain_seconds + 1)

            await chat.send("still here")
            assert await asyncio.wait_for(chat.recv(), 30) == "still here"


async def test_a_stream_goes_on_when_the_gate_opens(live: Mesh, waker: Waker) -> None:
    waker.awake.set()
    go_on = asyncio.Event()

    await live.serve("shop/api", 8080, in_two_parts(go_on))
    await live.publish("shop/api", "v1")
    connection = await live.dial("shop/web", "shop/api", 8080)
    reader, writer = await asyncio.open_connection(sock=connection)

    async with asyncio.timeout(30):
        writer.write(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n")
        assert b"one" in await reader.readuntil(b"one\r\n")
        await live.publish("shop/api")
        go_on.set()
        assert b"two" in await reader.readuntil(b"two\r\n")
    writer.close()


async def test_grpc_passes_the_gate_and_reads_a_refusal(live: Mesh, waker: Waker) -> None:
    live.endpoints[API.key] = (Endpoint("v1", str(live.subnet("shop/api")[2])),)
    await live.publish("shop/api")
    async with live.host.program(live.subnet("shop/api"), str(APPS / "grpc_echo" / "app.py")):

        async def call(*arguments: str) -> Any:
            target = f"{live.vip('shop/api')}:50051"
            return json.loads(
                await live.host.output(live.subnet("shop/web"), str(CALL_GRPC), target, *arguments)
            )

        async def ready() -> bool:
            return bool((await call("say", "hello"))["ok"])

        await eventually(ready)
        await live.publish("shop/api", "v1")
        waker.awake.set()
        chat = await call("chat", "one", "two")
        waker.refused = CallRefused("the image is gone", 5)
        refused = await call("say", "hello")

    assert chat["got"] == ["echo: one", "echo: two"]
    assert {call.port for call in waker.asked} == {50051}
    assert refused["code"] == "UNAVAILABLE"
    assert "the image is gone" in refused["detail"]


async def test_a_caller_that_policy_refuses_wakes_nobody(live: Mesh, waker: Waker) -> None:
    await live.publish("shop/api", "v1")

    answer = await live.get("shop/job", "shop/api")

    assert answer.status == 403
    assert "the whitelists of shop/api let in shop/*" in answer.json["error"]
    assert not waker.asked


async def test_a_request_from_outside_passes_the_gate_too(live: Mesh, waker: Waker) -> None:
    await live.serve("shop/api", 8080, echo_request)
    target = {"host": "api.shop.svc.cluster.local", "port": 8080}
    document = {"source": {"url": "/"}, "targets": [target]}
    await live.traffic.publish_ingress(table(read([StoredDocument("shop", "r", document)]), WORLD))
    await live.publish("shop/api", "v1")
    waker.awake.set()
    subnet = live.subnet("shop/web")

    answer = await get(await live.host.connect(subnet, str(subnet[1]), HTTP_PORT))

    assert (answer.status, answer.headers["space-cloud-wake-ms"]) == (200, "7")
    assert answer.json["headers"]["x-forwarded-for"] == str(subnet[2])


async def test_who_hangs_up_does_not_wait_any_more(live: Mesh, waker: Waker) -> None:
    await live.publish("shop/api", "v1")
    connections = [await live.dial("shop/web", "shop/api", 8080) for _ in range(3)]
    for connection in connections:
        connection.send(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n")
    await held(live, 3)

    for connection in connections:
        connection.close()

    await held(live, 0)


async def test_a_refusal_is_read_as_a_page_or_as_json_and_says_when_to_come_back(
    live: Mesh, waker: Waker
) -> None:
    waker.awake.set()
    waker.refused = CallRefused("no memory for shop/api@v1", 30, html="<h1>One moment</h1>")
    await live.publish("shop/api", "v1")

    plain = await live.get("shop/web", "shop/api", accept="*/*")
    page = await live.get("shop/web", "shop/api", accept="text/html,*/*")

    assert (plain.status, plain.json) == (503, {"error": "no memory for shop/api@v1"})
    assert (page.status, page.body) == (503, b"<h1>One moment</h1>")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["retry-after"] == plain.headers["retry-after"] == "30"
    assert len(waker.asked) == 2


async def test_what_a_replica_has_seen_is_not_sent_twice(live: Mesh, waker: Waker) -> None:
    seen = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        await reader.readuntil(b"\r\n\r\n")
        seen += 1

    waker.awake.set()
    await live.serve("shop/api", 8080, hang_up)
    await live.publish("shop/api", "v1")

    answer = await live.get("shop/web", "shop/api", method="POST", content_length="0")

    assert (answer.status, seen) == (503, 1)
    assert "closed the connection before it had answered" in answer.json["error"]


async def test_a_name_of_the_gates_own_is_not_believed_of_a_callee(
    live: Mesh, waker: Waker
) -> None:
    async def forge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nspace-cloud-wake-ms: 1\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    waker.awake.set()
    await live.serve("shop/api", 8080, forge)
    await live.publish("shop/api", "v1")

    held_call = await live.get("shop/web", "shop/api")
    waker.passed = Passed(None)
    other = await live.get("shop/web", "shop/api")

    assert held_call.headers["space-cloud-wake-ms"] == "7"
    assert (other.status, other.headers.get("space-cloud-wake-ms")) == (200, None)


async def test_a_version_without_a_replica_has_a_gate_and_is_told_so(
    live: Mesh, waker: Waker
) -> None:
    await live.publish("shop/api", "v1")
    waker.awake.set()

    answer = await live.get("shop/web", "shop/api")

    assert answer.status == 503
    assert answer.json["error"] == "no replica of shop/api@v1 can be reached"
    assert len(waker.asked) == 1


async def test_while_no_control_plane_runs_warm_services_answer_and_cold_ones_say_why() -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(envoy_host())
        live = Mesh(host, traffic_of(host), stack, WORLD)
        await live.serve("shop/api", 8080, echo_request)
        await live.serve("shop/web", 8080, echo_request)
        async with live.traffic.serve():
            await host.start_envoy()
            await live.publish("shop/web")
            await live.publish("shop/api", "v1")

        warm = await live.get("shop/api", "shop/web")
        cold = await asyncio.wait_for(live.get("shop/web", "shop/api"), BUSY)

    assert warm.status == 200
    assert cold.status == 503
    assert "the control plane, which would wake it, does not answer" in cold.json["error"]


async def test_a_gateway_that_comes_back_has_its_gates_again(live: Mesh, waker: Waker) -> None:
    await live.serve("shop/api", 8080, echo_request)
    await live.publish("shop/api", "v1")
    waker.awake.set()
    await live.host.stop_envoy()
    await live.host.start_envoy()

    async def answers() -> bool:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            return (await live.get("shop/web", "shop/api")).status == 200
        return False

    await eventually(answers)
    assert waker.asked


async def test_a_gates_socket_is_the_gateways_alone_and_goes_with_it(
    live: Mesh, waker: Waker
) -> None:
    await live.serve("shop/api", 8080, echo_request)
    waker.awake.set()
    folder = live.host.settings.run_dir / "gateway"

    def sockets() -> set[str]:
        return {path.name for path in folder.iterdir()} - {"xds.sock", "admin.sock"}

    await live.publish("shop/api", "v1")
    assert len(sockets()) == 2
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}

    await live.traffic.withdraw(API.key)
    assert not sockets()

    # The former listener still drains.
    await live.publish("shop/api", "v1")
    assert (await live.get("shop/web", "shop/api")).status == 200
