"""
The mean of what is in flight over time, from reports that tell it only for one moment. Pure.

Envoy's load report holds, of an endpoint of a cluster, a gauge read when the report is made (how
many are in flight) and a counter (how many began since the last one). It tells no latency. With
``T`` the interval, ``g0`` and ``g1`` the gauge at its ends, ``n`` those that began:

    ended    f = g0 + n - g1
    duration W = sum of T * (g0 + g1) / 2  /  sum of (n + f) / 2     (Little's law)
    mean     = (n + f) / 2 * W / T     where W < T
             = (g0 + g1) / 2           else

Requests that last longer than an interval are seen by the gauge at its ends, so that the mean of
both is theirs. Of shorter ones the gauge meets few, and at random: a mean of it is right over many
intervals and of little worth in one. So their mean duration is taken over the latest intervals in
which the gauge met ``ENOUGH`` in sum, a minute's at most, and multiplied by the exact count of
this one. Where there is much to do that is this interval alone. Both agree where W is T.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from spacecloud.model.load import Load

ENOUGH = 30
"""Met by the gauge, in sum: the duration is then known to a fifth."""

LONGEST_SECONDS = 60.0
"""What is older says nothing of now."""

Origin = tuple[str, str]
"""Cluster and address. Of a replica each port is by itself: durations differ."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one report says of one endpoint of one cluster."""

    in_flight: int
    """When it was made."""

    issued: int


@dataclass(frozen=True, slots=True)
class _Interval:
    seconds: float
    in_flight: int
    gauge: float
    """Mean of its two ends."""

    count: float
    """Mean of those that began and those that ended."""


@dataclass(slots=True)
class _Endpoint:
    in_flight: int = 0
    intervals: deque[_Interval] = field(default_factory=deque)
    seconds: float = 0.0
    met: int = 0
    count: float = 0.0
    area: float = 0.0
    """Sums of the intervals."""

    idle_seconds: float = 0.0

    def take(self, sample: Sample, seconds: float) -> Load:
        # What did not begin in the interval was there before, whether that was told or not.
        before = max(self.in_flight, sample.in_flight - sample.issued)
        self.in_flight = sample.in_flight
        ended = max(0, before + sample.issued - sample.in_flight)
        its = _Interval(
            seconds, sample.in_flight, (before + sample.in_flight) / 2, (sample.issued + ended) / 2
        )
        self._add(its, 1)
        self.intervals.append(its)
        while self._is_enough_without(self.intervals[0]):
            self._add(self.intervals.popleft(), -1)
        duration = self.area / self.count if self.count else seconds
        active = its.count * duration / seconds if duration < seconds else its.gauge
        return Load(max(0.0, active), sample.issued)

    def _add(self, interval: _Interval, sign: int) -> None:
        self.seconds += sign * interval.seconds
        self.met += sign * interval.in_flight
        self.count += sign * interval.count
        self.area += sign * interval.gauge * interval.seconds

    def _is_enough_without(self, oldest: _Interval) -> bool:
        met, seconds = self.met - oldest.in_flight, self.seconds - oldest.seconds
        return met >= ENOUGH or seconds >= LONGEST_SECONDS


class LoadMeans:
    """Of all endpoints, from one report to the next. An endpoint without load costs nothing."""

    def __init__(self) -> None:
        self._endpoints: dict[Origin, _Endpoint] = {}

    @property
    def known(self) -> frozenset[Origin]:
        return frozenset(self._endpoints)

    def take(self, samples: Mapping[Origin, Sample], seconds: float) -> Mapping[Origin, Load]:
        """Of each endpoint that has had any."""
        loads: dict[Origin, Load] = {}
        for origin in self._endpoints.keys() | samples.keys():
            sample = samples.get(origin, _NOTHING)
            known = self._endpoints.setdefault(origin, _Endpoint())
            load = known.take(sample, seconds)
            if load.active or load.issued:
                loads[origin] = load
            self._forget_idle(origin, known, sample, seconds)
        return loads

    def _forget_idle(
        self, origin: Origin, endpoint: _Endpoint, sample: Sample, seconds: float
    ) -> None:
        """Until then its last durations are those of its next requests, most likely."""
        endpoint.idle_seconds = 0.0 if sample != _NOTHING else endpoint.idle_seconds + seconds
        if endpoint.idle_seconds >= LONGEST_SECONDS:
            del self._endpoints[origin]


_NOTHING = Sample(0, 0)
