"""
What a replica says to the platform: that it works, and must not sleep (ADR 43).

An application of its own. The gateway marks what comes to the platform's own domain with the
caller's address, over whatever was sent, and drops that mark from all else: a request of a replica
never reaches the API, whatever its path, and one from outside never reaches this.
"""

from typing import Protocol

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spacecloud.api import problems
from spacecloud.errors import InvalidSpec, Mistake, shortened
from spacecloud.model.api import LEASE_HEADER, LEASE_PATH
from spacecloud.model.lease import DEFAULT_SECONDS, MOST_SECONDS, LeaseView

SECONDS = "seconds"
EXAMPLE = f"PUT {LEASE_PATH}?{SECONDS}=300"
LONGEST_SHOWN = 60


class ReplicaLeases(Protocol):
    """By the address of the replica, which the network has proved."""

    async def take(self, address: str, seconds: int) -> LeaseView: ...
    async def give_back(self, address: str) -> LeaseView: ...
    async def held(self, address: str) -> LeaseView: ...


def by_caller(api: ASGIApp, leases: ASGIApp) -> ASGIApp:
    """Replicas to their leases, and all others to the API."""

    async def chosen(scope: Scope, receive: Receive, send: Send) -> None:
        await (leases if _is_of_a_replica(scope) else api)(scope, receive, send)

    return chosen


def _is_of_a_replica(scope: Scope) -> bool:
    """The gateway alone is believed: it comes through the socket, where nobody has an address."""
    if scope["type"] not in ("http", "websocket") or scope.get("client"):
        return False
    return LEASE_HEADER in Headers(scope=scope)


def leases_app(leases: ReplicaLeases) -> Starlette:
    async def take(request: Request) -> JSONResponse:
        return _shown(await leases.take(_caller(request), _seconds(request)))

    async def give_back(request: Request) -> JSONResponse:
        return _shown(await leases.give_back(_caller(request)))

    async def held(request: Request) -> JSONResponse:
        return _shown(await leases.held(_caller(request)))

    app = Starlette(
        routes=[
            Route(LEASE_PATH, take, methods=["PUT"]),
            Route(LEASE_PATH, give_back, methods=["DELETE"]),
            Route(LEASE_PATH, held, methods=["GET"]),
        ]
    )
    problems.install(app)
    return app


def _shown(lease: LeaseView) -> JSONResponse:
    return JSONResponse(lease.wire(), headers={"cache-control": "no-store"})


def _caller(request: Request) -> str:
    return request.headers[LEASE_HEADER]


def _seconds(request: Request) -> int:
    """A misspelled name would be a lease of another length: what is not known is refused."""
    given = request.query_params.multi_items()
    for name, _ in given:
        if name != SECONDS:
            shown = shortened(name, LONGEST_SHOWN)
            raise _wrong(shown, f"there is no such parameter: write {EXAMPLE}", None)
    if len(given) > 1:
        raise _wrong(SECONDS, f"it is given twice: write {EXAMPLE}", None)
    if request.headers.get("content-length", "0") != "0":
        raise _wrong("", f"a body is not read: say it in the path, as in {EXAMPLE}", None)
    return _whole(given[0][1]) if given else DEFAULT_SECONDS


def _whole(text: str) -> int:
    is_short = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_SECONDS))
    if not (is_short and 1 <= int(text) <= MOST_SECONDS):
        message = (
            f"a whole number from 1 to {MOST_SECONDS} is expected, as in {EXAMPLE}; "
            "who works for longer takes it again before it ends"
        )
        raise _wrong(SECONDS, message, text)
    return int(text)


def _wrong(path: str, message: str, value: str | None) -> InvalidSpec:
    mistake = Mistake(path, message, value)
    return InvalidSpec(str(mistake), (mistake,))
