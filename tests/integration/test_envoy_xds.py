"""What Envoy is told, when, and what its answer means: with a real one, and with one that stalls."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import grpc.aio
import pytest
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)

from envoy_host import EnvoyHost, envoy_host
from eventually import BUSY
from mesh_host import (
    Mesh,
    echo_request,
    eventually,
    get,
    greet,
    mesh,
    needs_root,
    receive,
    serving,
    traffic_of,
    utc_now,
)
from mesh_world import POOLS, a_spec, a_world, peers
from spacecloud.drivers.docker.gateway.traffic import EnvoyTraffic
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.drivers.driver import GatewayView
from spacecloud.errors import Terminal, Transient
from spacecloud.mesh.envoy.resources import TYPES
from spacecloud.mesh.envoy.service import service_resources
from spacecloud.mesh.policy import Policy
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import Endpoint, Entry, Face
from spacecloud.settings import Settings

API, WEB = ServiceKey("shop", "api"), ServiceKey("shop", "web")
DB = ServiceKey("shop", "db")
WORLD = a_world({"shop/api": a_spec(), "shop/web": a_spec()})


def face_of(key: ServiceKey) -> Face:
    return Policy(WORLD).face(key)


def one(address: str) -> tuple[Endpoint, ...]:
    return (Endpoint("v1", address),)


class StallingEnvoy:
    """Speaks xDS as Envoy does, and answers when the test says so."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.heard: list[DeltaDiscoveryResponse] = []

    async def subscribe(self, kind: str, *names: str, **kept: str) -> None:
        await self._call.write(
            DeltaDiscoveryRequest(
                type_url=TYPES[kind],  # type: ignore[index]
                resource_names_subscribe=names,
                initial_resource_versions=kept,
            )
        )

    async def hear(self) -> DeltaDiscoveryResponse:
        response: DeltaDiscoveryResponse = await asyncio.wait_for(self._call.read(), 30)
        self.heard.append(response)
        return response

    async def accept(self, response: DeltaDiscoveryResponse) -> None:
        await self._call.write(
            DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        )

    async def refuse(self, response: DeltaDiscoveryResponse, detail: str) -> None:
        request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        request.error_detail.message = detail
        await self._call.write(request)

    async def begin(self, **kept: str) -> None:
        for kind in ("clusters", "listeners"):
            await self.subscribe(kind, "*", **(kept if kind == "clusters" else {}))
            await self.accept(await self.hear())

    async def accept_all(self) -> None:
        """Take whatever comes, asking for endpoints and routes as they are mentioned."""
        while True:
            await self.take(await self.hear())

    async def take(self, response: DeltaDiscoveryResponse) -> None:
        await self.accept(response)
        names = [resource.name for resource in response.resources]
        if response.type_url == TYPES["clusters"] and names:
            await self.subscribe("endpoints", *names)
        if response.type_url == TYPES["listeners"] and names:
            await self.subscribe("routes", *names)


@asynccontextmanager
async def stalling(settings: Settings) -> AsyncIterator[StallingEnvoy]:
    async with grpc.aio.insecure_channel(
        f"unix:{RunDirectory(settings.run_dir).xds_socket}"
    ) as channel:
        call = channel.stream_stream(
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
            request_serializer=DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=DeltaDiscoveryResponse.FromString,
        )()
        yield StallingEnvoy(call)
        call.cancel()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance="x", run=tmp_path, ack_timeout_seconds=1)


@pytest.fixture
async def traffic(settings: Settings) -> AsyncIterator[EnvoyTraffic]:
    served = EnvoyTraffic(settings, utc_now)
    async with served.serve():
        yield served


async def test_without_a_gateway_publishing_fails_with_a_sentence(traffic: EnvoyTraffic) -> None:
    with pytest.raises(Transient, match="the gateway is not connected"):
        await traffic.publish(face_of(API), ())


async def test_a_held_back_acknowledgement_holds_the_publishing(
    settings: Settings, traffic: EnvoyTraffic
) -> None:
    async with stalling(settings) as envoy, asyncio.TaskGroup() as tasks:
        await envoy.begin()
        publishing = tasks.create_task(traffic.publish(face_of(API), one("10.1.1.1")))
        kinds: list[str] = []
        while not publishing.done() and len(kinds) < 4:
            response = await envoy.hear()
            kinds.append(response.type_url.rsplit(".", 1)[1])
            await asyncio.sleep(0.1)
            assert not publishing.done()
            assert traffic.view(API).published is None
            await envoy.take(response)
        await asyncio.wait_for(publishing, 1)

    assert kinds == ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"]
    assert traffic.view(API).published is not None


async def test_no_answer_is_an_error_that_may_be_tried_again(
    settings: Settings, traffic: EnvoyTraffic
) -> None:
    async with stalling(settings) as envoy:
        await envoy.begin()

        with pytest.raises(Transient, match="did not acknowledge shop/api within 1 s"):
            await traffic.publish(face_of(API), ())

        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(envoy.accept_all())
            await traffic.publish(face_of(API), ())
            taking.cancel()


