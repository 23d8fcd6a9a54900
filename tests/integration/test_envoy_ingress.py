"""The outside's way in, through a real Envoy: routes, the API's paths, and what cannot be forged."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import connect as websocket
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from envoy_host import HTTP_PORT, envoy_host, inside
from eventually import eventually
from ingress_host import WORLD, a_server_that_says_api, begin, local, outside, routes, the_api
from mesh_host import (
    Mesh,
    echo_request,
    mesh,
    needs_root,
    serving,
    traffic_of,
)
from spacecloud.errors import Terminal

pytestmark = needs_root


@pytest.fixture
async def live() -> AsyncIterator[Mesh]:
    async with mesh() as running:
        await begin(running)
        yield running


@pytest.mark.parametrize(
    ("source", "asked", "seen"),
    [
        ({"url": "/"}, "/x?q=1", "/x?q=1"),
        ({"url": "/api"}, "/api/x", "/api/x"),
        ({"url": "/api", "rewrite": "/"}, "/api/x?q=1", "/x?q=1"),
        ({"url": "/api", "rewrite": "/"}, "/api", "/"),
        ({"url": "/api", "rewrite": "/v2"}, "/api/x", "/v2/x"),
        ({"url": "/api", "rewrite": "/v2"}, "/api", "/v2"),
        ({"url": "/api/", "rewrite": "/v2/"}, "/api/x", "/v2/x"),
        ({"url": "/", "rewrite": "/v2"}, "/x", "/v2/x"),
        ({"url": "/a.b", "rewrite": "/"}, "/a.b/x", "/x"),
        ({"url": "/a", "type": "exact", "rewrite": "/b/c"}, "/a", "/b/c"),
    ],
)
async def test_the_callee_sees_the_path_that_the_route_makes(
    live: Mesh, source: dict[str, Any], asked: str, seen: str
) -> None:
    await live.traffic.publish_ingress(routes({"source": source}))

    answer = await outside(live, asked)

    assert (answer.status, answer.json["path"]) == (200, seen)


async def test_what_no_route_matches_is_answered_with_a_sentence(live: Mesh) -> None:
    await live.traffic.publish_ingress(
        routes(
            {"source": {"url": "/api", "methods": ["POST"]}},
            {"source": {"url": "/exact", "type": "exact"}},
            {"source": {"url": "/host", "hosts": ["shop.example", "*.wide.example"]}},
            {
                "source": {"url": "/gone"},
                "targets": [{"host": "no.shop.svc.cluster.local", "port": 1}],
            },
        )
    )

    assert (await outside(live, "/api", method="POST")).status == 200
    assert (await outside(live, "/exact")).status == 200
    assert (await outside(live, "/host", host="shop.example:4122")).status == 200
    assert (await outside(live, "/host", host="a.wide.example")).status == 200
    for path in ("/api", "/apix", "/exact/x", "/host"):
        answer = await outside(live, path)
        assert answer.status == 404
        assert answer.json["error"].startswith("no ingress route leads")
    gone = await outside(live, "/gone")
    assert gone.status == 503
    assert "leads to no service that is declared" in gone.json["error"]


@pytest.mark.parametrize(
    "path",
    [
        *("/admin", "/admin/", "/admin/x", "//admin", "/x/../admin", "/%61dmin"),
        *("/x%2f..%2fadmin/y", "/ADMIN", "/Admin/x", "/admin;x", "/admin;x=1/y", "/admin%3Bx"),
        *("/admin%20", "/admin%20/x", "/Admin;"),
    ],
)
async def test_no_spelling_of_a_path_gets_round_a_denied_route(live: Mesh, path: str) -> None:
    await live.traffic.publish_ingress(
        routes({"source": {"url": "/"}}, {"source": {"url": "/admin"}, "rule": {"rule": "deny"}})
    )

    answer = await outside(live, path)

    assert answer.status == 403
    assert "rule: deny" in answer.json["error"]
    for other in ("/adminx", "/admi", "/x/admin", "/administration;x", "/admin-x"):
        assert (await outside(live, other)).status == 200


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/queues/%2F/orders?x=%2f", "/queues/%2F/orders?x=%2f"),
        ("/queues/@scope%2fname", "/queues/@scope%2fname"),
        ("/queues/a%5Cb", "/queues/a%5Cb"),
        ("/queues/https%3A%2F%2Fe.com", "/queues/https%3A%2F%2Fe.com"),
        ("/moved/%2F", "/q/%2F"),
        # The route's own url has to be there letter by letter.
        ("/%71ueues/a%2Fb", "/queues/a%2Fb"),
        ("/x%2f..%2fqueues/a%2Fb", "/queues/a/b"),
        ("/queues%2Fa%2Fb", "/queues/a/b"),
        # What dot segments could be read as is not kept.
        ("/queues/a%2F..%2Fb", "/queues/b"),
        ("/queues/..%3B%2Fb", "/queues/..%3B%2Fb"),
        # Other routes get what they got.
        ("/x/%2F/y", "/x/y"),
        ("/x%2Fy?to=%2Fhome", "/x/y?to=%2Fhome"),
        ("/x%2f%2e%2e%2f%2E/y%5c", "/y/"),
        ("/x/..%2f..%2f..", "/"),
        ("/x?to=%2Fhome", "/x?to=%2Fhome"),
    ],
)
async def test_a_route_may_keep_escaped_slashes(live: Mesh, asked: str, seen: str) -> None:
    kept = {"escapedSlashes": "keep"}
    await live.traffic.publish_ingress(
        routes(
            {"source": {"url": "/"}},
            {"source": {"url": "/queues", **kept}},
            {"source": {"url": "/moved", "rewrite": "/q", **kept}},
        )
    )

    assert (await outside(live, asked)).json["path"] == seen


@pytest.mark.parametrize(
    "path",
    [
        *("/admin%2Fx", "/x%2f..%2fadmin", "/x%2f%2e%2e%2Fadmin/", "/%2fadmin", "/x%5c..%5cadmin"),
        *("/x/..;/admin", "/x%2f..;y%2fadmin", "/x/.;/..;a=b/admin/"),
        *("/%2e%2e%2Fadmin", "/x/..%2fadmin%2f", "//x%2F..//admin%2F", "/.%2fadmin", "/admin/%2F"),
    ],
)
async def test_a_route_that_keeps_escaped_slashes_opens_no_denied_path(
    live: Mesh, path: str
) -> None:
    await live.traffic.publish_ingress(
        routes(
            {"source": {"url": "/", "escapedSlashes": "keep"}},
            {"source": {"url": "/admin"}, "rule": {"rule": "deny"}},
        )
    )

    assert (await outside(live, path)).status == 403


async def test_what_the_outside_says_of_itself_is_dropped(live: Mesh) -> None:
    await live.traffic.publish_ingress(
        routes({"source": {"url": "/"}, "modify": {"headers": [{"key": "x-set", "value": "50%"}]}})
    )

    answer = await outside(
        live,
        "/",
        x_forwarded_for="9.9.9.9",
        x_forwarded_proto="https",
        x_forwarded_host="evil",
        x_real_ip="9.9.9.9",
        forwarded="for=9.9.9.9",
        x_envoy_original_path="/evil",
        x_own="kept",
    )

    seen = answer.json["headers"]
    assert seen["x-forwarded-for"] == str(live.subnet("shop/api")[2])
    assert (seen["x-forwarded-proto"], seen["x-own"], seen["x-set"]) == ("http", "kept", "50%")
    assert not {"x-forwarded-host", "x-real-ip", "forwarded"} & seen.keys()
    assert not [name for name in seen if name.startswith("x-envoy")]


async def test_several_targets_share_by_weight(live: Mesh) -> None:
    await live.serve("shop/api", 8080, echo_request)
    await live.apply(WORLD)
    targets = [
        {"host": f"{name}.shop.svc.cluster.local", "port": 8080, "weight": weight}
        for name, weight in (("web", 50), ("api", 50))
    ]
    await live.traffic.publish_ingress(routes({"source": {"url": "/"}, "targets": targets}))

    answers = [await outside(live, "/") for _ in range(20)]

    assert {answer.status for answer in answers} == {200}


async def test_a_websocket_passes(live: Mesh) -> None:
    async def repeat(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve_websocket(repeat, sock=live.bind("shop/api", 8080)):
        await live.apply(WORLD)
        target = [{"host": "api.shop.svc.cluster.local", "port": 8080}]
        await live.traffic.publish_ingress(routes({"source": {"url": "/ws"}, "targets": target}))
        connection = await live.host.connect_locally("127.0.0.1", HTTP_PORT)

        async with websocket("ws://shop/ws", sock=connection, proxy=None) as chat:
            await chat.send("hello")
            assert await chat.recv() == "hello"


async def test_the_api_answers_on_loopback_and_to_nobody_else(live: Mesh) -> None:
    await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))

    down = await local(live, "/v1/config/login")
    async with a_server_that_says_api(live):
        here, there = await local(live, "/v1/config/login"), await outside(live, "/v1/config/login")
        other = await local(live, "/v1/other")

    assert down.status == 503
    assert "the control plane does not answer" in down.json["error"]
    assert "space-cloud start" in down.json["error"]
    assert here.body == b"api"
    assert there.status == 403
    assert "--expose-api" in there.json["error"]
    assert other.json["path"] == "/v1/other"


@pytest.mark.parametrize("path", ["/v1/config/login?x", "/v1/config/projects/shop", "/v1/runner/x"])
async def test_no_route_for_more_leads_a_path_of_the_api_to_a_service(
    live: Mesh, path: str
) -> None:
    await live.traffic.publish_ingress(
        routes({"source": {"url": "/"}}, {"source": {"url": "/v1", "hosts": ["a.example"]}})
    )

    assert (await outside(live, path)).status == 403
    assert (await outside(live, path, host="a.example")).status == 403
    for own in ("/v1/config/loginx", "/v1/config/mine", "/v1/api/x", "/v1/run", "/docs"):
        assert (await outside(live, own)).json["path"] == own


async def test_a_route_for_a_path_of_the_api_leads_it_to_a_service(live: Mesh) -> None:
    await live.traffic.publish_ingress(
        routes({"source": {"url": "/"}}, {"source": {"url": "/v1/config", "methods": ["GET"]}})
    )

    assert (await outside(live, "/v1/config/login")).json["path"] == "/v1/config/login"
    assert (await outside(live, "/v1/config/login", method="POST")).status == 403


async def test_an_exposed_api_answers_to_all() -> None:
    async with mesh(expose_api=True) as live:
        await begin(live)
        await live.traffic.publish_ingress(routes())

        async with a_server_that_says_api(live):
            assert (await outside(live, "/docs")).body == b"api"


async def test_a_gateway_that_runs_exposes_the_api_and_hides_it_again() -> None:
    async with envoy_host() as host, AsyncExitStack() as stack:
        live, settings = Mesh(host, traffic_of(host), stack), host.settings
        for exposed in (True, False, True):
            host.settings = settings.model_copy(update={"expose_api": exposed})
            live.traffic = traffic_of(host)
            async with live.traffic.serve():
                if host.process is None:
                    await host.start_envoy()
                await live.apply(WORLD)
                await live.traffic.publish_ingress(routes())

                async def answers(is_api: bool = exposed) -> None:
                    expected = 503 if is_api else 404
                    assert (await outside(live, "/docs")).status == expected
                    assert (await local(live, "/docs")).status == 503

                await eventually(answers, within=30)


async def test_the_api_is_told_who_calls_and_not_by_the_caller() -> None:
    forged = {"X-Space-Cloud-Caller": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"}
    async with mesh(expose_api=True) as live:
        await begin(live)
        await live.traffic.publish_ingress(routes())

        async with serving(the_api(live), _who_calls):
            here = await local(live, "/docs", **{"X-Space-Cloud-Caller": "10.0.0.9"})
            there = await outside(live, "/docs", **forged)

    assert here.body.decode() == "127.0.0.1"
    assert there.body.decode() == str(live.subnet("shop/api")[2])


async def _who_calls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        caller = re.findall(rb"(?im)^x-space-cloud-caller: (\S+)", head)
        body = b",".join(caller)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()


async def test_a_port_that_is_taken_is_ingress_trouble_and_nobody_elses(live: Mesh) -> None:

    taken = inside(live.host.name, lambda: socket.create_server(("0.0.0.0", HTTP_PORT)))

    with pytest.raises(Terminal, match="Address already in use"):
        await live.traffic.publish_ingress(routes())

    assert (await live.get("shop/web", "shop/web")).status == 200
    taken.close()
    await live.traffic.publish_ingress(routes({"source": {"url": "/"}}))
    assert (await outside(live, "/")).status == 200
