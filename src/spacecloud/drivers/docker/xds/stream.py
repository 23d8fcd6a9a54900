"""
One stream with one Envoy: what it holds, what it was sent, what it said to that.

Incremental xDS. Envoy names the versions that it kept from an earlier stream, so a control
plane that comes back sends differences only, and an Envoy that comes back gets everything.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)

from spacecloud.drivers.docker.xds.encoding import Message
from spacecloud.drivers.docker.xds.versions import Versions
from spacecloud.errors import Terminal, Transient
from spacecloud.mesh.envoy.resources import KINDS, TYPES, Kind
from spacecloud.model.lines import message
from spacecloud.reasons.platform import GatewayRejected, GatewayUnavailable

KIND_OF = {url: kind for kind, url in TYPES.items()}

FIRST: frozenset[Kind] = frozenset({"clusters", "listeners"})
"""What Envoy asks for when it connects."""

WHOLE: frozenset[Kind] = FIRST | {"scopes"}
"""Envoy takes all there are; of the other kinds it asks for what these mention."""

REGEX_TOO_LARGE = "RE2 program size"
"""In what Envoy says of a regular expression that exceeds ``re2.max_program_size.error_level``."""

UNSURE = ""
"""Version of what Envoy may or may not hold, as after it refused an update."""


REMOVED = "removed"
"""Version of what Envoy was told to forget."""


@dataclass(frozen=True, slots=True)
class Push:
    kind: Kind
    versions: Mapping[str, str]
    removed: tuple[str, ...]


class Stream:
    def __init__(
        self,
        desired: Callable[[Kind], Mapping[str, Message]],
        refused: Callable[[Kind, str, str], None],
    ) -> None:
        """``refused`` hears of (kind, name, Envoy's words) when nobody waits for the answer."""
        self.held: dict[Kind, Versions] = {kind: Versions() for kind in KINDS}
        self.outbox: asyncio.Queue[DeltaDiscoveryResponse] = asyncio.Queue()
        self._desired = desired
        self._refused = refused
        self._asked: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
        self._begun: set[Kind] = set()
        self._unanswered: dict[str, Push] = {}
        self._waiting: dict[tuple[Kind, str], tuple[str, asyncio.Future[None]]] = {}
        self._nonces = itertools.count(1)
        self._introduced = asyncio.Event()
        self.closed = False

    async def bring(self, kind: Kind, wanted: Mapping[str, Message]) -> None:
        """
        Make Envoy hold these; returns when it has said so.

        ``Terminal`` in its own words when it refuses one, ``Transient`` when the stream ends.
        """
        stale = [m for m in wanted.values() if self.held[kind].get(m.name) != m.version]
        if not stale:
            return
        answers = [self._answer(kind, m.name, m.version) for m in stale]
        # What Envoy has not asked for yet it will ask for, now that it holds the mention.
        whole = kind in WHOLE and kind in self._begun
        self.send(kind, [m for m in stale if whole or m.name in self._asked[kind]])
        await self._all(answers, kind, [m.name for m in stale])

    async def remove(self, kind: Kind, names: Iterable[str]) -> None:
        gone = tuple(sorted(names))
        answers = [self._answer(kind, name, REMOVED) for name in gone]
        self.send(kind, (), gone)
        await self._all(answers, kind, gone)

    def send(self, kind: Kind, messages: Iterable[Message], removed: tuple[str, ...] = ()) -> None:
        sent = list(messages)
        if sent or removed:
            self._send(kind, sent, removed)

    def hear(self, request: DeltaDiscoveryRequest) -> None:
        kind = KIND_OF.get(request.type_url)
        if kind is None:
            return
        if request.response_nonce:
            self._hear_answer(request)
        kept = dict(request.initial_resource_versions)
        self.held[kind].update(kept)
        for name, version in kept.items():
            self._settle(kind, name, version)
        self._hear_interest(kind, request, kept)
        if self._begun >= FIRST:
            self._introduced.set()

    async def introduced(self) -> None:
        """Returns when Envoy has said what it holds, or has gone: before that, all is guessing."""
        await self._introduced.wait()

    def close(self) -> None:
        self.closed = True
        self._introduced.set()
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(
                    Transient(GatewayUnavailable("the gateway ended the conversation"))
                )

    def _hear_interest(
        self, kind: Kind, request: DeltaDiscoveryRequest, kept: Mapping[str, str]
    ) -> None:
        for name in request.resource_names_unsubscribe:
            self._asked[kind].discard(name)
            self.held[kind].pop(name, None)
        asked = [name for name in request.resource_names_subscribe if name != "*"]
        self._asked[kind].update(asked)
        desired = self._desired(kind)
        if kind not in self._begun and kind in WHOLE:
            # Answered even when empty: Envoy goes on with its start when it has heard.
            news = [m for m in desired.values() if self.held[kind].get(m.name) != m.version]
            self._send(kind, news, ())
        elif kind not in WHOLE:
            known = (desired[name] for name in asked if name in desired)
            self.send(kind, [m for m in known if kept.get(m.name) != m.version])
        self._begun.add(kind)

    def _hear_answer(self, request: DeltaDiscoveryRequest) -> None:
        push = self._unanswered.pop(request.response_nonce, None)
        if push is None:
            return
        if request.HasField("error_detail"):
            self._hear_refusal(push, request.error_detail.message)
            return
        held = self.held[push.kind]
        for name, version in push.versions.items():
            held[name] = version
            self._settle(push.kind, name, version)
        for name in push.removed:
            held.pop(name, None)
            self._settle(push.kind, name, REMOVED)

    def _hear_refusal(self, push: Push, detail: str) -> None:
        for name in push.versions:
            self.held[push.kind][name] = UNSURE
        if len(push.versions) > 1:
            # One by one shows which it is, and keeps the others from sharing its fate.
            desired = self._desired(push.kind)
            for name in push.versions:
                self.send(push.kind, [desired[name]] if name in desired else [])
            return
        for name in (*push.versions, *push.removed):
            _, answer = self._waiting.get((push.kind, name), ("", None))
            if answer is None or answer.done():
                self._refused(push.kind, name, detail)
            else:
                answer.set_exception(Terminal(_rejection(detail)))

    def _send(self, kind: Kind, sent: list[Message], removed: tuple[str, ...]) -> None:
        nonce = str(next(self._nonces))
        response = DeltaDiscoveryResponse(
            type_url=TYPES[kind],
            nonce=nonce,
            resources=[message.encoded() for message in sent],
            removed_resources=removed,
        )
        self._unanswered[nonce] = Push(kind, {m.name: m.version for m in sent}, removed)
        self.outbox.put_nowait(response)
        if kind == "clusters":
            # A cluster that is replaced waits for its endpoints, and does not ask for them.
            for message in sent:
                self.held["endpoints"].pop(message.name, None)

    def _answer(self, kind: Kind, name: str, version: str) -> "asyncio.Future[None]":
        answer = asyncio.get_running_loop().create_future()
        if self.closed:
            answer.set_exception(
                Transient(GatewayUnavailable("the gateway ended the conversation"))
            )
        self._waiting[kind, name] = (version, answer)
        return answer

    async def _all(
        self, answers: "list[asyncio.Future[None]]", kind: Kind, names: Iterable[str]
    ) -> None:
        try:
            for answer in answers:
                await answer
        finally:
            for name in names:
                self._waiting.pop((kind, name), None)
            for answer in answers:
                _drop(answer)

    def _settle(self, kind: Kind, name: str, version: str) -> None:
        wanted, answer = self._waiting.get((kind, name), ("", None))
        if answer is not None and wanted == version and not answer.done():
            answer.set_result(None)


def _rejection(detail: str) -> GatewayRejected:
    return GatewayRejected(message(detail), "regex size" if REGEX_TOO_LARGE in detail else "")


def _drop(answer: "asyncio.Future[None]") -> None:
    """Nobody waits any more; an error in it was raised by another or is out of date."""
    if answer.done() and not answer.cancelled():
        answer.exception()
    else:
        answer.cancel()
