"""
Envoy's load reports: what is in flight at each replica, pushed for as long as Envoy is there.

What Envoy 1.40 does, as it was measured:

- It reports all clusters in each interval, also those that are idle; of an endpoint only what it
  has had. Draining ones are among them; one that was removed is not, whatever it has in flight.
- Requests in progress are a gauge at the moment of the report. A TCP connection is one request,
  for as long as it is open, and never a successful one. An idle connection of a pool is none.
- It counts what began in a new cluster from the first report after its coming.
- A changed interval is taken at once, and its time begins anew: who changes it all the time gets
  no report.
- A report costs it 4 µs for each cluster, and a message of 60 kB that says what Envoy can do.
- When the stream has ended it comes back after five seconds, and its first report is of all the
  time since its last.

So what sleeps is left out. All calls of it wait at the gate, and nobody has asked there since
nothing of it was in flight: there is nothing to tell. With whatever is published, and with each
call at a gate, all are reported again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime, timedelta

from envoy.config.endpoint.v3.load_report_pb2 import ClusterStats, UpstreamEndpointStats
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse

from spacecloud.broadcast import Broadcast
from spacecloud.drivers.docker.xds.load_means import LoadMeans, Origin, Sample
from spacecloud.mesh.envoy.names import API_CLUSTER, owner_of
from spacecloud.model.load import InFlightReport, Load, LoadReport
from spacecloud.model.refs import PLATFORM_PROJECT

USUAL = timedelta(seconds=1)

DRAINING = timedelta(milliseconds=50)
"""
While something drains. Three of them are in less than the time between two looks: the first began
before the acknowledgement, and two must show that nothing is in flight.
"""

RESTING = timedelta(seconds=10)
"""While all sleeps: nobody waits for a report, and each has the same 60 kB."""

CALM = timedelta(seconds=10)
"""
For so long nothing was published, nobody has asked at a gate, and nothing of what is left out
was in flight: many times what a worker of the gateway takes to learn of a new table.
"""

_STAND_IN = API_CLUSTER
"""Always there: a report without clusters could not be told from a greeting."""

BACKLOG = 60
"""Kept for a listener that is slow, and for one who asks what was in flight lately."""


class LoadReports:
    def __init__(
        self, now: Callable[[], datetime], clusters: Callable[[], Mapping[str, bool]]
    ) -> None:
        """``clusters``: all that Envoy holds of services; do all calls of it wait at a gate?"""
        self._now = now
        self._clusters = clusters
        self._interval = USUAL
        self._reported: tuple[str, ...] = ()
        """Clusters; empty: all of them."""

        self._outbox: asyncio.Queue[LoadStatsResponse] | None = None
        self._recent: deque[InFlightReport] = deque(maxlen=BACKLOG)
        self._reports: Broadcast[LoadReport] = Broadcast(BACKLOG)
        self._begin()

    def subscribe(self) -> AsyncIterator[LoadReport]:
        """From this call on, about one a second, however often Envoy reports."""
        return self._reports.subscribe()

    @property
    def recent(self) -> tuple[InFlightReport, ...]:
        """What was in flight lately, oldest first; empty: this Envoy has not reported."""
        return tuple(self._recent)

    def report_every(self, interval: timedelta) -> None:
        if interval == self._interval:
            return
        self._interval = interval
        self._ask()

    def report_all(self) -> None:
        """Something is published, or called at a gate."""
        self._begin_calm()
        if self._reported:
            self._reported = ()
            self._ask()

    def open(self) -> "asyncio.Queue[LoadStatsResponse]":
        """Envoy has come; what it is to be told. A stream that was open before is over."""
        self._begin()
        self._outbox = asyncio.Queue()
        self._outbox.put_nowait(self._wish())
        return self._outbox

    def close(self, outbox: "asyncio.Queue[LoadStatsResponse]") -> None:
        if self._outbox is outbox:
            self._outbox = None
            self._begin()

    def hear(self, request: LoadStatsRequest) -> None:
        """A request without clusters is a greeting, and no report."""
        if not request.cluster_stats:
            return
        seconds = _of_interval(request)
        samples = dict(_samples(request))
        self._note_in_flight(samples, seconds)
        self._add(self._means.take(samples, seconds), seconds)
        self._note_calm(request, seconds)

    def _begin(self) -> None:
        """What another stream has told says nothing of this one's Envoy."""
        self._recent.clear()
        self._means = LoadMeans()
        self._seconds = 0.0
        self._sums: dict[str, tuple[float, int]] = {}
        self._reported = ()
        self._begin_calm()

    def _begin_calm(self) -> None:
        self._calm_seconds = 0.0
        self._busy: set[str] = set()
        """Clusters that have had something in flight since then."""

    def _note_calm(self, request: LoadStatsRequest, seconds: float) -> None:
        self._calm_seconds += seconds
        self._busy |= {c.cluster_name for c in request.cluster_stats if c.upstream_locality_stats}
        if self._calm_seconds >= CALM.total_seconds():
            self._leave_out_what_sleeps()

    def _leave_out_what_sleeps(self) -> None:
        clusters = self._clusters()
        reported = {c for c, is_asleep in clusters.items() if not is_asleep or c in self._busy}
        self._begin_calm()
        names = (_STAND_IN, *sorted(reported)) if len(reported) < len(clusters) else ()
        if names != self._reported:
            self._reported = names
            self._ask()

    def _ask(self) -> None:
        if self._outbox is not None:
            self._outbox.put_nowait(self._wish())

    def _wish(self) -> LoadStatsResponse:
        wish = LoadStatsResponse(
            send_all_clusters=not self._reported,
            clusters=self._reported,
            report_endpoint_granularity=True,
        )
        wish.load_reporting_interval.FromTimedelta(self._interval_now())
        return wish

    def _interval_now(self) -> timedelta:
        all_sleeps = self._reported == (_STAND_IN,)
        return RESTING if all_sleeps and self._interval == USUAL else self._interval

    def _note_in_flight(self, samples: Mapping[Origin, Sample], seconds: float) -> None:
        at, counts = self._now(), dict[str, int]()
        for (_, address), sample in samples.items():
            counts[address] = counts.get(address, 0) + sample.in_flight + sample.issued
        since = at - timedelta(seconds=seconds)
        if self._recent:
            # It began when the last one ended, however late this one is heard.
            since = min(since, self._recent[-1].at)
        self._recent.append(InFlightReport(since, at, counts))

    def _add(self, loads: Mapping[Origin, Load], seconds: float) -> None:
        """Of a replica in several clusters the sum; of several short intervals their mean."""
        self._seconds += seconds
        for (_, address), load in loads.items():
            area, issued = self._sums.get(address, (0.0, 0))
            self._sums[address] = (area + load.active * seconds, issued + load.issued)
        if self._seconds > (USUAL - DRAINING / 2).total_seconds():
            self._tell()

    def _tell(self) -> None:
        over = self._seconds
        replicas = {a: Load(area / over, issued) for a, (area, issued) in self._sums.items()}
        self._seconds, self._sums = 0.0, {}
        self._reports.send(LoadReport(over, replicas))


