"""TCP through the gate of a real Envoy: told when it begins, held until a replica listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from envoy_host import envoy_host
from eventually import BUSY
from gate_waker import Waker
from mesh_host import (
    Mesh,
    eventually,
    greet,
    mesh,
    needs_root,
    receive,
    send,
    serving,
    traffic_of,
)
from mesh_world import a_spec, a_world
from spacecloud.mesh.policy import Policy
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.traffic import Endpoint

pytestmark = needs_root

DB = ServiceRef("shop", "db", "v1")
WORLD = a_world(
    {"shop/db": a_spec("tcp:5432"), "shop/web": a_spec(), "shop/job": a_spec(upstreams=[])}
)


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with mesh(listener_drain_seconds=1) as running:
        running.world = WORLD
        # Its network is there, and nothing listens in it.
        running.host.network(running.subnet("shop/db"))
        address = str(running.subnet("shop/db")[3])
        running.endpoints[DB.key] = (Endpoint("v1", address),)
        await running.apply(WORLD)
        yield running


@pytest.fixture
def waker(live: Mesh) -> Waker:
    waker = Waker()
    live.traffic.gate.serve_calls(waker)
    return waker


async def test_a_server_that_speaks_first_is_heard_when_it_listens_at_last(
    live: Mesh, waker: Waker
) -> None:
    await live.publish("shop/db", "v1")
    connection = await live.dial("shop/web", "shop/db", 5432)

    async def asked() -> bool:
        return len(waker.asked) == 1

    await eventually(asked)
    assert (waker.asked[0].ref, waker.asked[0].port) == (DB, 5432)
    assert live.traffic.gate.held()[DB].calls == 1

    listening = live.host.listen(live.subnet("shop/db"), 3, 5432)
    async with serving(listening, greet):
        assert await receive(connection, within=BUSY) == b"hello\n"
        await live.publish("shop/db")
        await send(connection, b"still here")
        assert await receive(connection) == b"still here"


async def test_a_held_connection_goes_where_its_version_goes(live: Mesh, waker: Waker) -> None:
    """To the replica that is there instead, and nowhere when there is none."""
    await live.publish("shop/db", "v1")
    first, second = [await live.dial("shop/web", "shop/db", 5432) for _ in range(2)]

    async def both() -> bool:
        return len(waker.asked) == 2

    await eventually(both)
    async with serving(live.host.listen(live.subnet("shop/db"), 4, 5432), greet):
        live.endpoints[DB.key] = (Endpoint("v1", str(live.subnet("shop/db")[4])),)
        await live.publish("shop/db", "v1")
        assert await receive(first, within=BUSY) == await receive(second, within=BUSY) == b"hello\n"

        first.close()
        second.close()

    lost = await live.dial("shop/web", "shop/db", 5432)
    live.endpoints[DB.key] = ()
    await live.publish("shop/db", "v1")
    assert await receive(lost, within=BUSY) == b""

    async def none_held() -> bool:
        return not live.traffic.gate.held()

    await eventually(none_held)


async def test_a_connection_outlives_both_switches_wherever_it_began(
    live: Mesh, waker: Waker
) -> None:
    waker.awake.set()
    async with serving(live.host.listen(live.subnet("shop/db"), 3, 5432), greet):
        await live.publish("shop/db")
        warm = await live.dial("shop/web", "shop/db", 5432)
        assert await receive(warm) == b"hello\n"
        await live.publish("shop/db", "v1")
        cold = await live.dial("shop/web", "shop/db", 5432)
        assert await receive(cold) == b"hello\n"
        for gated in ([], ["v1"], []):
            await live.publish("shop/db", *gated)
        # A chain that is rewritten closes what it has by then.
        await asyncio.sleep(live.host.settings.listener_drain_seconds + 1)

        for connection in (warm, cold):
            await send(connection, b"still here")
            assert await receive(connection) == b"still here"
        # Each is in flight at the replica, the one through the gate too.
        told = (await live.traffic.in_flight())[-1]
        assert told.replicas[str(live.subnet("shop/db")[3])] == 2


async def test_a_version_is_gated_at_its_own_domain_and_at_the_services(
    live: Mesh, waker: Waker
) -> None:
    await live.publish("shop/db", "v1")
    vips = [live.vip("shop/db"), str(WORLD.addresses.services[DB.key].versions["v1"])]

    for vip in vips:
        connection = await live.host.connect(live.subnet("shop/web"), vip, 5432)
        live.stack.callback(connection.close)

    async def both() -> bool:
        return [call.ref for call in waker.asked] == [DB, DB]

    await eventually(both)


async def test_a_connection_that_policy_refuses_wakes_nobody(live: Mesh, waker: Waker) -> None:
    await live.publish("shop/db", "v1")

    refused = await live.dial("shop/job", "shop/db", 5432)

    assert await receive(refused, within=BUSY) == b""
    assert not waker.asked


async def test_what_a_gateway_held_that_is_gone_does_not_wait_any_more(
    live: Mesh, waker: Waker
) -> None:
    await live.publish("shop/db", "v1")
    await live.dial("shop/web", "shop/db", 5432)

    async def held() -> bool:
        return bool(live.traffic.gate.held())

    async def none_held() -> bool:
        return not live.traffic.gate.held()

    await eventually(held)

    await live.host.stop_envoy()

    await eventually(none_held)


async def test_a_connection_that_began_without_a_control_plane_wakes_once_there_is_one() -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(envoy_host(listener_drain_seconds=1))
        first, second, waker = traffic_of(host), traffic_of(host), Waker()
        live = Mesh(host, first, stack)
        live.world = WORLD
        host.network(live.subnet("shop/db"))
        live.endpoints[DB.key] = (Endpoint("v1", str(live.subnet("shop/db")[3])),)
        async with first.serve():
            await host.start_envoy()
            await live.apply(WORLD)
            await live.publish("shop/db", "v1")
        connection = await live.dial("shop/web", "shop/db", 5432)
        second.gate.serve_calls(waker)

        async def asked() -> bool:
            return [call.ref for call in waker.asked] == [DB]

        async with second.serve():
            await eventually(asked)
            async with serving(host.listen(live.subnet("shop/db"), 3, 5432), greet):
                assert await receive(connection, within=BUSY) == b"hello\n"


async def test_another_version_that_answers_instead_is_not_gated(live: Mesh, waker: Waker) -> None:
    """At the service's own domain it is the version there that counts."""
    both = a_world({"shop/db": {"v1": a_spec("tcp:5432"), "v2": a_spec("tcp:5432")}})
    face = replace(Policy(both).face(DB.key), gates=("v1", "v2"))
    address = str(live.subnet("shop/db")[3])
    async with serving(live.host.listen(live.subnet("shop/db"), 3, 5432), greet):
        await live.traffic.publish(face, (Endpoint("v1", address),), ("v2",))

        vip = str(both.addresses.services[ServiceKey("shop", "db")].vip)
        connection = await live.host.connect(live.subnet("shop/db"), vip, 5432)
        live.stack.callback(connection.close)

        assert await receive(connection) == b"hello\n"
        assert not waker.asked
