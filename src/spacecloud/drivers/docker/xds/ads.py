"""
What every owner wants Envoy to hold, and the way to make it so, one owner at a time.

Owners do not wait for each other, and nothing that one of them sends is refused together
with another's: a response carries the resources of a single owner.
"""

import asyncio
import logging
from collections.abc import Callable

from google.protobuf import json_format

from spacecloud.drivers.docker.xds.encoding import Message, Messages
from spacecloud.drivers.docker.xds.stream import Stream
from spacecloud.drivers.docker.xds.versions import Versions
from spacecloud.errors import Terminal, Transient
from spacecloud.mesh.envoy.names import owner_of
from spacecloud.mesh.envoy.resources import KINDS, Kind
from spacecloud.model.lines import message
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.platform import GatewayRejected, GatewayUnavailable

logger = logging.getLogger(__name__)

NOTHING: Messages = {kind: {} for kind in KINDS}

REMOVED: tuple[Kind, ...] = ("listeners", "clusters")
"""In this order; their routes and endpoints go with them."""


class Ads:
    def __init__(self, ack_timeout_seconds: float, disowned: Callable[[ServiceKey], None]) -> None:
        """``disowned`` hears of an owner whose resources Envoy refuses after a reconnect."""
        self._timeout = ack_timeout_seconds
        self._disowned = disowned
        self._wanted: dict[Kind, dict[str, Message]] = {kind: {} for kind in KINDS}
        self._owned: dict[ServiceKey, Messages] = {}
        self._locks: dict[ServiceKey, asyncio.Lock] = {}
        self._stream: Stream | None = None
        self._arrived = asyncio.Event()

    async def apply(self, owner: ServiceKey, ask: Callable[[], Messages]) -> None:
        """
        Make Envoy hold exactly this of the owner; returns when it has acknowledged all of it.

        ``ask`` is asked for it when it is known what Envoy holds. Clusters, endpoints, listeners,
        routes, then what is to go. When Envoy refuses one, the owner's former resources are what
        a later Envoy would get.
        """
        problem = "the gateway is not connected"
        try:
            async with asyncio.timeout(self._timeout), self._lock(owner):
                stream = await self._connected()
                problem = f"the gateway did not acknowledge {owner} within {self._timeout:g} s"
                wanted = ask()
                _encode(stream, wanted)
                former = self._owned.get(owner, NOTHING)
                self._own(owner, wanted)
                try:
                    await _apply(stream, owner, wanted)
                except Terminal:
                    self._own(owner, former)
                    raise
        except TimeoutError as error:
            raise Transient(GatewayUnavailable(problem)) from error

    async def amend(self, owner: ServiceKey, wanted: Callable[[], Messages]) -> None:
        """
        Make Envoy hold these where it has a listener of that name, and leave all else of the owner
        as it is; returns and raises as ``apply`` does.

        ``wanted`` is asked when it is known what Envoy holds. What is amended is wanted from then
        on.
        """
        problem = "the gateway is not connected"
        try:
            async with asyncio.timeout(self._timeout), self._lock(owner):
                stream = await self._connected()
                problem = f"the gateway did not acknowledge {owner} within {self._timeout:g} s"
                there = stream.held["listeners"].names_of(owner)
                amended = {
                    kind: {name: m for name, m in given.items() if name in there}
                    for kind, given in wanted().items()
                }
                _encode(stream, amended)
                former = self._owned.get(owner, NOTHING)
                self._own(owner, {kind: {**former[kind], **amended[kind]} for kind in KINDS})
                try:
                    for kind in KINDS:
                        await stream.bring(kind, amended[kind])
                except Terminal:
                    self._own(owner, former)
                    raise
        except TimeoutError as error:
            raise Transient(GatewayUnavailable(problem)) from error

    def holds(self, kind: Kind, name: str) -> bool:
        return name in self._held(kind)

    def owners(self) -> frozenset[ServiceKey]:
        """Of everything that Envoy holds or will be given."""
        return frozenset(self._owned).union(*(self._held(kind).owners() for kind in REMOVED))

    def has_of(self, owner: ServiceKey) -> bool:
        """Does Envoy hold, or will it be given, anything of this owner?"""
        return owner in self._owned or any(self._held(kind).names_of(owner) for kind in REMOVED)

    def listeners_of(self, owner: ServiceKey) -> frozenset[str]:
        """Names of those that Envoy holds or will be given."""
        wanted = self._owned.get(owner, NOTHING)["listeners"]
        return frozenset(wanted).union(self._held("listeners").names_of(owner))

    def listener_names(self) -> frozenset[str]:
        return frozenset(self._held("listeners")) | self._wanted["listeners"].keys()

    def cluster_names(self) -> frozenset[str]:
        return frozenset(self._held("clusters")) | self._wanted["clusters"].keys()

    def open(self) -> Stream:
        """Envoy has come. A conversation that was open before is over."""
        stream = Stream(lambda kind: self._wanted[kind], self._refused)
        if self._stream is not None:
            self._stream.close()
        self._stream = stream
        self._arrived.set()
        return stream

    def close(self, stream: Stream) -> None:
        stream.close()
        if self._stream is stream:
            self._stream = None
            self._arrived.clear()

    async def _connected(self) -> Stream:
        while True:
            await self._arrived.wait()
            stream = self._stream
            if stream is not None:
                await stream.introduced()
                if not stream.closed:
                    return stream

    def _own(self, owner: ServiceKey, wanted: Messages) -> None:
        for kind, messages in self._owned.get(owner, NOTHING).items():
            for name in messages:
                self._wanted[kind].pop(name, None)
        for kind, messages in wanted.items():
            self._wanted[kind].update(messages)
        if any(wanted.values()):
            self._owned[owner] = wanted
        else:
            self._owned.pop(owner, None)

    def _refused(self, kind: Kind, name: str, detail: str) -> None:
        logger.error("the gateway refuses what it took before: %s %s: %s", kind, name, detail)
        owner = owner_of(name)
        if owner is not None:
            self._disowned(owner)

    def _held(self, kind: Kind) -> Versions:
        return self._stream.held[kind] if self._stream is not None else Versions()

    def _lock(self, owner: ServiceKey) -> asyncio.Lock:
        return self._locks.setdefault(owner, asyncio.Lock())


def _encode(stream: Stream, wanted: Messages) -> None:
    """Before anything is changed: what cannot be said to Envoy must not be wanted of it."""
    for kind, messages in wanted.items():
        for name, wanted_one in messages.items():
            if stream.held[kind].get(name) != wanted_one.version:
                try:
                    wanted_one.encoded()
                except json_format.ParseError as error:
                    words = f"{name} cannot be put in the gateway's words: {error}"
                    raise Terminal(GatewayRejected(message(words))) from error


async def _apply(stream: Stream, owner: ServiceKey, wanted: Messages) -> None:
    for kind in KINDS:
        await stream.bring(kind, wanted[kind])
    for kind in REMOVED:
        held = stream.held[kind].names_of(owner)
        await stream.remove(kind, [name for name in held if name not in wanted[kind]])