def _samples(request: LoadStatsRequest) -> Iterator[tuple[Origin, Sample]]:
    """Of replicas alone: a pipe is no replica, and neither is what the platform itself reaches."""
    for cluster in request.cluster_stats:
        if not cluster.upstream_locality_stats or not _is_service(cluster.cluster_name):
            continue
        for endpoint in _endpoints(cluster):
            address = endpoint.address.socket_address.address
            in_flight = endpoint.total_requests_in_progress
            if address:
                yield (
                    (cluster.cluster_name, address),
                    Sample(in_flight, endpoint.total_issued_requests),
                )


def _endpoints(cluster: ClusterStats) -> Iterator[UpstreamEndpointStats]:
    for locality in cluster.upstream_locality_stats:
        yield from locality.upstream_endpoint_stats


def _is_service(cluster: str) -> bool:
    owner = owner_of(cluster)
    return owner is not None and owner.project != PLATFORM_PROJECT


def _of_interval(request: LoadStatsRequest) -> float:
    """Seconds. What was left out until now has begun later than the cluster that never is."""
    others = [c for c in request.cluster_stats if c.cluster_name != _STAND_IN]
    return max(map(_seconds, others or request.cluster_stats))


def _seconds(cluster: ClusterStats) -> float:
    interval = cluster.load_report_interval
    return float(interval.seconds) + float(interval.nanos) / 1e9
