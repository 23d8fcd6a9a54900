"""Load as a real Envoy reports it, against what a client and a server know of it themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from statistics import mean

import pytest
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest

from envoy_host import envoy_host
from eventually import BUSY
from mesh_host import (
    Mesh,
    eventually,
    greet,
    mesh,
    needs_root,
    receive,
    traffic_of,
    utc_now,
)
from mesh_world import a_spec, a_world
from spacecloud.drivers.docker.xds.load_reports import (
    CALM,
    DRAINING,
    RESTING,
    LoadReports,
)
from spacecloud.model.gate_calls import HeldCall, Passed
from spacecloud.model.load import LoadReport
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import Endpoint, HostPortAccess

pytestmark = needs_root

API, DB = ServiceKey("shop", "api"), ServiceKey("shop", "db")
WORLD = a_world({"shop/api": a_spec(8080), "shop/db": a_spec("tcp:5432"), "shop/web": a_spec()})
RETRY_SECONDS = 5
"""After which Envoy looks for a control plane that has gone, to report to it."""


class Worker:
    """Answers after as many seconds as the path says, and knows how much it had in hand when."""

    def __init__(self) -> None:
        self.requests = 0
        self._in_hand = 0
        self._area, self._since = 0.0, time.perf_counter()

    @property
    def area(self) -> float:
        """Seconds that requests have spent here, all together, until now."""
        now = time.perf_counter()
        self._area += self._in_hand * (now - self._since)
        self._since = now
        return self._area

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            with self._one():
                await asyncio.sleep(float(head.split()[1].decode()[1:]))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()

    @contextmanager
    def _one(self) -> Iterator[None]:
        self.requests += 1
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        self._area, self._in_hand = self.area, self._in_hand + by


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
async def live(worker: Worker) -> AsyncIterator[Mesh]:
    async with mesh() as running:
        await served(running, worker)
        yield running


async def served(live: Mesh, worker: Worker) -> None:
    live.world = WORLD
    await live.serve("shop/api", 8080, worker)
    await live.serve("shop/db", 5432, greet)
    await live.apply(WORLD)


async def reports(live: Mesh, seconds: float) -> list[LoadReport]:
    """For so long, from the next report on."""
    heard, found = live.traffic.load_reports(), list[LoadReport]()
    async with asyncio.timeout(seconds * BUSY + 30):
        await anext(heard)
        while sum(report.seconds for report in found) < seconds:
            found.append(await anext(heard))
    return found


async def keep_calling(live: Mesh, path: str) -> None:
    """One request after the other, on a connection of their own."""
    connection = await live.dial("shop/web", "shop/api", 8080)
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        while True:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: api\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


def active(found: Iterable[LoadReport], address: str) -> float:
    return mean(r.replicas[address].active if address in r.replicas else 0.0 for r in found)


@pytest.mark.parametrize(
    ("path", "callers", "seconds", "draining"),
    [
        # Reported at each 50 ms, so that a few seconds hold enough readings of the gauge.
        pytest.param("/0.005", 3, 4, True, id="5 ms"),
        pytest.param("/2", 4, 4, False, id="2 s"),
    ],
)
async def test_the_mean_of_what_is_in_flight_is_that_of_the_work(
    live: Mesh, worker: Worker, path: str, callers: int, seconds: int, *, draining: bool
) -> None:
    replica = str(live.subnet("shop/api")[3])
    live.endpoints[DB] = (Endpoint("v1", str(live.subnet("shop/db")[3]), draining),)
    await live.apply(live.world)
    async with asyncio.TaskGroup() as tasks:
        calling = [tasks.create_task(keep_calling(live, path)) for _ in range(callers)]
        await eventually(lambda: _issued(live, replica))
        began, area, answered = time.perf_counter(), worker.area, worker.requests
        found = await reports(live, seconds)
        elapsed = time.perf_counter() - began
        for one in calling:
            one.cancel()

    by_work = (worker.area - area) / elapsed
    told = active(found, replica)
    rate = sum(r.replicas[replica].issued for r in found if replica in r.replicas) / sum(
        r.seconds for r in found
    )
    print(f"\nin flight: told {told:.2f}, by the work itself {by_work:.2f}; {rate:.0f} per second")
    # Envoy's own time and the network's are in what it tells.
    assert by_work * 0.7 < told < callers * 1.05
    assert rate == pytest.approx((worker.requests - answered) / elapsed, rel=0.5)


async def _issued(live: Mesh, replica: str) -> bool:
    return (await live.in_flight()).get(replica, 0) > 0


async def test_a_tcp_connection_is_in_flight_until_it_is_closed(live: Mesh) -> None:
    replica = str(live.subnet("shop/db")[3])
    connections = [await live.dial("shop/web", "shop/db", 5432) for _ in range(3)]
    assert {await receive(connection) for connection in connections} == {b"hello\n"}

    [first] = await reports(live, 0.5)

    assert first.replicas.keys() == {replica}
    assert first.replicas[replica].active == pytest.approx(3.0)
    assert first.replicas[replica].issued == 0
    for connection in connections:
        connection.close()
    await eventually(lambda: _is_idle(live, replica))


async def test_a_kept_connection_without_a_request_is_nothing_in_flight(
    live: Mesh,
) -> None:
    connection = await live.dial("shop/web", "shop/api", 8080)
    reader, writer = await asyncio.open_connection(sock=connection)
    writer.write(b"GET /0 HTTP/1.1\r\nhost: api\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    assert await live.in_flight() == {}

    writer.close()
    await writer.wait_closed()


async def _is_idle(live: Mesh, address: str) -> bool:
    return not (await live.in_flight()).get(address)


async def test_while_something_drains_two_reports_are_there_before_the_next_look(
    live: Mesh,
) -> None:
    """And then Envoy reports as seldom as before."""
    slow = asyncio.ensure_future(live.get("shop/web", "shop/api", path="/0.3"))
    old, new = (str(live.subnet("shop/api")[host]) for host in (3, 4))
    await eventually(lambda: _issued(live, old))
    live.endpoints[API] = (Endpoint("v1", old, draining=True), Endpoint("v1", new))
    await live.apply(live.world)
    acknowledged = utc_now()

    async def two_idle() -> bool:
        told = [r for r in await live.traffic.in_flight() if r.since >= acknowledged]
        idle = [r for r in told if not r.replicas.get(old)]
        busy = [r for r in told if r.replicas.get(old)]
        return len(idle) >= 2 and bool(busy)

    await eventually(two_idle)
    assert (await slow).status == 200
    told = [r for r in await live.traffic.in_flight() if r.since >= acknowledged]
    assert min(r.at - r.since for r in told) < 2 * DRAINING

    live.endpoints[API] = (Endpoint("v1", new),)
    await live.apply(live.world)

    async def seldom() -> bool:
        last = (await live.traffic.in_flight())[-1]
        return last.at - last.since > timedelta(seconds=0.9)

    await eventually(seldom)


async def test_what_drains_is_told_and_what_was_removed_is_not(live: Mesh) -> None:
    """So a replica is drained before it is removed, and not after."""
    replica = str(live.subnet("shop/db")[3])
    connection = await live.dial("shop/web", "shop/db", 5432)
    assert await receive(connection) == b"hello\n"

    live.endpoints[DB] = (Endpoint("v1", replica, draining=True),)
    await live.apply(live.world)
    assert await live.in_flight() == {replica: 1}

    live.endpoints[DB] = ()
    await live.apply(live.world)
    assert await live.in_flight() == {}


async def test_what_sleeps_is_left_out_until_it_is_called(
    live: Mesh, heard: list[list[str]]
) -> None:
    """So that Envoy and the control plane do nothing for it."""
    replica = str(live.subnet("shop/api")[3])
    await live.publish("shop/api", "v1")
    live.traffic.gate.serve_calls(passed)

    await eventually(lambda: _is_reported(heard, API))
    await eventually(lambda: _is_left_out(heard, API), within=CALM.total_seconds() * BUSY)
    assert await _is_reported(heard, DB)
    slow = asyncio.ensure_future(live.get("shop/web", "shop/api", path="/3"))
    await eventually(lambda: _issued(live, replica))

    assert (await slow).status == 200
    await live.publish("shop/api")
    await eventually(lambda: _is_reported(heard, API))


async def test_while_all_sleeps_reports_are_rare_and_a_call_is_told_at_once(live: Mesh) -> None:
    # The platform's own never sleep, and nobody waits for what is told of them.
    await live.traffic.publish_host_ports((HostPortAccess(22, ("10.120.0.0/16",)),))
    for name in ("shop/api", "shop/db", "shop/web"):
        await live.publish(name, "v1")
    live.traffic.gate.serve_calls(passed)
    reported = live.traffic.load_reports()
    async with asyncio.timeout((CALM + RESTING).total_seconds() * BUSY):
        while (await anext(reported)).seconds < RESTING.total_seconds() - 1:
            pass
    replica = str(live.subnet("shop/api")[3])
    slow = asyncio.ensure_future(live.get("shop/web", "shop/api", path="/5"))

    async with asyncio.timeout(RESTING.total_seconds() * BUSY):
        report = await anext(reported)
        while report.seconds > RESTING.total_seconds() / 2 or replica not in report.replicas:
            report = await anext(reported)

    assert not slow.done(), "it was told when it was over"
    assert report.replicas[replica].active > 0
    assert (await slow).status == 200


async def passed(_call: HeldCall) -> Passed:
    return Passed(None)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Names of the clusters in each message."""
    names, hear = list[list[str]](), LoadReports.hear

    def note(loads: LoadReports, request: LoadStatsRequest) -> None:
        names.append([cluster.cluster_name for cluster in request.cluster_stats])
        hear(loads, request)

    monkeypatch.setattr(LoadReports, "hear", note)
    return names


