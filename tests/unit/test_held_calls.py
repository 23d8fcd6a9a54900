"""Who waits, how many, how long, and what they and the gateway are told."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse

from eventually import eventually
from gate_waker import Waker
from spacecloud.drivers.docker.xds.gate import GateServer
from spacecloud.drivers.memory import MemoryGate
from spacecloud.model.gate_calls import CallRefused, Passed, WaitingCalls
from spacecloud.model.gate_limits import (
    BUFFERED_BYTES,
    BUFFERED_HTTP2_BYTES,
    UNSAID_BYTES,
    HeldLimits,
)
from spacecloud.model.refs import ServiceRef

API, WEB = ServiceRef("shop", "api", "v1"), ServiceRef("shop", "web", "v1")


async def knocking(
    gate: MemoryGate, tasks: asyncio.TaskGroup, *refs: ServiceRef
) -> "list[asyncio.Task[Passed | CallRefused]]":
    """Calls that wait already."""
    begun = [tasks.create_task(gate.knock(ref)) for ref in refs]
    await asyncio.sleep(0)
    return begun


async def test_a_call_waits_for_its_answer_and_is_counted_as_long() -> None:
    gate, waker = MemoryGate(), Waker()
    gate.serve_calls(waker)
    async with asyncio.TaskGroup() as tasks:
        first, *_ = await knocking(gate, tasks, API, API, WEB)

        assert {ref: held.calls for ref, held in gate.held().items()} == {API: 2, WEB: 1}
        assert (gate.waiting(API), gate.waiting(WEB)) == (2, 1)
        assert gate.held()[API].oldest_seconds >= gate.held()[WEB].oldest_seconds >= 0
        waker.awake.set()

    assert first.result() == Passed(7)
    assert gate.held() == dict[ServiceRef, WaitingCalls]()
    assert gate.waiting(API) == 0


async def test_who_hangs_up_is_not_counted_any_more() -> None:
    gate, waker = MemoryGate(), Waker()
    gate.serve_calls(waker)
    async with asyncio.TaskGroup() as tasks:
        (waiting,) = await knocking(gate, tasks, API)
        waiting.cancel()

    assert not gate.held()


async def test_before_somebody_answers_calls_are_refused_in_words() -> None:
    answer = await MemoryGate().knock(API)

    assert isinstance(answer, CallRefused)
    assert answer.sentence == ("the control plane has just started and cannot wake shop/api@v1 yet")


async def test_no_call_waits_for_longer_than_one_may() -> None:
    gate = MemoryGate(HeldLimits(seconds=0.01))
    gate.serve_calls(Waker())

    answer = await gate.knock(API)

    assert answer == CallRefused("shop/api@v1 did not wake within 0.01 s", 2)
    assert not gate.held()


@pytest.mark.parametrize(
    ("limits", "ref", "sentence"),
    [
        (HeldLimits(per_service=2), API, "2 calls wait for shop/api, which is all that may"),
        (HeldLimits(in_all=3), WEB, "3 calls wait for services, which is all that may"),
        (HeldLimits(bytes_per_service=9), API, "what waits for shop/api is as large as it may be"),
        (HeldLimits(bytes_in_all=9), WEB, "what waits for services is as large as it may be"),
    ],
)
async def test_beyond_a_limit_a_call_is_refused_and_nobody_is_asked(
    limits: HeldLimits, ref: ServiceRef, sentence: str
) -> None:
    gate, waker, told = MemoryGate(limits), Waker(), list[ServiceRef]()
    gate.serve_calls(waker, told.append)
    async with asyncio.TaskGroup() as tasks:
        others = (API, API) if ref == API else (API, API, ServiceRef("bank", "bill", "v1"))
        waiting = [tasks.create_task(gate.knock(other, body_bytes=3)) for other in others]
        await asyncio.sleep(0)

        assert await gate.knock(ref, body_bytes=4) == CallRefused(sentence, 2)
        assert len(waker.asked) == len(others)
        assert told == [ref]
        waker.awake.set()

    assert [task.result() for task in waiting] == [Passed(7)] * len(others)


async def test_a_limit_of_bytes_refuses_no_call_without_a_body() -> None:
    gate, waker = MemoryGate(HeldLimits(bytes_per_service=0, bytes_in_all=0)), Waker()
    gate.serve_calls(waker)
    waker.awake.set()

    assert await gate.knock(API) == Passed(7)


def question(gate: str, method: str = "GET", **headers: str) -> CheckRequest:
    request = CheckRequest()
    request.attributes.context_extensions["gate"] = gate
    http = request.attributes.request.http
    http.method, http.protocol = method, headers.pop("protocol", "HTTP/1.1")
    for name, value in headers.items():
        http.headers[name.replace("_", "-")] = value
    return request


def headers_of(response: CheckResponse) -> Mapping[str, str]:
    """That the caller gets."""
    ok, denied = response.ok_response.response_headers_to_add, response.denied_response.headers
    return {option.header.key: option.header.value for option in (*ok, *denied)}


async def check(waker: Waker, request: CheckRequest) -> CheckResponse:
    server = GateServer(lambda: 1.0, lambda _: None, lambda: None)
    server.serve_calls(waker)
    return await server.check(request)


async def test_a_passed_call_says_for_how_long_it_was_held() -> None:
    waker = Waker()
    waker.awake.set()

    woken = await check(waker, question("shop/api|gate|v1|8080"))
    waker.passed = Passed(None)
    awake = await check(waker, question("shop/api|gate|v1|8080"))

    assert woken.status.code == awake.status.code == 0
    assert headers_of(woken) == {"space-cloud-wake-ms": "7"}
    assert headers_of(awake) == {}
    assert not woken.ok_response.headers
    assert (waker.asked[0].ref, waker.asked[0].port, waker.asked[0].at) == (API, 8080, 1.0)


async def test_a_refused_call_is_answered_in_what_its_client_reads() -> None:
    waker = Waker(refused=CallRefused('no "memory"', 30, "<h1>"))
    waker.awake.set()

    plain = await check(waker, question("shop/api|gate|v1|8080", accept="*/*"))
    page = await check(waker, question("shop/api|gate|v1|8080", accept="text/html"))
    waker.refused = CallRefused("no page", 1)
    without = await check(waker, question("shop/api|gate|v1|8080", accept="text/html"))

    assert plain.denied_response.status.code == 503
    assert plain.status.code != 0
    assert plain.denied_response.body == '{"error": "no \\"memory\\""}'
    assert headers_of(plain) == {"content-type": "application/json", "retry-after": "30"}
    assert page.denied_response.body == "<h1>"
    assert without.denied_response.body == '{"error": "no page"}'


async def test_a_gate_that_nobody_made_wakes_nobody() -> None:
    waker = Waker()

    answer = await check(waker, question("shop/api|v1|8080"))

    assert answer.denied_response.status.code == 503
    assert not waker.asked


@pytest.mark.parametrize(
    ("method", "headers", "most"),
    [
        ("GET", {}, 0),
        ("POST", {"content_length": "0"}, 0),
        ("POST", {"content_length": "100"}, 100),
        ("POST", {"content_length": "1" + "0" * 12}, BUFFERED_BYTES),
        ("POST", {"transfer_encoding": "chunked"}, UNSAID_BYTES),
        ("POST", {"protocol": "HTTP/2", "content_length": "1" + "0" * 12}, BUFFERED_HTTP2_BYTES),
        ("POST", {"protocol": "HTTP/2"}, UNSAID_BYTES),
        ("GET", {"protocol": "HTTP/2"}, 0),
    ],
)
async def test_a_body_counts_as_what_of_it_the_gateway_has_in_memory(
    method: str, headers: dict[str, str], most: int
) -> None:
    counted: list[int] = []

    class Counting(GateServer):
        async def hold(self, call: object, body_bytes: int = 0) -> Passed | CallRefused:
            counted.append(body_bytes)
            return Passed(None)

    await Counting(lambda: 1.0, lambda _: None, lambda: None).check(
        question("shop/api|gate|v1|8080", method, **headers)
    )

    assert counted == [most]


async def test_each_call_at_a_gate_is_told_before_it_is_answered() -> None:
    calls: list[str] = []
    server = GateServer(lambda: 1.0, lambda _: None, lambda: calls.append("call"))
    asking = asyncio.ensure_future(server.check(question("shop/api|gate|v1|8080")))
    server.serve_calls(Waker())

    def told() -> None:
        assert calls == ["call"]

    await eventually(told)
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_who_hangs_up_at_the_gateway_is_not_counted_any_more() -> None:
    server = GateServer(lambda: 1.0, lambda _: None, lambda: None)
    server.serve_calls(Waker())
    asking = asyncio.ensure_future(server.check(question("shop/api|gate|v1|8080")))

    def waits() -> None:
        assert server.held()

    await eventually(waits)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert not server.held()


def told(
    connection: str, kind: "AccessLogType.ValueType", *, upstream_port: int = 0
) -> StreamAccessLogsMessage:
    message = StreamAccessLogsMessage()
    common = message.tcp_logs.log_entry.add().common_properties
    common.stream_id, common.access_log_type = connection, kind
    common.downstream_local_address.pipe.path = "/gates/db"
    if upstream_port:
        common.upstream_local_address.socket_address.port_value = upstream_port
    return message


async def test_a_connection_that_is_told_again_waits_once_and_is_asked_about_until_it_may() -> None:
    server = GateServer(lambda: 1.0, lambda _: (API, 5432), lambda: None)
    waker, heard = Waker(), asyncio.Queue[StreamAccessLogsMessage]()

    async def messages() -> AsyncIterator[StreamAccessLogsMessage]:
        while True:
            yield await heard.get()

    async def hear(*entries: StreamAccessLogsMessage) -> None:
        for entry in entries:
            heard.put_nowait(entry)

        def all_taken() -> None:
            assert heard.empty()

        await eventually(all_taken)
        await asyncio.sleep(0)

    hearing = asyncio.ensure_future(server.hear(messages()))
    # Envoy's type of a begin is younger than the messages here.
    await hear(told("a", AccessLogType.NotSet))
    assert not server.held()
    server.serve_calls(waker)

    await hear(*[told("a", AccessLogType.TcpPeriodic)] * 3)
    assert len(waker.asked) == server.waiting(API) == 1

    await hear(told("b", AccessLogType.TcpPeriodic, upstream_port=40000))
    assert len(waker.asked) == 1

    await hear(told("a", AccessLogType.TcpConnectionEnd))
    assert not server.held()
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing
