"""The world as a driver saw it, at the moment it looked. Everything here can be seen again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.task import Restart
from spacecloud.model.traffic import Endpoint, Face
from spacecloud.reasons.tasks import Ending, Exited, OutOfMemory, ProbeReason, ProgramNotFound
from spacecloud.reasons.union import FailureReason
from spacecloud.workloads.operations import Op, PullImage

INIT_FAILED = frozenset({1, 126, 127})
INIT_SAID = re.compile(r"\[FATAL tini \(\d+\)\] exec (?P<program>.+?) failed: (?P<why>[\w ]+)$")
"""The engine's init, in its last line, of a program that it could not start."""

HealthState = Literal["unknown", "starting", "ready", "failing"]


@dataclass(frozen=True, slots=True)
class Health:
    """
    What the probes of a task say.

    ``unknown``: it ran before this process began to ask, and has given no verdict yet: it may be
    in traffic. ``starting``: never yet ready since it started. ``failing``: was ready, is not now.
    """

    state: HealthState = "unknown"
    failures: int = 0
    """In a row."""

    reason: ProbeReason | None = None
    """The last failure."""

    asked: timedelta | None = field(default=None, compare=False)
    """For how long this run has been asked, by a clock that does not jump; None: not known."""


@dataclass(frozen=True, slots=True)
class ObservedTask:
    container: str
    """The engine's id."""

    task: str
    state: Literal["created", "running", "exited"]
    image: str
    started_at: datetime | None = None
    exited_at: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    error: str = ""
    """The engine's own words on why it did not start."""

    health: Health = Health()
    grace_seconds: float = 60
    tolerated_failures: int = 3
    """Of its probe, before a ready task leaves traffic."""

    orphaned: bool = False
    """Runs in a namespace that its sandbox has left: unreachable, though it looks alive."""

    restart: Restart = "always"
    is_job: bool = False
    """It runs until it is done, and is asked nothing before."""

    frozen: bool = False
    """Running, and stopped by the cgroup freezer: ``health`` is what it was before."""

    @property
    def is_over(self) -> bool:
        """It has ended, and its restart policy says that it is not started again."""
        if self.state != "exited" or self.restart == "always":
            return False
        return self.restart == "never" or self.exit_code == 0

    @property
    def is_completed(self) -> bool:
        return self.is_over and self.exit_code == 0

    def ending(self, last_output: str = "") -> Ending:
        """Why it ended; ``last_output`` is the end of its log."""
        if self.out_of_memory:
            return OutOfMemory(last_output)
        if self.exit_code in INIT_FAILED and (said := INIT_SAID.search(last_output)):
            return ProgramNotFound(f"exec {said['program']}", said["why"])
        return Exited(self.exit_code, last_output)


@dataclass(frozen=True, slots=True)
class ObservedPull:
    """The last pull of an image for a version."""

    op: PullImage
    state: Literal["running", "done", "failed"]
    ended_at: datetime | None = None
    reason: FailureReason | None = None
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class ObservedReplica:
    id: str
    ref: ServiceRef
    slot: int
    revision: str
    address: str
    sandbox: Literal["missing", "running", "stopped", "off its network"]
    expected_tasks: tuple[str, ...]
    """Task ids that belong to it, as its creation wrote down."""

    tasks: tuple[ObservedTask, ...]
    termination_grace_seconds: int | None = None
    """As its service declared it when it was made; None where it did not."""

    @property
    def is_over(self) -> bool:
        """Nothing of it runs, nor will again."""
        return self._has_all and all(task.is_over for task in self.tasks)

    @property
    def is_completed(self) -> bool:
        return self._has_all and all(task.is_completed for task in self.tasks)

    @property
    def has_frozen(self) -> bool:
        """One of its tasks at least."""
        return any(task.frozen for task in self.tasks)

    @property
    def is_frozen(self) -> bool:
        """All of it that runs."""
        running = [task for task in self.tasks if task.state == "running"]
        return bool(running) and all(task.frozen for task in running)

    @property
    def _has_all(self) -> bool:
        return {task.task for task in self.tasks} == set(self.expected_tasks)

    @property
    def ready(self) -> bool:
        return (
            self.sandbox == "running"
            and {t.task for t in self.tasks} == set(self.expected_tasks)
            and all(
                t.state == "running"
                and t.health.state == "ready"
                and not t.orphaned
                and not t.frozen
                for t in self.tasks
            )
        )


@dataclass(frozen=True, slots=True)
class ObservedWorkloads:
    """One service on the engine."""

    key: ServiceKey
    network: str | None
    """Its subnet; None where there is no network."""

    replicas: tuple[ObservedReplica, ...] = ()
    """Sorted by id, of all versions, declared or not."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the gateway last acknowledged for a service."""

    face: Face
    endpoints: tuple[Endpoint, ...]
    acknowledged: bool = True
    """False once it was sent something else and has not acknowledged that: it may hold either."""

    gated: tuple[str, ...] = ()
    """Sorted; versions whose calls all pass the gate now."""


@dataclass(frozen=True, slots=True)
class Observed:
    workloads: ObservedWorkloads
    images: Mapping[str, str | None] = field(default_factory=dict)
    """Image reference to the local image's id; None where it is not here."""

    published: Published | None = None
    policy: Face | None = None
    """Whose policy was acknowledged by itself, where nothing else was published yet."""

    in_gateway: bool = False
    """The gateway holds something of the service, from this or an earlier process."""

    names: tuple[tuple[str, str], ...] = ()
    """What the resolver answers for the service now."""

    pulls: tuple[ObservedPull, ...] = ()
    """Of the service's images, those that this process has begun."""


@dataclass(frozen=True, slots=True)
class FailedOperation:
    op: Op
    reason: FailureReason
    until: datetime
    """When it is tried again."""


@dataclass(frozen=True, slots=True)
class History:
    """What a single look cannot see. Losing it (a crash) costs time, never correctness."""

    exits: Mapping[str, int] = field(default_factory=dict)
    """
    Container id to its exits in a row, without ten minutes of running between them. 0: it ended
    while its version slept, mostly because it was asked to.
    """

    pulled: frozenset[tuple[ServiceRef, int, str]] = frozenset()
    """(version, generation, image) that has been pulled."""

    draining_since: Mapping[str, datetime] = field(default_factory=dict)
    """Address to the moment the gateway acknowledged that it drains, or is behind the gate."""

    idle_reports: Mapping[str, int] = field(default_factory=dict)
    """Of those: the number of reports in a row that showed nothing in flight; 0: some is."""

    stopping_since: Mapping[str, datetime] = field(default_factory=dict)
    """Replica to the moment its tasks were asked to end, for good."""

    falling_asleep_since: Mapping[str, datetime] = field(default_factory=dict)
    """Replica to the moment its tasks were asked to end, to be started again by a wake."""

    frozen_since: Mapping[str, datetime] = field(default_factory=dict)
    """Replica to the moment that this process froze it."""

    refused: Mapping[tuple[ServiceRef, int], FailureReason] = field(default_factory=dict)
    """(version, generation) that the engine cannot run as written, and why."""

    rejected_publication: tuple[Published, FailureReason] | None = None
    """What the gateway refused last, and why."""

    under_way: tuple[Op, ...] = ()
    """Begun by an earlier look and not ended."""

    failed: tuple[FailedOperation, ...] = ()
    """To be tried again."""