async def test_what_was_not_acknowledged_leaves_a_doubt_about_what_there_was(
    settings: Settings, traffic: EnvoyTraffic
) -> None:
    """Going back to it is a publication like any other: the gateway may hold what it was sent."""
    async with stalling(settings) as envoy:
        await envoy.begin()
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(traffic.publish(face_of(API), one("10.1.1.1")))
            for _ in {kind for kind, _, _ in service_resources(face_of(API), ())}:
                await envoy.take(await envoy.hear())
            await publishing
        before = traffic.view(API).published

        with pytest.raises(Transient, match="did not acknowledge"):
            await traffic.publish(face_of(API), ())
        doubted = traffic.view(API).published
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(envoy.accept_all())
            await traffic.publish(face_of(API), one("10.1.1.1"))
            taking.cancel()

    assert before is not None
    assert before.acknowledged
    assert doubted == replace(before, acknowledged=False)
    assert traffic.view(API).published == before


async def test_a_refusal_is_its_owners_error_and_holds_up_nobody_else(
    settings: Settings,
    traffic: EnvoyTraffic,
) -> None:
    async with stalling(settings) as envoy, asyncio.TaskGroup() as tasks:
        await envoy.begin()
        refused = tasks.create_task(_outcome(traffic.publish(face_of(API), ())))
        response = await envoy.hear()
        accepted = tasks.create_task(traffic.publish(face_of(WEB), ()))
        await envoy.refuse(response, "no such thing")
        taking = tasks.create_task(envoy.accept_all())

        assert isinstance(await refused, Terminal)
        assert "no such thing" in str(await refused)
        await accepted
        taking.cancel()

    for response in envoy.heard:
        assert len({r.name.partition("|")[0] for r in response.resources}) <= 1
    assert traffic.view(API).published is None


async def test_a_push_carries_the_changed_resources_and_no_others(
    settings: Settings, traffic: EnvoyTraffic
) -> None:
    async with stalling(settings) as envoy, asyncio.TaskGroup() as tasks:
        await envoy.begin()
        taking = tasks.create_task(envoy.accept_all())
        for key in (API, WEB):
            await traffic.publish(face_of(key), one("10.1.1.1"))
        envoy.heard.clear()

        await traffic.publish(face_of(API), one("10.1.1.1"))
        assert envoy.heard == []

        await traffic.publish(face_of(API), one("10.1.1.2"))
        assert [r.name for heard in envoy.heard for r in heard.resources] == ["shop/api|v1|8080"]
        envoy.heard.clear()

        face = face_of(API)
        sources = replace(face.sources, blocks=())
        await traffic.publish(replace(face, sources=sources), one("10.1.1.2"))
        kinds = {heard.type_url for heard in envoy.heard}
        assert kinds == {TYPES["routes"]}
        taking.cancel()


async def test_what_an_earlier_process_told_is_left_alone_until_it_is_withdrawn(
    settings: Settings,
    traffic: EnvoyTraffic,
) -> None:
    async with stalling(settings) as envoy, asyncio.TaskGroup() as tasks:
        await envoy.begin(**{"shop/old|v1|8080": "abc", "shop/older|v1|80": "abc"})
        old = ServiceKey("shop", "old")
        await eventually(_holds(lambda: old in traffic.known()))
        assert [list(r.resources) + list(r.removed_resources) for r in envoy.heard] == [[], []]
        taking = tasks.create_task(envoy.accept_all())

        await traffic.withdraw(old)

        assert [list(r.removed_resources) for r in envoy.heard[2:]] == [["shop/old|v1|8080"]]
        assert traffic.known() == {ServiceKey("shop", "older")}
        taking.cancel()


async def test_what_is_refused_after_a_reconnect_is_published_anew(
    settings: Settings, traffic: EnvoyTraffic
) -> None:
    async with stalling(settings) as envoy, asyncio.TaskGroup() as tasks:
        await envoy.begin()
        taking = tasks.create_task(envoy.accept_all())
        for key in (API, WEB):
            await traffic.publish(face_of(key), ())
        taking.cancel()

    async with stalling(settings) as envoy:
        await envoy.subscribe("clusters", "*")
        await envoy.refuse(await envoy.hear(), "one of them is bad")
        for _ in (API, WEB):
            single = await envoy.hear()
            assert len(single.resources) == 1
            bad = single.resources[0].name.startswith("shop/api")
            await (envoy.refuse(single, "this one") if bad else envoy.accept(single))

        await eventually(_holds(lambda: traffic.view(API).published is None))
        assert traffic.view(WEB).published is not None


async def _outcome(doing: Any) -> BaseException | None:
    try:
        await doing
    except (Terminal, Transient) as error:
        return error
    return None


def _holds(condition: Any) -> Any:
    async def holds() -> bool:
        return bool(condition())

    return holds


