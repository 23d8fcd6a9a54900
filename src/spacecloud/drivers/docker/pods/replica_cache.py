"""
What is known of replicas without asking the engine, so that a wake need not.

A look writes it down, and so does every operation that lays a replica down or wakes it. A look that
began before such an operation has ended may have seen either: it is not written down.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from spacecloud.drivers.docker.pods.observe import Container
from spacecloud.drivers.driver import WOKEN_SECONDS
from spacecloud.errors import Transient
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.reasons.platform import WokenMeanwhile
from spacecloud.workloads.observed import ObservedReplica, ObservedTask


@dataclass(frozen=True, slots=True)
class CachedReplica:
    """A replica as it was seen last, with its tasks' containers."""

    replica: ObservedReplica
    containers: Mapping[str, Container]
    """By id; of its tasks."""

    is_ending: bool = False
    """It was asked to end, and is kept."""


class ReplicaCache:
    def __init__(self, woken_seconds: float = WOKEN_SECONDS) -> None:
        """``woken_seconds``: for so long after a wake nothing of the version is laid down."""
        self._woken_seconds = woken_seconds
        self._replicas: dict[ServiceRef, dict[str, CachedReplica]] = {}
        self._turns: Counter[ServiceKey] = Counter()
        self._looked: dict[ServiceKey, float] = {}
        self._woken: dict[ServiceRef, float] = {}
        self._leaving: set[tuple[ServiceRef, str]] = set()

    def turn(self, key: ServiceKey) -> int:
        """Another one after each operation on a service's replicas here."""
        return self._turns[key]

    def note(
        self,
        key: ServiceKey,
        replicas: Iterable[ObservedReplica],
        containers: Iterable[Container],
        began: float,
    ) -> None:
        """Take in a look that began then, on the monotonic clock."""
        by_id = {c.run.container: c for c in containers if c.tag.task}
        found: dict[ServiceRef, dict[str, CachedReplica]] = {}
        for replica in replicas:
            its = {t.container: by_id[t.container] for t in replica.tasks}
            was = self._replicas.get(replica.ref, {}).get(replica.id)
            is_ending = was is not None and was.is_ending and _is_same_run(was.replica, replica)
            found.setdefault(replica.ref, {})[replica.id] = CachedReplica(replica, its, is_ending)
        for ref in [ref for ref in self._replicas if ref.key == key]:
            del self._replicas[ref]
        self._replicas |= found
        for ref in [ref for ref in self._woken if ref.key == key and ref not in found]:
            del self._woken[ref]
        there = {(ref, id) for ref, cached in found.items() for id in cached}
        self._leaving = {one for one in self._leaving if one[0].key != key or one in there}
        self._looked[key] = began

    @contextmanager
    def changing(self, ref: ServiceRef) -> Iterator[None]:
        """Something is done about it: what a look sees meanwhile may be either."""
        self._turns[ref.key] += 1
        try:
            yield
        except BaseException:
            # Nobody knows how far it came.
            self.forget(ref)
            raise
        finally:
            self._turns[ref.key] += 1

    def of(self, ref: ServiceRef) -> list[CachedReplica]:
        """Those that a wake can use, the one that costs it least first."""
        usable = [
            cached
            for id, cached in self._replicas.get(ref, {}).items()
            if (ref, id) not in self._leaving and _can_be_woken(cached.replica)
        ]
        return sorted(usable, key=_effort)

    def leaves(self, ref: ServiceRef, replica: str) -> None:
        """It was asked to end for good."""
        self._leaving.add((ref, replica))

    def set(self, ref: ServiceRef, cached: CachedReplica) -> None:
        """As it is after an operation that succeeded."""
        if cached.replica.id in self._replicas.get(ref, {}):
            self._replicas[ref][cached.replica.id] = cached

    def get(self, ref: ServiceRef, replica: str) -> CachedReplica | None:
        return self._replicas.get(ref, {}).get(replica)

    def forget(self, ref: ServiceRef) -> None:
        """A wake looks first."""
        self._replicas.pop(ref, None)

    def all_frozen(self) -> list[tuple[ServiceRef, CachedReplica]]:
        return [
            (ref, cached)
            for ref, its in self._replicas.items()
            for cached in its.values()
            if cached.replica.has_frozen
        ]

    def woken(self, ref: ServiceRef) -> None:
        self._woken[ref] = time.monotonic()

    def refuse_if_woken(self, ref: ServiceRef, replica: str) -> None:
        """``Transient`` where it was woken after what laying it down was decided upon."""
        woken = self._woken.get(ref)
        if woken is None:
            return
        is_older = self._looked.get(ref.key, 0.0) < woken
        if is_older or time.monotonic() - woken < self._woken_seconds:
            raise Transient(WokenMeanwhile(replica))
        del self._woken[ref]


def frozen(cached: CachedReplica, paused: Collection[str]) -> CachedReplica:
    """``paused``: containers that the engine holds."""
    held = _each(cached, lambda task: replace(task, frozen=task.state == "running"))
    return _paused(held, paused)


def thawed(cached: CachedReplica) -> CachedReplica:
    return _paused(_each(cached, lambda task: replace(task, frozen=False)), ())


def running(cached: CachedReplica) -> CachedReplica:
    """What is over stays so."""
    woken = _each(
        cached, lambda task: task if task.is_over else replace(task, state="running", frozen=False)
    )
    return replace(_paused(woken, ()), is_ending=False)


def ending(cached: CachedReplica) -> CachedReplica:
    return replace(thawed(cached), is_ending=True)


def held_by_kernel(cached: CachedReplica) -> Iterator[Container]:
    """Of what is frozen, what the engine does not hold."""
    for task in cached.replica.tasks:
        container = cached.containers[task.container]
        if task.frozen and not container.paused:
            yield container


def _paused(cached: CachedReplica, paused: Collection[str]) -> CachedReplica:
    containers = {id: replace(c, paused=id in paused) for id, c in cached.containers.items()}
    return replace(cached, containers=containers)


def _each(cached: CachedReplica, change: Callable[[ObservedTask], ObservedTask]) -> CachedReplica:
    tasks = tuple(change(task) for task in cached.replica.tasks)
    return replace(cached, replica=replace(cached.replica, tasks=tasks))


def _is_same_run(before: ObservedReplica, now: ObservedReplica) -> bool:
    """Does something of it run that did before?"""
    runs = {(t.container, t.started_at) for t in before.tasks if t.state == "running"}
    return any((t.container, t.started_at) in runs for t in now.tasks if t.state == "running")


def _can_be_woken(replica: ObservedReplica) -> bool:
    """It has all that it needs but a start: its namespace, and every task's container in that."""
    there = {task.task for task in replica.tasks if task.state != "created"}
    return (
        replica.sandbox == "running"
        and there == set(replica.expected_tasks)
        and not replica.is_over
        and not any(task.orphaned for task in replica.tasks)
    )


def _effort(cached: CachedReplica) -> tuple[bool, bool, bool, bool, int]:
    """What it takes to make it answer: an end and a start, a start, a moment, a thaw, nothing."""
    replica = cached.replica
    is_ended = any(task.state == "exited" and not task.is_over for task in replica.tasks)
    is_up = replica.ready or replica.is_frozen
    return (cached.is_ending, is_ended, not is_up, replica.is_frozen, replica.slot)
