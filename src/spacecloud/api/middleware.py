"""
The outermost layers: a name for every request, and nothing but open paths without a token.

Every path, known or not, that is not named as open here needs a token.
"""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacecloud.api.auth import Auth
from spacecloud.api.problems import problem
from spacecloud.errors import SpaceCloudError, Unauthorized

OPEN = frozenset(
    {"/v1/config/login", "/v1/config/env", "/v1/api/health-check", "/openapi.json", "/docs"}
)
OPEN_FOLDER = "/docs/"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def bearer(scope: Scope) -> str:
    """The token of a request. ``Unauthorized`` when there is none."""
    kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthorized("a token is needed: log in, and send it as Authorization: Bearer …")
    return token.strip()


class Authentication:
    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
        except SpaceCloudError as error:
            await problem(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if scope["type"] == "http" and not _is_open(scope["path"]):
            self._auth.user(bearer(scope))


class RequestId:
    """Headers of every answer: the request's id, given or made, and that it is not to be kept."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(12)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = id
                headers["cache-control"] = "no-store"
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, send_named)


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_FOLDER)