@needs_root
async def test_envoys_own_words_reach_the_service_that_is_wrong() -> None:
    async with mesh() as live:
        live.world = WORLD
        await live.serve("shop/api", 8080, echo_request)
        good = face_of(WEB)
        bad = replace(good, entries=(Entry("not-an-address", 8080, "http", "v1"),))

        outcomes = await asyncio.gather(
            live.traffic.publish(bad, ()), live.apply(WORLD), return_exceptions=True
        )

        assert isinstance(outcomes[0], Terminal)
        assert "malformed IP address: not-an-address" in str(outcomes[0])
        assert (await live.get("shop/web", "shop/api")).status == 200


@needs_root
async def test_a_dead_control_plane_costs_no_request_and_a_new_one_sends_nothing_twice() -> None:
    async with envoy_host() as host:
        host.network(WORLD.addresses.services[API].subnet)
        replica = str(WORLD.addresses.services[API].subnet[3])
        subnet, vip = WORLD.addresses.services[WEB].subnet, WORLD.addresses.services[API].vip
        listening = host.listen(WORLD.addresses.services[API].subnet, 3, 8080)
        async with serving(listening, echo_request):
            first = traffic_of(host)
            async with first.serve():
                await host.start_envoy()
                for key in (API, WEB):
                    await first.publish(face_of(key), one(replica))
            assert (await get(await host.connect(subnet, vip, 8080))).status == 200

            second = traffic_of(host)
            async with second.serve():
                before = await _updates(host)
                await second.publish(face_of(API), one(replica))
                assert await _updates(host) == before
                assert second.known() == {API, WEB}
                await second.withdraw(WEB)
                assert second.known() == {API}
            assert (await get(await host.connect(subnet, vip, 8080))).status == 200


@needs_root
async def test_a_new_control_plane_revokes_before_it_knows_which_replicas_may_serve() -> None:
    spec = {"shop/db": a_spec("tcp:5432"), "shop/web": a_spec(), "shop/job": a_spec()}
    before = a_world({"shop/api": a_spec(), **spec})
    after = a_world(
        {
            "shop/api": a_spec(whitelists=peers("shop/job")),
            **spec,
            "shop/db": a_spec("tcp:5432", whitelists=peers("shop/job")),
        }
    )
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(envoy_host())
        live = Mesh(host, traffic_of(host), stack, before)
        async with live.traffic.serve():
            await host.start_envoy()
            await live.serve("shop/api", 8080, echo_request)
            await live.serve("shop/db", 5432, greet)
            await live.apply(before)
            assert (await live.get("shop/web", "shop/api")).status == 200

        live.traffic = traffic_of(host)
        async with live.traffic.serve():
            for key in (API, DB):
                face = Policy(after).face(key)
                await live.traffic.publish_policy(face)
                assert live.traffic.view(key) == GatewayView(None, is_held=True, policy=face)

            assert (await live.get("shop/web", "shop/api")).status == 403
            assert await receive(await live.dial("shop/web", "shop/db", 5432), within=BUSY) == b""
            assert (await live.get("shop/job", "shop/api")).status == 200
            assert await receive(await live.dial("shop/job", "shop/db", 5432)) == b"hello\n"

            await live.traffic.publish(Policy(after).face(API), live.endpoints[API])
            assert live.traffic.view(API).policy is None
            assert (await live.get("shop/job", "shop/api")).status == 200


async def _updates(host: EnvoyHost) -> dict[str, int]:
    counted = await host.stats("cluster_manager.cluster_(added|modified|updated)")
    counted |= await host.stats("listener_manager.listener_(added|modified|in_place_updated)")
    return counted


@needs_root
async def test_an_envoy_that_restarts_gets_everything_by_itself() -> None:
    async with mesh() as live:
        live.world = WORLD
        await live.serve("shop/api", 8080, echo_request)
        await live.apply(WORLD)
        await live.host.stop_envoy()
        await live.host.start_envoy()

        async def serves() -> bool:
            try:
                return (await live.get("shop/web", "shop/api")).status == 200
            except (ConnectionError, asyncio.IncompleteReadError):
                return False

        await eventually(serves, within=30)
        await live.traffic.publish(face_of(API), live.endpoints[API])


@needs_root
async def test_one_change_among_a_thousand_services_is_pushed_within_fifty_milliseconds() -> None:
    pools = replace(POOLS, subnet_prefix=28)
    world = a_world({f"p{i % 20}/s{i}": a_spec(8080) for i in range(1000)}, pools)
    policy = Policy(world)
    async with mesh(ack_timeout_seconds=30) as live:
        started = time.perf_counter()
        for key in world.services:
            await live.traffic.publish(policy.face(key), one("10.1.1.1"))
        filled = time.perf_counter() - started

        seconds = []
        for change, key in enumerate(list(world.services)[:100]):
            started = time.perf_counter()
            await live.traffic.publish(policy.face(key), one(f"10.1.1.{change + 2}"))
            seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        await live.traffic.in_flight()
        looked = time.perf_counter() - started

        p99 = quantiles(seconds, n=100)[98]
        print(
            f"\nfill {filled:.2f} s, push p99 {p99 * 1000:.1f} ms, in flight {looked * 1000:.0f} ms"
        )
        # The slowest of a hundred tells of the machine; the middle one tells of the push.
        assert median(seconds) < 0.05 * BUSY
