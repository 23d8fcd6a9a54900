"""Where a request came from, as far as the last hop that is ours can tell."""

from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from spacecloud.model.api import CALLER_HEADER

SOCKET = "local"
"""Straight through the control plane's own socket: the owner of this machine."""


def address(scope: Scope) -> str:
    """The socket has no addresses, so the gateway names its caller in a header, and nobody else."""
    client = scope.get("client")
    if client:
        return str(client[0])
    headers = Headers(scope=scope)
    # One that was started by an earlier release says it at the end of the other header.
    forwarded = headers.get(CALLER_HEADER) or headers.get("x-forwarded-for", "").rpartition(",")[2]
    return forwarded.strip()[:64] if forwarded else SOCKET


def is_beyond_this_machine(address: str) -> bool:
    try:
        return address != SOCKET and not ip_address(address).is_loopback
    except ValueError:
        return True
