"""How a version is doing, in the words that a person reads."""

from dataclasses import dataclass
from datetime import datetime

from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scale import declared_replicas
from spacecloud.model.status import (
    DeniedCallView,
    EventView,
    PullView,
    ReplicaStatus,
    ServiceStatus,
)
from spacecloud.reasons.notices import Notice, RouteNotServed
from spacecloud.reasons.services import (
    BeingObserved,
    Confirming,
    LookFailed,
    NotConfirmed,
    NotObserved,
    RolledBack,
    Sleeping,
)
from spacecloud.reasons.union import Reason
from spacecloud.report.replicas import replica_status
from spacecloud.report.snapshot import Snapshot, replicas_of
from spacecloud.report.verdict import verdict_on
from spacecloud.workloads.operations import AwaitConfirmed, AwaitPull, Op, PullImage, Wait
from spacecloud.workloads.situation import in_service


@dataclass(frozen=True, slots=True)
class Relations:
    """What other parts know of a service."""

    urls: tuple[str, ...] = ()
    not_served: tuple[RouteNotServed, ...] = ()
    pulls: tuple[PullView, ...] = ()
    admits: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    refusals: tuple[DeniedCallView, ...] = ()
    notices: tuple[Notice, ...] = ()
    events: tuple[EventView, ...] = ()
    unobserved: LookFailed | BeingObserved | NotObserved = NotObserved()
    """Why nothing is known of its latest declaration, where nothing is."""


def status_of(
    service: DeclaredService,
    version: DeclaredVersion,
    snapshot: Snapshot | None,
    relations: Relations,
) -> ServiceStatus:
    seen = snapshot.situation.version(version.ref) if snapshot is not None else None
    verdict = verdict_on(version, snapshot, relations.unobserved)
    sleeping = verdict.reason if isinstance(verdict.reason, Sleeping) else None
    return ServiceStatus(
        service_id=version.ref.service,
        version=version.ref.version,
        desired_replicas=_wanted(version, snapshot),
        replicas=_replicas(version.ref, snapshot),
        project=version.ref.project,
        ready_replicas=sum(map(in_service, replicas_of(version.ref, snapshot))),
        generation=version.generation,
        observed_generation=seen.generation if seen is not None else 0,
        revision=version.revision.number if version.revision is not None else 0,
        revision_hash=version.revision.hash if version.revision is not None else "",
        confirmed_revision=version.confirmed.number if version.confirmed is not None else 0,
        serving=verdict.state == "ready" or isinstance(verdict.reason, Confirming),
        confirmed_at=_confirmed_at(version.ref, snapshot),
        state=verdict.state,
        message=verdict.message,
        reason=verdict.reason.code if verdict.reason is not None else "",
        cause=_cause(verdict.reason),
        fix=verdict.reason.fix if verdict.reason is not None else "",
        subject=verdict.subject,
        task=verdict.task,
        next_step=_next_step(version.ref, snapshot, relations.pulls)
        if verdict.state != "ready"
        else "",
        asleep=sleeping.depth if sleeping is not None else None,
        asleep_since=sleeping.since if sleeping is not None else None,
        pulls=relations.pulls,
        domain=version.ref.key.domain,
        version_domain=version.ref.domain,
        default_version=service.versions[0].ref == version.ref,
        ports=tuple(f"{p.port}/{p.protocol}" for p in version.running.ports),
        urls=relations.urls,
        not_served=relations.not_served,
        admits=relations.admits,
        calls=relations.calls,
        refusals=relations.refusals,
        notices=relations.notices,
        events=relations.events,
    )


def removing(ref: ServiceRef, snapshot: Snapshot) -> ServiceStatus:
    """Of a version that is deleted and not yet gone."""
    return ServiceStatus(
        service_id=ref.service,
        version=ref.version,
        desired_replicas=0,
        replicas=_replicas(ref, snapshot),
        project=ref.project,
        state="removing",
        next_step=_next_step(ref, snapshot, ()),
        domain=ref.key.domain,
        version_domain=ref.domain,
    )


def left(key: ServiceKey, snapshot: Snapshot) -> ServiceStatus:
    """Of a deleted service of which no replica is there any more, and something else is."""
    reason = snapshot.last_error
    return ServiceStatus(
        service_id=key.service,
        version="",
        desired_replicas=0,
        project=key.project,
        state="removing",
        message=str(reason or ""),
        reason=reason.code if reason is not None else "",
        fix=reason.fix if reason is not None else "",
        next_step="; ".join(str(step.op) for step in snapshot.plan.steps[:1]),
        domain=key.domain,
    )


def _wanted(version: DeclaredVersion, snapshot: Snapshot | None) -> int:
    """As it was decided at the last look; before that, what the document says."""
    situation = snapshot.situation if snapshot is not None else None
    seen = situation.version(version.ref) if situation is not None else None
    if situation is not None and seen is not None:
        return 0 if situation.sleeps(seen) is not None else situation.wanted(seen)
    return declared_replicas(version.spec)


def _replicas(ref: ServiceRef, snapshot: Snapshot | None) -> tuple[ReplicaStatus, ...]:
    if snapshot is None:
        return ()
    return tuple(replica_status(r, snapshot) for r in replicas_of(ref, snapshot))


def _cause(reason: Reason | None) -> str:
    match reason:
        case RolledBack(cause=cause) | NotConfirmed(cause=cause):
            return cause
        case _:
            return ""


def _next_step(ref: ServiceRef, snapshot: Snapshot | None, pulls: tuple[PullView, ...]) -> str:
    """What takes longest of what is due: a pull, a wait, and only then the rest in order."""
    if pulls:
        return "; ".join(map(str, pulls))
    if snapshot is None:
        return ""
    ops = [s.op for s in snapshot.plan.steps if getattr(s.op, "ref", ref) == ref]
    ops.sort(key=_urgency)
    return str(ops[0]) if ops else ""


def _confirmed_at(ref: ServiceRef, snapshot: Snapshot | None) -> datetime | None:
    steps = snapshot.plan.steps if snapshot is not None else ()
    waits = (s.op for s in steps if isinstance(s.op, AwaitConfirmed) and s.op.ref == ref)
    return next((op.until for op in waits), None)


def _urgency(op: Op) -> int:
    match op:
        case PullImage() | AwaitPull():
            return 0
        case Wait():
            return 1
        case _:
            return 2