async def _is_reported(heard: list[list[str]], key: ServiceKey) -> bool:
    return bool(heard) and any(name.startswith(f"{key}|") for name in heard[-1])


async def _is_left_out(heard: list[list[str]], key: ServiceKey) -> bool:
    return bool(heard) and not await _is_reported(heard, key)


async def test_a_control_plane_that_comes_back_is_told_of_the_time_between(
    worker: Worker,
) -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(envoy_host())
        first, second = traffic_of(host), traffic_of(host)
        live = Mesh(host, first, stack)
        async with first.serve():
            await host.start_envoy()
            await served(live, worker)
            await reports(live, 1.5)
        live.traffic = second
        for _ in range(4):
            assert (await live.get("shop/web", "shop/api", path="/0.001")).status == 200
        async with second.serve():
            heard = second.load_reports()
            # Until there are reports: by a poll, of this moment.
            [polled] = await second.in_flight()
            assert polled.since == polled.at

            report = await asyncio.wait_for(anext(heard), RETRY_SECONDS * BUSY)

            assert report.seconds > 1
            assert report.replicas[str(live.subnet("shop/api")[3])].issued == 4


async def test_a_gateway_of_an_earlier_release_reports_nothing_and_is_polled(
    worker: Worker,
) -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(envoy_host())
        host.heap_bytes = None
        live = Mesh(host, traffic_of(host), stack)
        async with live.traffic.serve():
            await host.start_envoy()
            await served(live, worker)
            connection = await live.dial("shop/web", "shop/db", 5432)
            assert await receive(connection) == b"hello\n"

            [polled] = await live.traffic.in_flight()

            assert polled.replicas[str(live.subnet("shop/db")[3])] == 1
            heard = live.traffic.load_reports()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(heard), 2)
