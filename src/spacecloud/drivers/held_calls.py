"""
Calls that wait: who is asked about each, how many may wait, and for how long.

A driver's gate brings the calls and carries the answers; this is the same on all of them.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from spacecloud.model.gate_calls import CallRefused, HeldCall, Passed, WaitingCalls
from spacecloud.model.gate_limits import RETRY_AFTER_SECONDS, HeldLimits
from spacecloud.model.refs import ServiceKey, ServiceRef

Answer = Callable[[HeldCall], Awaitable[Passed | CallRefused]]

LIMITS = HeldLimits()

_Waiting = tuple[HeldCall, int]
"""A call with the bytes of its body."""


class HeldCalls:
    def __init__(self, now: Callable[[], float], limits: HeldLimits = LIMITS) -> None:
        """``now`` is the monotonic clock."""
        self.now = now
        self._limits = limits
        self._answer: Answer = _nobody
        self._refused: Callable[[ServiceRef], None] = _nothing
        self._waiting: dict[ServiceKey, dict[int, _Waiting]] = {}
        self._counts: Counter[ServiceRef] = Counter()
        self._numbers = count()

    def serve_calls(
        self, answer: Answer, refused: Callable[[ServiceRef], None] | None = None
    ) -> None:
        self._answer = answer
        self._refused = refused or _nothing

    def held(self) -> Mapping[ServiceRef, WaitingCalls]:
        arrivals: dict[ServiceRef, list[float]] = {}
        for call, _ in self._all():
            arrivals.setdefault(call.ref, []).append(call.at)
        now = self.now()
        return {ref: WaitingCalls(len(times), now - min(times)) for ref, times in arrivals.items()}

    def waiting(self, ref: ServiceRef) -> int:
        return self._counts[ref]

    async def hold(self, call: HeldCall, body_bytes: int = 0) -> Passed | CallRefused:
        """
        The answer, or a refusal at once where too many wait, or in the end where there is none.

        Cancelled when the client hangs up: it does not wait any more from then on.
        """
        refused = self._too_many(call.ref.key, body_bytes)
        if refused is not None:
            self._refused(call.ref)
            return refused
        with self._counted(call, body_bytes):
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await self._answer(call)
            except TimeoutError:
                sentence = f"{call.ref} did not wake within {self._limits.seconds:g} s"
                return CallRefused(sentence, RETRY_AFTER_SECONDS)

    def _too_many(self, key: ServiceKey, body_bytes: int) -> CallRefused | None:
        of_service = self._waiting.get(key, {})
        limits = self._limits
        if len(of_service) >= limits.per_service:
            return _refused(f"{len(of_service)} calls wait for {key}, which is all that may")
        if sum(map(len, self._waiting.values())) >= limits.in_all:
            return _refused(f"{limits.in_all} calls wait for services, which is all that may")
        if body_bytes and body_bytes + _bytes(of_service.values()) > limits.bytes_per_service:
            return _refused(f"what waits for {key} is as large as it may be")
        if body_bytes and body_bytes + _bytes(self._all()) > limits.bytes_in_all:
            return _refused("what waits for services is as large as it may be")
        return None

    def _all(self) -> Iterator[_Waiting]:
        for of_service in self._waiting.values():
            yield from of_service.values()

    @contextmanager
    def _counted(self, call: HeldCall, body_bytes: int) -> Iterator[None]:
        number, key = next(self._numbers), call.ref.key
        self._waiting.setdefault(key, {})[number] = (call, body_bytes)
        self._counts[call.ref] += 1
        try:
            yield
        finally:
            self._counts[call.ref] -= 1
            if not self._counts[call.ref]:
                del self._counts[call.ref]
            del self._waiting[key][number]
            if not self._waiting[key]:
                del self._waiting[key]


def _bytes(waiting: Iterable[_Waiting]) -> int:
    return sum(body for _, body in waiting)


def _refused(sentence: str) -> CallRefused:
    return CallRefused(sentence, RETRY_AFTER_SECONDS)


def _nothing(ref: ServiceRef) -> None:
    """Nobody wants to hear of it."""


async def _nobody(call: HeldCall) -> Passed | CallRefused:
    return _refused(f"the control plane has just started and cannot wake {call.ref} yet")
