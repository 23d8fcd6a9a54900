"""What Prometheus is told of scaling: wakes as they come, and numbers as they are when it asks."""

from collections.abc import Iterable, Mapping
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling import Depth
from spacecloud.model.wake import WakePart
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.situation import in_service

BUCKETS = (
    *(0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06),  # thaws
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),  # starts
)
"""Seconds."""

Change = Literal["up", "down", "frozen", "stopped", "woken"]

OF_A_VERSION = ("project", "service", "version")


class ScalingMetrics:
    """Of services that are declared: what was counted of another one is forgotten with it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._wakes = Histogram(
            "space_cloud_wake_seconds",
            "From the first call of a version that sleeps until it takes calls",
            ("project", "service", "was"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._wake_parts = Histogram(
            "space_cloud_wake_part_seconds",
            "What wakes took in each of their parts, of all services together",
            ("part", "was"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._failed_wakes = Counter(
            "space_cloud_failed_wakes",
            "Wakes after which a version takes no calls",
            ("project", "service"),
            registry=self._registry,
        )
        self._decisions = Counter(
            "space_cloud_scaling_decisions",
            "Changes of how many replicas are wanted, or of whether a version sleeps",
            ("project", "service", "change"),
            registry=self._registry,
        )
        self._counted: set[ServiceKey] = set()

    def woken(self, ref: ServiceRef, was: Depth, parts: Iterable[WakePart]) -> None:
        """All of its parts. They are not counted by service: that would be five series of each."""
        parts = tuple(parts)
        self._counted.add(ref.key)
        self._wakes.labels(*ref.key, was).observe(sum(part.seconds for part in parts))
        for part in parts:
            self._wake_parts.labels(part.name, was).observe(part.seconds)

    def wake_failed(self, ref: ServiceRef) -> None:
        self._counted.add(ref.key)
        self._failed_wakes.labels(*ref.key).inc()

    def decided(self, ref: ServiceRef, change: Change) -> None:
        self._counted.add(ref.key)
        self._decisions.labels(*ref.key, change).inc()

    def render(
        self, snapshots: Mapping[ServiceKey, Snapshot], held: Mapping[ServiceRef, int]
    ) -> bytes:
        """In Prometheus' text format. ``held``: calls that wait at the gate, of each version."""
        for key in self._counted - set(snapshots):
            self._forget(key)
        registry = CollectorRegistry()
        waiting = _gauge("space_cloud_held_calls", "Calls that wait at the gate", registry)
        wanted = _gauge("space_cloud_replicas_wanted", "Replicas that are wanted", registry)
        ready = _gauge("space_cloud_replicas_ready", "Replicas that take requests", registry)
        for snapshot in snapshots.values():
            for ref, declared, serving in _numbers(snapshot):
                wanted.labels(*ref).set(declared)
                ready.labels(*ref).set(serving)
        for ref, calls in held.items():
            waiting.labels(*ref).set(calls)
        return generate_latest(self._registry) + generate_latest(registry)

    def _forget(self, key: ServiceKey) -> None:
        self._counted.discard(key)
        labels = {"project": key.project, "service": key.service}
        for each in (self._wakes, self._failed_wakes, self._decisions):
            each.remove_by_labels(labels)


def _gauge(name: str, says: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, says, OF_A_VERSION, registry=registry)


def _numbers(snapshot: Snapshot) -> Iterable[tuple[ServiceRef, int, int]]:
    """Of each declared version: replicas wanted and ready. Of one that sleeps none is wanted."""
    situation = snapshot.situation
    replicas = situation.observed.workloads.replicas
    for version in situation.desired.versions:
        is_asleep = version.scaling is not None and version.scaling.asleep is not None
        ready = sum(r.ref == version.ref and in_service(r) for r in replicas)
        yield version.ref, 0 if is_asleep else situation.wanted(version), ready
