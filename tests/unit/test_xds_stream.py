"""What is said to Envoy in answer to what it says: no socket, no Envoy."""

import asyncio

import pytest
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)

from spacecloud.drivers.docker.xds.encoding import Message
from spacecloud.drivers.docker.xds.stream import Stream
from spacecloud.errors import Terminal, Transient
from spacecloud.mesh.envoy.resources import TYPES, Kind, typed
from spacecloud.model.lines import LONGEST_MESSAGE
from spacecloud.reasons.platform import GatewayRejected


def a_cluster(name: str, **fields: str) -> Message:
    return Message(name, typed("clusters", {"name": name, **fields}))


def some_endpoints(name: str) -> Message:
    return Message(name, typed("endpoints", {"cluster_name": name}))


class Desk:
    """A conversation, and what it was told to keep."""

    def __init__(self, *desired: Message) -> None:
        self.desired: dict[Kind, dict[str, Message]] = {
            "clusters": {m.name: m for m in desired},
            "endpoints": {},
            "listeners": {},
            "routes": {},
        }
        self.refused: list[tuple[Kind, str, str]] = []
        self.talk = Stream(
            lambda kind: self.desired[kind], lambda *refusal: self.refused.append(refusal)
        )

    def hear(self, kind: Kind, *names: str, **kept: str) -> None:
        self.talk.hear(
            DeltaDiscoveryRequest(
                type_url=TYPES[kind],
                resource_names_subscribe=names,
                initial_resource_versions=kept,
            )
        )

    def answer(self, response: DeltaDiscoveryResponse, refusal: str = "") -> None:
        request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        if refusal:
            request.error_detail.message = refusal
        self.talk.hear(request)

    def sent(self) -> list[DeltaDiscoveryResponse]:
        found = []
        while not self.talk.outbox.empty():
            found.append(self.talk.outbox.get_nowait())
        return found


def names(responses: list[DeltaDiscoveryResponse]) -> list[list[str]]:
    return [[resource.name for resource in response.resources] for response in responses]


async def test_the_first_question_is_answered_even_when_there_is_nothing() -> None:
    desk = Desk()

    desk.hear("clusters", "*")
    desk.hear("clusters", "*")

    assert names(desk.sent()) == [[]]


async def test_what_envoy_kept_is_not_sent_again() -> None:
    same, newer = a_cluster("a/a|1"), a_cluster("a/b|1")
    desk = Desk(same, newer)

    desk.hear("clusters", "*", **{"a/a|1": same.version, "a/b|1": "older", "a/c|1": "unknown"})

    assert names(desk.sent()) == [["a/b|1"]]
    assert desk.talk.held["clusters"].keys() == {"a/a|1", "a/b|1", "a/c|1"}


async def test_endpoints_are_sent_when_asked_for_and_again_when_asked_again() -> None:
    desk = Desk()
    desk.desired["endpoints"] = {"a/a|1": some_endpoints("a/a|1")}

    desk.hear("endpoints", "a/a|1", "a/b|1")
    desk.hear("endpoints", "a/a|1")

    assert names(desk.sent()) == [["a/a|1"], ["a/a|1"]]


async def test_a_refusal_of_several_is_traced_by_sending_each_alone() -> None:
    good, bad = a_cluster("a/a|1"), a_cluster("b/b|1")
    desk = Desk(good, bad)
    desk.hear("clusters", "*")
    (both,) = desk.sent()

    desk.answer(both, "one is bad")
    first, second = desk.sent()
    desk.answer(first)
    desk.answer(second, "this one")

    assert names([first, second]) == [["a/a|1"], ["b/b|1"]]
    assert desk.talk.held["clusters"] == {"a/a|1": good.version, "b/b|1": ""}
    assert desk.refused == [("clusters", "b/b|1", "this one")]


async def test_whoever_waits_hears_the_refusal() -> None:
    message = a_cluster("a/a|1")
    desk = Desk(message)
    desk.hear("clusters", "*")
    desk.sent()
    bringing = asyncio.ensure_future(
        desk.talk.bring("clusters", {message.name: a_cluster("a/a|1", alt_stat_name="x")})
    )
    await asyncio.sleep(0)

    desk.answer(desk.sent()[0], "no")

    with pytest.raises(Terminal, match="the gateway refuses it: no"):
        await bringing
    assert desk.refused == []


async def test_an_expression_that_is_too_large_is_told_apart_however_long_it_is() -> None:
    expression = "a|" * LONGEST_MESSAGE
    words = f"regex '{expression}' RE2 program size of 4099 > max program size of 100"

    assert (await _refusal(words)).exceeded == "regex size"
    assert (await _refusal("no")).exceeded == ""


async def _refusal(words: str) -> GatewayRejected:
    """What whoever waits is told when Envoy refuses in these words."""
    desk, wanted = Desk(), a_cluster("a/a|1")
    desk.hear("clusters", "*")
    desk.sent()
    bringing = asyncio.ensure_future(desk.talk.bring("clusters", {wanted.name: wanted}))
    await asyncio.sleep(0)
    desk.answer(desk.sent()[0], words)
    with pytest.raises(Terminal) as refused:
        await bringing
    assert isinstance(refused.value.reason, GatewayRejected)
    return refused.value.reason


async def test_a_changed_cluster_brings_its_endpoints_again() -> None:
    desk = Desk()
    old, load = a_cluster("a/a|1"), some_endpoints("a/a|1")
    desk.hear("clusters", "*", **{old.name: old.version})
    desk.hear("endpoints", load.name, **{load.name: load.version})
    desk.sent()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_bring(desk, a_cluster("a/a|1", alt_stat_name="x"), load))
        for _ in range(2):
            await asyncio.sleep(0)
            (response,) = desk.sent()
            desk.answer(response)
            await asyncio.sleep(0)

    assert desk.talk.held["endpoints"] == {load.name: load.version}


async def _bring(desk: Desk, cluster: Message, load: Message) -> None:
    await desk.talk.bring("clusters", {cluster.name: cluster})
    await desk.talk.bring("endpoints", {load.name: load})


async def test_the_end_of_the_conversation_is_the_end_of_waiting() -> None:
    desk = Desk()
    removing = asyncio.ensure_future(desk.talk.remove("clusters", ["a/a|1"]))
    await asyncio.sleep(0)

    desk.talk.close()

    with pytest.raises(Transient):
        await removing
    with pytest.raises(Transient):
        await desk.talk.remove("clusters", ["a/a|1"])


async def test_nothing_is_decided_before_envoy_has_said_what_it_holds() -> None:
    desk = Desk()
    waiting = asyncio.ensure_future(desk.talk.introduced())

    desk.hear("clusters", "*")
    await asyncio.sleep(0)
    assert not waiting.done()
    desk.hear("listeners", "*")

    await asyncio.wait_for(waiting, 1)


async def test_what_envoy_turns_out_to_hold_already_is_as_good_as_acknowledged() -> None:
    load = some_endpoints("a/a|1")
    desk = Desk()
    desk.desired["endpoints"] = {load.name: load}
    bringing = asyncio.ensure_future(desk.talk.bring("endpoints", {load.name: load}))
    await asyncio.sleep(0)

    desk.hear("endpoints", load.name, **{load.name: load.version})

    await asyncio.wait_for(bringing, 1)
    assert desk.sent() == []
