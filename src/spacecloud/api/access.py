"""
Who may ask the API at all, by caller, Host and Origin, before a token is looked at.

A browser sends requests for whatever page is open in it, and a page may have any name resolved to
127.0.0.1. So a request names the API in its ``Host``, and the page it is from in its ``Origin``:

| caller  | exposed | Host is                                              | request is |
|---------|---------|------------------------------------------------------|------------|
| socket  | any     | anything                                             | let in     |
| beyond  | no      | anything                                             | refused    |
| another | no      | localhost, 127.0.0.0/8, [::1], a name of the machine | let in     |
| another | yes     | these, any address, a name that the owner has given  | let in     |
| another | any     | another one                                          | refused    |

| Origin                          | Sec-Fetch-Site        | method      | request is |
|---------------------------------|-----------------------|-------------|------------|
| the Host's, or one of the owner | any                   | any         | let in     |
| another one, ``null``           | any                   | any         | refused    |
| absent                          | absent, same-origin … | any         | let in     |
| absent                          | same-site, cross-site | GET, HEAD   | let in     |
| absent                          | same-site, cross-site | another one | refused    |
"""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from spacecloud.api.client_address import SOCKET, address, is_beyond_this_machine
from spacecloud.api.problems import problem
from spacecloud.errors import Forbidden, shortened

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OTHER_PAGES = frozenset({"same-site", "cross-site"})
LONGEST_SHOWN = 100

_HOST = re.compile(r"(?:\[(?P<address>[^]]*)\]|(?P<name>[^][:]*))(?::[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Access:
    exposed: bool
    """To callers beyond this machine too."""

    names: frozenset[str] = frozenset()
    """Of the owner, for callers who do not say an address; heeded where it is exposed."""

    origins: frozenset[str] = frozenset()
    """Whose pages may use the API beside its own, as in ``https://console.example.com``."""

    machine: frozenset[str] = field(default_factory=lambda: names_of(socket.gethostname()))
    """Names that only this machine's own files or network give it."""

    def refusal(self, caller: str, method: str, headers: Headers) -> str:
        """Empty: let in."""
        if caller == SOCKET:
            return ""
        if not self.exposed and is_beyond_this_machine(caller):
            return "the API answers on its own machine only: start it with --expose-api"
        hosts = [host.lower() for host in headers.getlist("host")]
        if not all(self._is_ours(_name(host)) for host in hosts) or len(hosts) > 1:
            return self._no_name(hosts[0])
        origins = [origin.lower() for origin in headers.getlist("origin")]
        for origin in origins:
            if origin not in self.origins and [origin.partition("://")[2]] != hosts:
                return _no_page(origin)
        site = headers.get("sec-fetch-site", "").lower()
        if not origins and method not in SAFE and site in OTHER_PAGES:
            return _no_page("another site")
        return ""

    def _is_ours(self, name: str) -> bool:
        if name == "localhost" or name in self.machine:
            return True
        try:
            return ip_address(name).is_loopback or self.exposed
        except ValueError:
            return self.exposed and name in self.names

    def _no_name(self, host: str) -> str:
        name = shortened(_name(host), LONGEST_SHOWN)
        names = f"SPACE_CLOUD_API_NAMES='[\"{name}\"]'"
        how = f"start it with {names}" if self.exposed else f"--expose-api and {names} open it"
        return f"the API does not answer to the name {name}: ask 127.0.0.1 or localhost, or {how}"


def names_of(hostname: str) -> frozenset[str]:
    """The name that the kernel has, and its first label."""
    return frozenset({hostname.lower(), hostname.lower().partition(".")[0]}) - {""}


def access_of(*, exposed: bool, names: Iterable[str] = (), origins: Iterable[str] = ()) -> Access:
    """As settings have it."""
    return Access(
        exposed,
        frozenset(name.lower() for name in names),
        frozenset(origin.lower().rstrip("/") for origin in origins),
    )


class AccessMiddleware:
    """
    Asked before anything else is: what it refuses is no attempt to log in.

    The gateway keeps others out too; after a restart it does so by what it was told before.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = ""
        if scope["type"] == "http":
            refusal = self._access.refusal(address(scope), scope["method"], Headers(scope=scope))
        if refusal:
            await problem(Forbidden(refusal))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _name(host: str) -> str:
    """Without the port, and an address without its brackets."""
    found = _HOST.fullmatch(host)
    return (found["address"] or found["name"].removesuffix(".")) if found else host


def _no_page(origin: str) -> str:
    shown = shortened(origin, LONGEST_SHOWN)
    return (
        f"a page of {shown} may not use the API: SPACE_CLOUD_API_ORIGINS lists the origins that may"
    )
