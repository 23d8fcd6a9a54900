"""
What one look cannot see: how often a task ended, since when a replica drains, what was refused.

Kept per service, in memory alone. Losing it costs time, never correctness.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spacecloud.model.load import InFlightReport
from spacecloud.model.refs import ServiceRef
from spacecloud.reasons.platform import EngineUnavailable
from spacecloud.reasons.scaling import MemoryShort
from spacecloud.reasons.union import FailureReason
from spacecloud.reconcile.controller import LONGEST_RETRY, backoff
from spacecloud.reconcile.outcome import Ended
from spacecloud.workloads.observed import (
    FailedOperation,
    History,
    Observed,
    ObservedPull,
    ObservedReplica,
    ObservedTask,
    Published,
)
from spacecloud.workloads.operations import (
    CreateReplica,
    FreezeReplica,
    Op,
    PublishTraffic,
    PullImage,
    StartTask,
    StopReplica,
)
from spacecloud.workloads.repair import STABLE_AFTER
from spacecloud.workloads.simulate import drained_since
from spacecloud.workloads.under_way import Subject, subject

REFUSAL_LASTS = timedelta(minutes=5)
"""Then it is tried again: the image may have come, the registry may let us in."""

MEMORY_RETRY = timedelta(seconds=5)
"""Between two tries of what the memory does not hold: it keeps its place in the order by them."""

MOMENT_SPACING = timedelta(milliseconds=150)
"""Two reports of one moment each that are closer together are one."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A task was seen to have ended since the last look."""

    replica: ObservedReplica
    task: ObservedTask
    is_asked: bool = False
    """It was asked to end."""

    is_resting: bool = False
    """Its version sleeps."""


@dataclass(slots=True)
class _Failure:
    op: Op
    reason: FailureReason
    until: datetime
    count: int


