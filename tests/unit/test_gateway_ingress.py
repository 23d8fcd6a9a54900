"""What the gateway is told of the outside, and what follows when it refuses: no socket, no Envoy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest

from spacecloud.drivers.docker.gateway.ingress import Ingress
from spacecloud.drivers.docker.xds.ads import Ads
from spacecloud.errors import Terminal
from spacecloud.mesh.envoy.public import SCRATCH_TABLE, TABLE
from spacecloud.mesh.envoy.resources import KINDS, TYPES
from spacecloud.mesh.envoy.spoofable_headers import expression
from spacecloud.model.traffic import IngressTable
from spacecloud.settings import Settings

EXPRESSION = expression("nobody").encode()

OF_AN_EARLIER_RELEASE = (
    f"Error adding/updating listener(s) space-cloud|ingress: regex '{expression('nobody')}' RE2 "
    "program size of 4099 > max program size of 100 set for the error level threshold."
)


@asynccontextmanager
async def an_envoy(ads: Ads, refusal: str) -> AsyncIterator[list[bytes]]:
    """It refuses a listener with the expression; yields those that it took."""
    took: list[bytes] = []

    async def answer() -> None:
        stream = ads.open()
        for kind in KINDS:
            asked = (TABLE, SCRATCH_TABLE) if kind == "routes" else ()
            stream.hear(DeltaDiscoveryRequest(type_url=TYPES[kind], resource_names_subscribe=asked))
        while True:
            response = await stream.outbox.get()
            sent = [r.SerializeToString() for r in response.resources]
            said = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
            if any(EXPRESSION in resource for resource in sent):
                said.error_detail.message = refusal
            elif response.type_url == TYPES["listeners"]:
                took.extend(sent)
            stream.hear(said)

    answering = asyncio.ensure_future(answer())
    yield took
    answering.cancel()


async def test_a_gateway_with_a_smaller_limit_of_expressions_gets_names_in_their_place() -> None:
    ads = Ads(5, print)
    async with an_envoy(ads, OF_AN_EARLIER_RELEASE) as took:
        await Ingress(Settings(), ads).publish(IngressTable())

    assert len(took) == 1


async def test_a_gateway_that_refuses_it_for_another_reason_gets_no_other() -> None:
    ads = Ads(5, print)
    async with an_envoy(ads, "Address already in use") as took:
        with pytest.raises(Terminal, match="Address already in use"):
            await Ingress(Settings(), ads).publish(IngressTable())

    assert took == []
