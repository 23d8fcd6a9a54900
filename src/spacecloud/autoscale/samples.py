"""
What was measured of a version lately, in buckets of one second. Bounded; it forgets. Pure.

A mean is one over the time that was measured: a second of which nothing was told counts for
nothing, and not as zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor

HORIZON_SECONDS = 60
LONGEST_GAP_SECONDS = 3.0
"""Between two reports: what was in flight in a longer one is not known."""


@dataclass(frozen=True, slots=True)
class Means:
    stable: float
    panic: float


@dataclass(slots=True)
class _Bucket:
    integral: float = 0
    seconds: float = 0


class TimedMeans:
    """Of one quantity, over the last ``horizon`` seconds."""

    def __init__(self, horizon: float = HORIZON_SECONDS) -> None:
        self._horizon = horizon
        self._buckets: dict[int, _Bucket] = {}

    def record(self, at: float, value: float, seconds: float) -> None:
        """It was ``value``, on average, in the ``seconds`` before ``at``."""
        begin = at - min(max(seconds, 0), self._horizon)
        for second, share in _shares(begin, at):
            bucket = self._buckets.setdefault(second, _Bucket())
            bucket.integral += value * share
            bucket.seconds += share
        oldest = floor(at) - self._horizon
        if len(self._buckets) > self._horizon:
            self._buckets = {s: b for s, b in self._buckets.items() if s > oldest}

    def __len__(self) -> int:
        """Seconds that something is known of."""
        return len(self._buckets)

    def mean(self, now: float, window: float) -> float | None:
        """Over the bucket of ``now`` and those before it; None: nothing was told in that time."""
        newest = floor(now)
        inside = [b for s, b in self._buckets.items() if newest - window < s <= newest]
        seconds = sum(bucket.seconds for bucket in inside)
        return sum(bucket.integral for bucket in inside) / seconds if seconds else None

    def means(self, now: float, stable: float, panic: float) -> Means | None:
        """None: nothing was told in the panic window, which is no data."""
        long, short = self.mean(now, stable), self.mean(now, panic)
        return Means(long, short) if long is not None and short is not None else None


def _shares(begin: float, end: float) -> Iterator[tuple[int, float]]:
    """How long of each second is between the two."""
    while begin < end:
        second = floor(begin)
        until = min(second + 1, end)
        yield second, until - begin
        begin = until


class Samples:
    """Of the requests and connections of one version, as load reports tell them."""

    def __init__(self, horizon: float = HORIZON_SECONDS) -> None:
        self.active = TimedMeans(horizon)
        """In flight."""

        self.rate = TimedMeans(horizon)
        """Begun per second."""

        self.reported_at: float | None = None
        self.last_active: float | None = None
        """The begin of the last report that told of something; None: there was none."""

        self.quiet_since: float | None = None
        """Since when each report told of nothing, without a gap; None: the last did not."""

    def record(self, at: float, active: float, issued: int, seconds: float) -> None:
        """
        ``at``: the end of the interval, on a clock that only goes forward; ``active``: the mean of
        what was in flight, ``issued``: how many began. One that is not later than the last before
        it is dropped, as is one of no time.
        """
        before = self.reported_at
        if seconds <= 0 or (before is not None and at <= before):
            return
        self.active.record(at, active, seconds)
        self.rate.record(at, issued / seconds, seconds)
        self.reported_at = at
        if active > 0 or issued > 0:
            self.last_active, self.quiet_since = at - seconds, None
        elif self.quiet_since is None or before is None or self._is_gap(before, at - seconds):
            self.quiet_since = at - seconds

    def is_fresh(self, now: float) -> bool:
        """Is what was told last recent enough to say what is now?"""
        return self.reported_at is not None and not self._is_gap(self.reported_at, now)

    def _is_gap(self, end: float, begin: float) -> bool:
        return begin - end > LONGEST_GAP_SECONDS