@dataclass
class HistoryRecorder:
    _exits: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    _pulled: set[tuple[ServiceRef, int, str]] = field(default_factory=set)
    _draining: dict[str, datetime] = field(default_factory=dict)
    _idle: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    _stopping: dict[str, datetime] = field(default_factory=dict)
    _falling_asleep: dict[str, datetime] = field(default_factory=dict)
    _frozen: dict[str, datetime] = field(default_factory=dict)
    _refused: dict[tuple[ServiceRef, int], tuple[FailureReason, datetime]] = field(
        default_factory=dict
    )
    _refused_publication: tuple[Published, FailureReason, datetime] | None = None
    _pull_ends: dict[tuple[ServiceRef, str], datetime] = field(default_factory=dict)
    _under_way: dict[Subject, Op] = field(default_factory=dict)
    _failures: dict[Subject, _Failure] = field(default_factory=dict)
    generations: Mapping[ServiceRef, int] = field(default_factory=dict)
    """Of each version, as it was last looked at."""

    last_output: dict[str, str] = field(default_factory=dict)
    """Container id of a task that ended to the end of its log."""

    def note(
        self,
        observed: Observed,
        in_flight: Iterable[InFlightReport],
        now: datetime,
        resting: frozenset[str] = frozenset(),
    ) -> tuple[Exit, ...]:
        """
        Take in a look, and what the gateway has told lately, oldest first. ``resting``: replicas
        of a version that sleeps, whose end is no crash.
        """
        self._meet_the_clock(now)
        replicas = observed.workloads.replicas
        exits = tuple(self._note_exits(replicas, resting))
        self._draining = drained_since(self._draining, observed.published, now)
        self._note_idle(in_flight, now)
        there = {replica.id for replica in replicas}
        self._stopping = {id: since for id, since in self._stopping.items() if id in there}
        self._note_sleepers(replicas)
        return exits

    def note_pulls(self, pulls: Iterable[ObservedPull]) -> tuple[ObservedPull, ...]:
        """Take in how pulls ended; those that have since the last look."""
        new = []
        for pull in pulls:
            ref, image, ended_at = pull.op.ref, pull.op.image, pull.ended_at
            if ended_at is None or self._pull_ends.get((ref, image)) == ended_at:
                continue
            self._pull_ends[ref, image] = ended_at
            new.append(pull)
            if pull.reason is not None:
                self.refuse(ref, pull.op.generation, pull.reason, ended_at)
            else:
                self._note_pulled(pull.op)
        return tuple(new)

    def note_begun(self, op: Op) -> None:
        self._under_way[subject(op)] = op

    def note_ended(self, ended: Ended, now: datetime) -> None:
        """What failed for good is refused, all else is tried again later."""
        op = ended.step.op
        self._under_way.pop(subject(op), None)
        if ended.reason is None:
            self._failures.pop(subject(op), None)
            self.note_done(op, now)
        elif not ended.is_refused:
            self._note_failed(op, ended.reason, now)
        else:
            match op:
                case PublishTraffic():
                    self.refuse_publication(op, ended.reason, now)
                case CreateReplica(ref=ref) | StartTask(ref=ref):
                    self.refuse(ref, self.generations.get(ref, 0), ended.reason, now)
                case _:
                    pass

    def forget_failures(self) -> None:
        """There is reason to try everything at once, what ended without the engine as well."""
        self._failures.clear()
        self._refused = {
            key: (reason, at)
            for key, (reason, at) in self._refused.items()
            if not isinstance(reason, EngineUnavailable)
        }

    def forget_shortage(self) -> None:
        """What the memory did not hold may be tried at once."""
        self._failures = {
            subject: failure
            for subject, failure in self._failures.items()
            if not isinstance(failure.reason, MemoryShort)
        }

    def note_done(self, op: Op, now: datetime) -> None:
        match op:
            case StopReplica(replica=replica, then="keep"):
                self._falling_asleep[replica] = now
            case StopReplica(replica=replica):
                self._stopping[replica] = now
            case FreezeReplica(replica=replica):
                self._frozen[replica] = now
            case PublishTraffic():
                self._refused_publication = None
            case _:
                pass

    def refuse(
        self, ref: ServiceRef, generation: int, reason: FailureReason, now: datetime
    ) -> None:
        """The latest generation counts."""
        if any(r == ref and g > generation for r, g in self._refused):
            return
        self._refused = {k: v for k, v in self._refused.items() if k[0] != ref}
        self._refused[ref, generation] = (reason, now)

    def refuse_publication(self, op: PublishTraffic, reason: FailureReason, now: datetime) -> None:
        self._refused_publication = (Published(op.face, op.endpoints, gated=op.gated), reason, now)

    def history(self, now: datetime) -> History:
        publication = self._refused_publication
        if publication is not None and now - publication[2] >= REFUSAL_LASTS:
            publication = None
        return History(
            exits={container: count for container, (count, _) in self._exits.items()},
            pulled=frozenset(self._pulled),
            draining_since=dict(self._draining),
            idle_reports={address: count for address, (count, _) in self._idle.items()},
            stopping_since=dict(self._stopping),
            falling_asleep_since=dict(self._falling_asleep),
            frozen_since=dict(self._frozen),
            refused={
                key: reason
                for key, (reason, at) in self._refused.items()
                if now - at < REFUSAL_LASTS
            },
            rejected_publication=publication[:2] if publication is not None else None,
            under_way=tuple(self._under_way.values()),
            failed=tuple(
                FailedOperation(f.op, f.reason, f.until)
                for f in self._failures.values()
                if now < f.until
            ),
        )

    def refused_until(self) -> datetime | None:
        """When the earliest refusal is over; the look then tries again."""
        times = [at for _, at in self._refused.values()]
        if self._refused_publication is not None:
            times.append(self._refused_publication[2])
        return min(times) + REFUSAL_LASTS if times else None

    def _note_pulled(self, op: PullImage) -> None:
        ref, generation = op.ref, op.generation
        self._pulled = {p for p in self._pulled if p[0] != ref or p[1] == generation}
        self._pulled.add((ref, generation, op.image))

    def _note_failed(self, op: Op, reason: FailureReason, now: datetime) -> None:
        before = self._failures.get(subject(op))
        count = before.count + 1 if before is not None and before.op == op else 1
        wait = MEMORY_RETRY if isinstance(reason, MemoryShort) else backoff(count)
        self._failures[subject(op)] = _Failure(op, reason, now + wait, count)

    def _meet_the_clock(self, now: datetime) -> None:
        """What seems to be still to come was before the clock was set back: it is now, then."""
        self._draining = {address: min(at, now) for address, at in self._draining.items()}
        for asked in (self._stopping, self._falling_asleep, self._frozen):
            asked.update({replica: min(at, now) for replica, at in asked.items()})
        self._idle = {address: (n, min(at, now)) for address, (n, at) in self._idle.items()}
        self._refused = {key: (why, min(at, now)) for key, (why, at) in self._refused.items()}
        for failure in self._failures.values():
            failure.until = min(failure.until, now + LONGEST_RETRY)
        if self._refused_publication is not None:
            published, why, at = self._refused_publication
            self._refused_publication = (published, why, min(at, now))

    def _note_sleepers(self, replicas: Iterable[ObservedReplica]) -> None:
        """What has ended, or was started since, is not asked to end any more."""
        asked, frozen = self._falling_asleep, self._frozen
        self._falling_asleep = {
            r.id: asked[r.id] for r in replicas if r.id in asked and _runs_since(r, asked[r.id])
        }
        self._frozen = {r.id: frozen[r.id] for r in replicas if r.id in frozen and r.is_frozen}

    def _note_exits(
        self, replicas: Iterable[ObservedReplica], resting: frozenset[str]
    ) -> Iterable[Exit]:
        tasks = [(replica, task) for replica in replicas for task in replica.tasks]
        there = {task.container for _, task in tasks}
        self._exits = {c: known for c, known in self._exits.items() if c in there}
        self.last_output = {c: output for c, output in self.last_output.items() if c in there}
        for replica, task in tasks:
            if task.state != "exited":
                continue
            known = self._exits.get(task.container)
            if known is not None and known[1] == task.exited_at:
                continue
            is_asked = replica.id in self._stopping or replica.id in self._falling_asleep
            is_resting = replica.id in resting
            count = 1 if known is None or _was_stable(task) else known[0] + 1
            if is_resting or replica.id in self._falling_asleep:
                count = 0
            self._exits[task.container] = (count, task.exited_at)
            yield Exit(replica, task, is_asked=is_asked, is_resting=is_resting)

    def _note_idle(self, in_flight: Iterable[InFlightReport], now: datetime) -> None:
        counts = {a: known for a, known in self._idle.items() if a in self._draining}
        for report in in_flight:
            for address, acknowledged in self._draining.items():
                count, last = counts.get(address, (0, None))
                if report.at <= now and _counts(report, last, acknowledged):
                    idle = report.replicas.get(address, 0) == 0
                    counts[address] = (count + 1 if idle else 0, report.at)
        self._idle = counts


def _counts(report: InFlightReport, last: datetime | None, acknowledged: datetime) -> bool:
    """
    Once, and only of an interval that began when the gateway had acknowledged: before, the replica
    was still given requests. One of a moment was made in this look, which is after that.
    """
    if report.since == report.at:
        return last is None or report.at - last >= MOMENT_SPACING
    return report.since >= (last or acknowledged)


def _runs_since(replica: ObservedReplica, asked: datetime) -> bool:
    """Some of it runs that was there when it was asked to end."""
    return any(
        task.state == "running" and (task.started_at is None or task.started_at <= asked)
        for task in replica.tasks
    )


def _was_stable(task: ObservedTask) -> bool:
    started, ended = task.started_at, task.exited_at
    return started is not None and ended is not None and ended - started >= STABLE_AFTER
