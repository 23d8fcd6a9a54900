"""Envoy's admin socket, as far as the control plane needs it: what is in flight where."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import aiohttp

from spacecloud.errors import Transient
from spacecloud.mesh.envoy.limits import REFUSED
from spacecloud.mesh.envoy.names import owner_of
from spacecloud.model.json import Json
from spacecloud.model.lines import message
from spacecloud.model.refs import PLATFORM_PROJECT
from spacecloud.reasons.platform import GatewayUnavailable


async def in_flight(admin_socket: Path, timeout_seconds: float) -> Mapping[str, int]:
    """
    Replica address to requests and connections now, where there are any.

    Raises ``Transient`` without an answer. A pipe is no replica.
    """
    text = await read(admin_socket, "/clusters?format=json", timeout_seconds)
    counts: dict[str, int] = {}
    for cluster in json.loads(text).get("cluster_statuses", ()):
        owner = owner_of(cluster["name"])
        if owner is None or owner.project == PLATFORM_PROJECT:
            continue
        for host in cluster.get("host_statuses", ()):
            address, busy = host["address"].get("socket_address", {}).get("address"), _busy(host)
            if address is not None and busy:
                counts[address] = counts.get(address, 0) + busy
    return counts


def _busy(host: Json) -> int:
    """A TCP connection is one request to Envoy; an idle connection of a pool is none."""
    return sum(int(s.get("value", 0)) for s in host.get("stats", ()) if s["name"] == "rq_active")


async def refused_connections(admin_socket: Path, timeout_seconds: float) -> int:
    """Of the public listener, for whatever limit; raises ``Transient`` without an answer."""
    path = f"/stats?format=json&filter={quote(REFUSED)}"
    text = await read(admin_socket, path, timeout_seconds)
    return sum(int(stat.get("value", 0)) for stat in json.loads(text).get("stats", ()))


async def read(admin_socket: Path, path: str, timeout_seconds: float) -> bytes:
    """Raises ``Transient`` without an answer."""
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(admin_socket), force_close=True)
            ) as session,
            session.get(f"http://envoy{path}") as response,
        ):
            return await response.read()
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        words = f"the gateway does not answer: {message(str(error))}"
        raise Transient(GatewayUnavailable(words)) from error
