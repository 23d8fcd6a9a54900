"""
The state of a version, and why it is so.

| what is so                                              | state       |
|---------------------------------------------------------|-------------|
| the latest apply was not looked at yet, or that failed  | progressing |
| the engine or the gateway refuse it as written          | failed      |
| the latest revision was given up before it was confirmed | failed     |
| a task ended three times in a row and is not ready      | failed      |
| there is no such program in the image                   | failed      |
| a task ended for good, and not with 0                   | failed      |
| none are wanted, none run                               | asleep      |
| it is to sleep, and its replica is laid down            | asleep      |
| it is to sleep, and its replica still takes requests    | ready       |
| as many as are wanted have ended for good, with 0       | completed   |
| as many serve, and a job among them still runs          | progressing |
| as many serve as are wanted, of the wanted revision: confirmed | ready |
| … not confirmed yet                                     | progressing |
| some serve, but not as declared, a task is not ready    | degraded    |
| anything else                                           | progressing |
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.scale import policy_in_force
from spacecloud.model.service import confirm_seconds
from spacecloud.model.status import State
from spacecloud.reasons.scaling import MemoryShort
from spacecloud.reasons.services import (
    Asleep,
    Confirming,
    NoneAskedFor,
    NotConfirmed,
    RolledBack,
    Sleeping,
)
from spacecloud.reasons.tasks import CrashLoop, JobRunning, NotRestarted, PodDown, ProgramNotFound
from spacecloud.reasons.union import Reason
from spacecloud.report.replicas import task_reason
from spacecloud.report.sleeping import depth_of_all
from spacecloud.report.snapshot import Snapshot, replicas_of
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.rollout import serves, wanted_revision
from spacecloud.workloads.situation import Declared, Resolution, in_service

CRASHES_UNTIL_FAILED = 3
LONG_START = timedelta(seconds=10)
"""A start that takes longer, beside replicas that serve, counts as degraded."""


@dataclass(frozen=True, slots=True)
class Verdict:
    state: State
    reason: Reason | None = None
    replica: str = ""
    """The one that it is about; empty where it is about the version."""

    task: str = ""
    """Of that replica; empty where it is about the replica."""

    @property
    def subject(self) -> str:
        return "/".join(part for part in (self.replica, self.task) if part)

    @property
    def message(self) -> str:
        if self.reason is None:
            return ""
        return f"{self.subject}: {self.reason}" if self.subject else str(self.reason)


def verdict_on(version: DeclaredVersion, snapshot: Snapshot | None, unobserved: Reason) -> Verdict:
    """``unobserved`` is why nothing is known of its latest declaration, where nothing is."""
    seen = snapshot.situation.version(version.ref) if snapshot is not None else None
    if snapshot is None or seen is None or seen.generation < version.generation:
        return Verdict("progressing", unobserved)
    refused = _refused(seen, snapshot)
    if refused is not None:
        return Verdict("failed", refused)
    resolution, found = wanted_revision(snapshot.situation, seen)
    if found is not None:
        # Until the store knows, the latest revision is all that was decided upon.
        return Verdict("progressing", found.why, f"{found.replica}/{found.task}")
    return _of_replicas(seen, snapshot, resolution)


def _refused(version: DeclaredVersion, snapshot: Snapshot) -> Reason | None:
    """Why it will not be as it is declared."""
    situation = snapshot.situation
    refused = situation.history.refused.get((version.ref, version.generation))
    rejected = situation.history.rejected_publication
    if refused is not None:
        return refused
    if rejected is not None and snapshot.plan.problems:
        return rejected[1]
    return _failure(version) if situation.has_failed(version) else None


def _of_replicas(version: DeclaredVersion, snapshot: Snapshot, resolution: Resolution) -> Verdict:
    situation = snapshot.situation
    replicas = replicas_of(version.ref, snapshot)
    current = [r for r in replicas if r.revision == resolution.revision]
    serving = sum(serves(r, situation) for r in current)
    wanted = situation.wanted(version)
    dead_end = _dead_end(current, serving, snapshot)
    if dead_end is not None:
        return dead_end
    if situation.sleeps(version) is not None:
        return _of_sleepers(version, current, snapshot)
    if wanted == 0:
        return Verdict("progressing") if replicas else Verdict("asleep", _none_wanted(version))
    arrived = _arrived(version, current, serving, resolution, snapshot)
    if arrived is not None:
        return arrived
    others = [r for r in replicas if serves(r, situation)]
    verdict = _first_not_ready(current, snapshot)
    if others and any(_is_serious(r, situation.now) for r in current):
        return replace(verdict, state="degraded")
    return verdict


def _none_wanted(version: DeclaredVersion) -> Asleep | NoneAskedFor:
    return Asleep() if policy_in_force(version).pinned is None else NoneAskedFor()


def _of_sleepers(
    version: DeclaredVersion, current: list[ObservedReplica], snapshot: Snapshot
) -> Verdict:
    """Until it is laid down it takes requests like any other, through its gate."""
    if any(in_service(r) for r in current):
        return Verdict("ready", snapshot.last_error)
    depth = depth_of_all(current)
    if depth is None:
        return _first_not_ready(current, snapshot)
    since = version.scaling.since if version.scaling is not None else snapshot.situation.now
    return Verdict("asleep", Sleeping(depth, since))


def _dead_end(current: list[ObservedReplica], serving: int, snapshot: Snapshot) -> Verdict | None:
    over = [failed for r in current if (failed := _end(r, snapshot))]
    loops = [loop for r in current if (loop := _crash_loop(r, snapshot))]
    return next(iter(over + loops * (serving == 0)), None)


def _arrived(
    version: DeclaredVersion,
    current: list[ObservedReplica],
    serving: int,
    resolution: Resolution,
    snapshot: Snapshot,
) -> Verdict | None:
    """All that is wanted is there, or done."""
    wanted = snapshot.situation.wanted(version)
    completed = sum(r.is_completed for r in current)
    if resolution.is_completed or completed >= wanted:
        return Verdict("completed", snapshot.last_error)
    if serving + completed < wanted or not _is_published(snapshot):
        return None
    return _running_job(current) or _of_serving(version, resolution, snapshot)


def _of_serving(version: DeclaredVersion, resolution: Resolution, snapshot: Snapshot) -> Verdict:
    seconds = confirm_seconds(version.spec)
    if seconds and not resolution.is_confirmed:
        return Verdict("progressing", Confirming(seconds))
    return Verdict("ready", snapshot.last_error)


def _failure(version: DeclaredVersion) -> Reason | None:
    failure, latest = version.failure, version.revision
    if failure is None or latest is None:
        return None
    told = (failure.subject, failure.message, failure.fix, failure.code)
    if version.fallback is None or version.confirmed is None:
        return NotConfirmed(latest.number, *told)
    return RolledBack(latest.number, version.confirmed.number, *told)


def _first_not_ready(replicas: list[ObservedReplica], snapshot: Snapshot) -> Verdict:
    """Of the replicas, else of what failed last, else of the plan."""
    if isinstance(snapshot.last_error, MemoryShort):
        # Of what is to start; how it ended before it slept tells nothing of it.
        return Verdict("progressing", snapshot.last_error)
    for replica in replicas:
        verdict = _why_not_ready(replica, snapshot)
        if verdict is not None:
            return verdict
    reason = snapshot.last_error or next(iter(snapshot.plan.problems), None)
    return Verdict("progressing", reason)


def _is_published(snapshot: Snapshot) -> bool:
    published, desired = snapshot.situation.observed.published, snapshot.situation.desired
    if published is None or not isinstance(desired, Declared):
        return False
    face = desired.face
    return (
        published.acknowledged
        and published.face.entries == face.entries
        and published.face.sources == face.sources
        and published.face.rule == face.rule
        and published.face.of_versions == face.of_versions
        and snapshot.situation.observed.names == face.names
    )


def _why_not_ready(replica: ObservedReplica, snapshot: Snapshot) -> Verdict | None:
    """Why it is not ready; None when it only needs a moment."""
    for task in replica.tasks:
        reason = task_reason(task, snapshot)
        if reason is not None:
            return Verdict("progressing", reason, replica.id, task.task)
    if replica.sandbox != "running":
        return Verdict("progressing", PodDown(replica.sandbox), replica.id)
    return None


def _is_serious(replica: ObservedReplica, now: datetime) -> bool:
    """More than a start that takes its time."""
    return replica.sandbox != "running" or any(
        (task.state == "exited" and not task.is_completed)
        or task.error != ""
        or task.health.state == "failing"
        or (
            task.state == "running"
            and task.health.state != "ready"
            and task.started_at is not None
            and now - task.started_at > LONG_START
        )
        for task in replica.tasks
    )


def _running_job(replicas: list[ObservedReplica]) -> Verdict | None:
    for replica in replicas:
        for task in replica.tasks:
            if task.is_job and task.state == "running":
                return Verdict("progressing", JobRunning(), replica.id, task.task)
    return None


def _end(replica: ObservedReplica, snapshot: Snapshot) -> Verdict | None:
    for task in replica.tasks:
        if task.is_over and not task.is_completed:
            reason = NotRestarted(snapshot.ending_of(task))
            return Verdict("failed", reason, replica.id, task.task)
    return None


def _crash_loop(replica: ObservedReplica, snapshot: Snapshot) -> Verdict | None:
    for task in replica.tasks:
        if task.is_completed:
            continue
        exits = snapshot.situation.history.exits.get(task.container, 0)
        ending = snapshot.ending_of(task)
        if isinstance(ending, ProgramNotFound):
            return Verdict("failed", ending, replica.id, task.task)
        if exits >= CRASHES_UNTIL_FAILED and task.health.state != "ready":
            reason = CrashLoop(ending, exits)
            return Verdict("failed", reason, replica.id, task.task)
    return None
