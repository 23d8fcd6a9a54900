"""What replicas use of CPU and memory, on average, of what is read now and then. Bounded. Pure."""

from collections.abc import Mapping
from typing import Protocol

from spacecloud.autoscale.samples import HORIZON_SECONDS, TimedMeans

LONGEST_LOOK_SECONDS = 60.0
"""Between two looks: what was used in a longer time is no mean of the window."""


class Used(Protocol):
    """By one replica."""

    @property
    def cpu_seconds(self) -> float:
        """A counter that only grows, and begins anew where the replica is started again."""
        ...

    @property
    def memory_bytes(self) -> int: ...


class Usages:
    """Of the ready replicas of one version."""

    def __init__(self) -> None:
        self._cpu = TimedMeans(HORIZON_SECONDS)
        self._memory = TimedMeans(HORIZON_SECONDS)
        self._before: Mapping[str, Used] = {}
        self._at: float | None = None

    def record(self, at: float, used: Mapping[str, Used]) -> None:
        """
        ``used``: by replica. CPU is told of those that the last look knew too; a look that is not
        later than the last is dropped.
        """
        before, last = self._before, self._at
        if last is not None and at <= last:
            return
        seconds = at - last if last is not None else 0.0
        self._before, self._at = dict(used), at
        if used:
            mean = sum(each.memory_bytes for each in used.values()) / len(used)
            self._memory.record(at, mean, min(seconds or 1.0, LONGEST_LOOK_SECONDS))
        known = used.keys() & before.keys()
        if known and seconds <= LONGEST_LOOK_SECONDS:
            spent = sum(_spent(before[id], used[id]) for id in known) / len(known)
            self._cpu.record(at, 1000 * spent / seconds, seconds)

    def cpu_millicores(self, now: float) -> float | None:
        """Of one replica, over the last minute; None: two looks have not been in it."""
        return self._cpu.mean(now, HORIZON_SECONDS)

    def memory_bytes(self, now: float) -> float | None:
        return self._memory.mean(now, HORIZON_SECONDS)


def _spent(before: Used, now: Used) -> float:
    """Since it was started again, where it was."""
    spent = now.cpu_seconds - before.cpu_seconds
    return spent if spent >= 0 else now.cpu_seconds
