"""
What the engine has shown of services a moment ago, for looks that follow on a probe's verdict.

A task that became ready changes nothing that the engine would show. What was seen is good for
such looks while no event and no operation of ours tells of a change, and for a second at most.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spacecloud.drivers.docker.pods.observe import Container
from spacecloud.model.refs import ServiceKey

GOOD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LastLook:
    subnet: str | None
    containers: tuple[Container, ...]
    at: float


class LastLooks:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: dict[ServiceKey, LastLook] = {}
        self._changes: Counter[ServiceKey] = Counter()
        self._judged: set[ServiceKey] = set()
        self._are_events_heard = False

    def changes(self, key: ServiceKey) -> int:
        """That were told; only whether it is the same number means something."""
        return self._changes[key]

    def note(
        self, key: ServiceKey, changes: int, subnet: str | None, containers: Sequence[Container]
    ) -> None:
        """
        ``changes``: as many as had been told when the look began. Nothing is kept of one during
        which something changed: it may show either.
        """
        if self._are_events_heard and changes == self._changes[key]:
            self._looks[key] = LastLook(subnet, tuple(containers), self._clock())
        self._judged.discard(key)

    def judged(self, key: ServiceKey) -> None:
        """A probe has a verdict on one of its tasks: that is looked at next."""
        self._judged.add(key)

    def take(self, key: ServiceKey) -> LastLook | None:
        """For the look that follows on a verdict; None where the engine is to be asked."""
        look = self._looks.get(key)
        if look is None or key not in self._judged:
            return None
        self._judged.discard(key)
        return look if self._clock() - look.at <= GOOD_SECONDS else None

    def changed(self, key: ServiceKey) -> None:
        """Something of it has, or is about to."""
        self._changes[key] += 1
        self._looks.pop(key, None)

    def hear_events(self) -> None:
        """From now on: what was seen before may have changed unheard."""
        self.lose_events()
        self._are_events_heard = True

    def lose_events(self) -> None:
        self._are_events_heard = False
        self._looks.clear()
        for key in self._changes:
            self._changes[key] += 1
