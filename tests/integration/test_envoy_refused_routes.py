"""One ingress route never breaks another, nor the API: with a real Envoy, and its own refusals."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from envoy_host import HTTP_PORT
from eventually import eventually
from ingress_host import (
    WORLD,
    a_server_that_says_api,
    begin,
    local,
    outside,
    routes,
)
from mesh_host import Mesh, get, mesh, needs_root, traffic_of
from spacecloud.errors import InvalidSpec
from spacecloud.ingress.mistakes import check
from spacecloud.model.routing import IngressRoute
from spacecloud.model.traffic import HeaderEdit, IngressRule, IngressTable

pytestmark = [needs_root, pytest.mark.attack]

TOO_LONG = HeaderEdit("x", "v" * 20_000, "set")
"""Envoy takes 16,384 bytes; a document with it is not accepted, so it is planted."""

SECONDS_FOR_A_THOUSAND = 10


def refused_by_envoy(rule: IngressRule) -> IngressRule:
    return replace(rule, request_headers=(TOO_LONG,))


def many(count: int) -> list[IngressRule]:
    return list(routes(*({"source": {"url": f"/r{n}"}} for n in range(count))).rules)


@asynccontextmanager
async def a_gateway_and_an_api() -> AsyncIterator[Mesh]:
    async with mesh() as live:
        await begin(live)
        async with a_server_that_says_api(live):
            yield live


async def test_the_api_and_the_good_routes_answer_whatever_envoy_refuses() -> None:
    good, bad = routes({"source": {"url": "/good"}}, {"source": {"url": "/bad"}}).rules
    table = IngressTable((good, refused_by_envoy(bad)))
    async with a_gateway_and_an_api() as live:
        refused = await live.traffic.publish_ingress(table)

        assert refused.keys() == {bad.id}
        assert "the gateway refuses it" in refused[bad.id]
        await serves_the_rest(live)
        await live.host.stop_envoy()
        await live.host.start_envoy()
        await eventually(lambda: serves_the_rest(live))


async def test_a_new_control_plane_and_a_new_gateway_serve_the_rest() -> None:
    """What a reboot does: neither remembers that anything was refused."""
    good, bad = routes({"source": {"url": "/good"}}, {"source": {"url": "/bad"}}).rules
    table = IngressTable((good, refused_by_envoy(bad)))
    async with a_gateway_and_an_api() as live:
        await live.traffic.publish_ingress(table)
        await live.host.stop_envoy()

        again = traffic_of(live.host)
        async with again.serve():
            await live.host.start_envoy()
            live.traffic = again
            refused = await again.publish_ingress(table)
            await live.apply(WORLD)

            assert refused.keys() == {bad.id}
            await eventually(lambda: serves_the_rest(live))


async def test_the_api_answers_though_envoy_refuses_every_table() -> None:
    """The table alone is refused: here the live resource itself is one that Envoy has refused."""
    async with a_gateway_and_an_api() as live:
        refused = await live.traffic.publish_ingress(
            IngressTable(tuple(map(refused_by_envoy, many(8))))
        )

        assert len(refused) == 8
        assert (await local(live, "/v1/config/env")).body == b"api"
        assert (await outside(live, "/r1")).status == 404


async def serves_the_rest(live: Mesh) -> None:
    try:
        api, good = await local(live, "/v1/config/env"), await outside(live, "/good")
        bad = await outside(live, "/bad")
    except (OSError, asyncio.IncompleteReadError) as error:
        raise AssertionError(error) from error
    assert api.body == b"api"
    assert (good.status, bad.status) == (200, 404)


@pytest.mark.parametrize("place", [0, 517, 999])
async def test_of_a_thousand_routes_one_is_left_out_within_seconds(place: int) -> None:
    rules = many(1000)
    rules[place] = refused_by_envoy(rules[place])
    async with mesh(ack_timeout_seconds=10) as live:
        await begin(live)
        started = time.monotonic()

        refused = await live.traffic.publish_ingress(IngressTable(tuple(rules)))

        assert time.monotonic() - started < SECONDS_FOR_A_THOUSAND
        assert refused.keys() == {rules[place].id}
        served = rules[500].url
        assert (await outside(live, served)).status == 200
        answered = await answers(live)
        assert (await live.traffic.publish_ingress(IngressTable(tuple(rules)))) == refused
        assert await answers(live) == answered, "what is known to be refused is not tried again"


async def test_a_route_that_is_refused_and_mended_is_served() -> None:
    (rule,) = many(1)
    async with mesh() as live:
        await begin(live)
        assert await live.traffic.publish_ingress(IngressTable((refused_by_envoy(rule),)))

        assert await live.traffic.publish_ingress(IngressTable((rule,))) == {}

        assert (await outside(live, rule.url)).status == 200


async def answers(live: Mesh) -> int:
    """How many route tables Envoy has taken or refused."""
    counted = await live.host.stats("http.ingress.rds.*update_(success|rejected)")
    assert counted
    return sum(counted.values())


METHODS = [f"METHOD{chr(ord('A') + n)}X" for n in range(26)]
"""26 names of 8 letters."""

TOO_MUCH: list[dict[str, Any]] = [
    {"modify": {"headers": [{"key": f"x{n}", "value": "1"} for n in range(1001)]}},
    {"modify": {"headers": [{"key": "x", "value": "v" * 20_000}]}},
    {"modify": {"headers": [{"key": "x", "value": "%" * 8_000}]}},
    {"modify": {"headers": [{"key": "k" * 20_000, "value": "1"}]}},
    {"modify": {"resHeaders": [{"key": "k" * 20_000, "op": "del"}]}},
    {"source": {"url": "/", "hosts": ["h" * 300]}},
    {"source": {"url": "/", "hosts": [f"h{n}.example" for n in range(1001)]}},
    {"source": {"url": "/", "methods": [f"M{'X' * n}" for n in range(60)]}},
    {"source": {"url": "/" + "u" * 20_000}},
]

MUCH: list[dict[str, Any]] = [
    {"source": {"url": "/much", "methods": [*METHODS, "GET"]}},
    {"source": {"url": "/much", "rewrite": "/"}},
    {"source": {"url": "/much"}, "rule": {"rule": "x" * 4_000}},
    {"source": {"url": "/much"}, "rule": {"rule": "\U0001f600" * 4_000}},
    {
        "source": {"url": "/much"},
        "modify": {"headers": [{"key": f"x{n}", "value": "%" * 100} for n in range(99)]},
    },
    {"source": {"url": "/much", "hosts": ["*", *(f"h{n}.example" for n in range(99))]}},
]


@pytest.mark.parametrize("document", TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_what_envoy_would_refuse_is_not_accepted(document: dict[str, Any]) -> None:
    targets = [{"host": "web.shop.svc.cluster.local", "port": 8080}]

    with pytest.raises(InvalidSpec):
        check(IngressRoute.model_validate({"targets": targets, **document}))


async def test_what_is_accepted_is_served() -> None:
    targets = [{"host": "web.shop.svc.cluster.local", "port": 8080}]
    async with mesh() as live:
        await begin(live)
        for document in MUCH:
            check(IngressRoute.model_validate({"targets": targets, **document}))

            assert await live.traffic.publish_ingress(routes(document)) == {}

            expected = 403 if "rule" in document else 200
            assert (await outside(live, "/much")).status == expected
        long = "/" + "u" * 7_000
        assert (
            await live.traffic.publish_ingress(routes({"source": {"url": long, "rewrite": "/"}}))
            == {}
        )
        assert (await outside(live, f"{long}/x")).json["path"] == "/x"


async def test_nobody_chooses_the_routes_that_answer() -> None:
    """The scope is found from the path alone; a header of that name is overwritten."""
    async with a_gateway_and_an_api() as live:
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        forged = {"x-space-cloud-scope": "api"}

        there = await outside(live, "/v1/configured", **forged)
        here = await local(live, "/x", **forged)
        table = await local(live, "/docs", **{"x-space-cloud-scope": "table"})

        assert (there.status, here.status, table.body) == (200, 200, b"api")
        assert "x-space-cloud-scope" not in there.json["headers"]
        assert "x-space-cloud-scope" not in here.json["headers"]


async def test_a_request_without_a_path_reaches_nothing() -> None:
    async with mesh() as live:
        await begin(live)
        await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
        connection = await live.host.connect_locally("127.0.0.1", HTTP_PORT)

        answer = await get(connection, "api:80", method="CONNECT")

        assert answer.status == 404
