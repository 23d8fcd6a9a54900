"""What a replica says to the platform: read, refused, and kept from the API."""

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from starlette.responses import PlainTextResponse

from spacecloud.api.leases import by_caller, leases_app
from spacecloud.errors import Forbidden
from spacecloud.model.api import LEASE_HEADER
from spacecloud.model.lease import LeaseView

LEASE = "/v1/lease"
ADDRESS = "10.180.0.3"


class Taken:
    """Writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def take(self, address: str, seconds: int) -> LeaseView:
        if address != ADDRESS:
            raise Forbidden("no replica")
        return self._answer("take", address, seconds)

    async def give_back(self, address: str) -> LeaseView:
        return self._answer("give back", address)

    async def held(self, address: str) -> LeaseView:
        return self._answer("held", address)

    def _answer(self, *asked: Any) -> LeaseView:
        self.asked.append(asked)
        return LeaseView(service="shop/api", version="v1", replica="api--v1--0")


@pytest.fixture
def leases() -> Taken:
    return Taken()


@pytest.fixture
async def replica(leases: Taken) -> AsyncIterator[httpx.AsyncClient]:
    async with client(leases, None) as opened:
        opened.headers[LEASE_HEADER] = ADDRESS
        yield opened


def client(leases: Taken, peer: tuple[str, int] | None) -> httpx.AsyncClient:
    app = by_caller(PlainTextResponse("the API"), leases_app(leases))
    transport = httpx.ASGITransport(app, client=cast("Any", peer))
    return httpx.AsyncClient(transport=transport, base_url="http://platform")


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("", 60), ("?seconds=1", 1), ("?seconds=0300", 300), ("?seconds=3600", 3600)],
)
async def test_a_lease_is_taken_for_the_caller(
    leases: Taken, replica: httpx.AsyncClient, query: str, seconds: int
) -> None:
    answer = await replica.put(LEASE + query)

    assert (answer.status_code, leases.asked) == (200, [("take", ADDRESS, seconds)])
    assert answer.json() == {
        "service": "shop/api",
        "version": "v1",
        "replica": "api--v1--0",
        "until": None,
        "seconds": 0,
    }


async def test_a_lease_is_looked_at_and_given_back(
    leases: Taken, replica: httpx.AsyncClient
) -> None:
    assert (await replica.get(LEASE)).status_code == 200
    assert (await replica.delete(LEASE)).status_code == 200

    assert leases.asked == [("held", ADDRESS), ("give back", ADDRESS)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?seconds=0", "seconds: a whole number from 1 to 3600 is expected"),
        ("?seconds=3601", "takes it again before it ends (got '3601')"),
        ("?seconds=-5", "as in PUT /v1/lease?seconds=300"),
        ("?seconds=5m", "seconds: "),
        ("?seconds=1.5", "seconds: "),
        ("?seconds=", "seconds: "),
        ("?seconds=" + "9" * 5000, "seconds: "),
        ("?seconds=\u0663", "seconds: "),
        ("?second=300", "second: there is no such parameter: write PUT /v1/lease?seconds=300"),
        ("?seconds=300&for=me", "for: there is no such parameter"),
        ("?seconds=1&seconds=2", "seconds: it is given twice"),
    ],
)
async def test_what_is_not_understood_is_refused_with_what_to_write(
    leases: Taken, replica: httpx.AsyncClient, query: str, said: str
) -> None:
    answer = await replica.put(LEASE + query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_spec")
    assert said in answer.json()["error"]
    assert len(answer.text) < 1000
    assert leases.asked == []


async def test_a_body_is_refused_since_nobody_reads_it(
    leases: Taken, replica: httpx.AsyncClient
) -> None:
    answer = await replica.put(LEASE, json={"seconds": 300})
    empty = await replica.put(LEASE, content=b"")

    assert answer.status_code == 400
    assert "PUT /v1/lease?seconds=300" in answer.json()["error"]
    assert empty.status_code == 200


async def test_a_refusal_is_told_with_its_code(leases: Taken, replica: httpx.AsyncClient) -> None:
    answer = await replica.put(LEASE, headers={LEASE_HEADER: "10.180.0.9"})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.attack
async def test_a_replica_never_reaches_the_api(leases: Taken, replica: httpx.AsyncClient) -> None:
    for path in ("/v1/config/env", "/v1/config/login", "/docs", "/", "/v1/lease/x"):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            assert (await replica.request(method, path)).status_code == 404
    assert (await replica.post(LEASE)).status_code == 405

    assert leases.asked == []


@pytest.mark.attack
async def test_only_what_comes_through_the_gateway_s_socket_is_a_replica(leases: Taken) -> None:
    async with client(leases, ("127.0.0.1", 40000)) as somebody:
        forged = await somebody.put(LEASE, headers={LEASE_HEADER: ADDRESS})
    async with client(leases, None) as api_caller:
        unmarked = await api_caller.put(LEASE)

    assert forged.text == unmarked.text == "the API"
    assert leases.asked == []
