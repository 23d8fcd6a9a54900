"""
Decide: what to do about one service now, given everything that was seen.

Deciding again after the steps were carried out gives the next steps, until there are none:
nothing is remembered between two looks but what ``History`` holds.
"""

from dataclasses import replace

from spacecloud.model.addresses import free_address, room_of
from spacecloud.model.traffic import Endpoint, Face
from spacecloud.reasons.platform import SubnetFull
from spacecloud.reasons.steps import (
    Deleted,
    EndpointsChanged,
    FaceChanged,
    GateChanged,
    GoingReason,
    NamesDiffer,
    NamesMissing,
    NetworkDiffers,
    NetworkMissing,
    NotAcknowledged,
    NotDeclared,
    NothingLeft,
    NotPublished,
    PullNotWanted,
    RevisionImageGone,
    RevisionMissing,
    SandboxLost,
    SecretChanged,
    SlotEmpty,
)
from spacecloud.reasons.tasks import Completed
from spacecloud.reasons.union import Reason
from spacecloud.workloads.confirmation import giving_up, judge
from spacecloud.workloads.drain import drain
from spacecloud.workloads.observed import ObservedReplica, Published
from spacecloud.workloads.operations import (
    AwaitPull,
    CancelPull,
    CreateNetwork,
    CreateReplica,
    PublishNames,
    PublishPolicy,
    PublishTraffic,
    PullImage,
    RecordCompletion,
    RecordRevision,
    ReleaseAddresses,
    RemoveNetwork,
    RemoveReplica,
    WithdrawTraffic,
)
from spacecloud.workloads.plan import Plan, PlanBuilder, Steps
from spacecloud.workloads.rollout import Rollout, VersionRollout, creation, roll_out, serves
from spacecloud.workloads.situation import (
    Declared,
    Leaving,
    Situation,
    Unknown,
    as_operated_on,
    in_service,
    may_serve,
)
from spacecloud.workloads.sleep import look_after
from spacecloud.workloads.under_way import hold_back


def decide(situation: Situation) -> Plan:
    situation = as_operated_on(situation)
    builder = PlanBuilder()
    rollout = roll_out(situation)
    _plan_cancelled_pulls(situation, rollout, builder)
    match situation.desired:
        case Declared() as declared:
            _plan_declared(situation, declared, rollout, builder)
        case Leaving():
            _plan_removal(situation, rollout, Deleted(), builder)
        case Unknown():
            _plan_removal(situation, rollout, NotDeclared(), builder)
    return hold_back(builder.plan(), situation)


def _plan_cancelled_pulls(situation: Situation, rollout: Rollout, builder: PlanBuilder) -> None:
    """Those that the declaration, as it is now, does not need."""
    wanted = [
        situation.pulling(v.version, task)
        for v in rollout.versions
        if v.wanted
        for task in v.resolution.spec.tasks
    ]
    for pull in situation.observed.pulls:
        if pull.state == "running" and pull.op not in wanted:
            builder.add(CancelPull(pull.op), PullNotWanted())


def _plan_declared(
    situation: Situation, declared: Declared, rollout: Rollout, builder: PlanBuilder
) -> None:
    network = _plan_network(situation, declared, rollout, builder)
    _plan_names(situation, declared, builder)
    published = _plan_traffic(situation, declared, rollout, builder)
    taken = {r.address for r in situation.observed.workloads.replicas}
    taken |= {e.address for e in situation.acknowledged}
    taken |= {op.address for op in situation.history.under_way if isinstance(op, CreateReplica)}
    for version in rollout.versions:
        _plan_version(situation, declared, version, taken, network, builder)
    unrecorded = {v.version.ref for v in rollout.versions if v.broken is not None}
    for replica, cause in rollout.going:
        # What is given up goes when the store knows why: it is the evidence.
        if replica.ref not in unrecorded:
            drain(situation, replica, rollout.endpoints, cause, builder, after=published)


def _plan_removal(
    situation: Situation, rollout: Rollout, cause: GoingReason, builder: PlanBuilder
) -> None:
    key, observed = situation.desired.key, situation.observed
    names: Steps = ()
    if observed.names:
        names = builder.add(PublishNames(key, ()), cause)
    published: Steps = ()
    endpoints = rollout.endpoints
    if observed.published is not None and endpoints:
        face = replace(observed.published.face, entries=(), names=())
        published = _plan_publication(situation, face, endpoints, cause, builder)
    elif observed.in_gateway and endpoints:
        # Nobody knows any more what draining would have to look like: no new request, then.
        builder.add(WithdrawTraffic(key), cause)
        return
    else:
        endpoints = ()
    for replica, _ in rollout.going:
        drain(situation, replica, endpoints, cause, builder, after=published)
    if observed.workloads.replicas:
        return
    withdrawn: Steps = ()
    if observed.published is not None or observed.in_gateway:
        withdrawn = builder.add(WithdrawTraffic(key), cause)
    removed: Steps = ()
    if observed.workloads.network is not None:
        removed = builder.add(RemoveNetwork(key), cause)
    if isinstance(situation.desired, Leaving):
        builder.add(ReleaseAddresses(key), NothingLeft(), after=names + withdrawn + removed)


def _plan_network(
    situation: Situation, declared: Declared, rollout: Rollout, builder: PlanBuilder
) -> Steps:
    workloads, subnet = situation.observed.workloads, str(declared.subnet)
    if workloads.network == subnet:
        return ()
    if not workloads.replicas and not any(v.wanted and v.depth is None for v in rollout.versions):
        # A network costs the engine a tenth of a second: not before something is to run in it.
        return ()
    cause: NetworkMissing | NetworkDiffers = NetworkMissing()
    removed = list[int]()
    if workloads.network is not None:
        cause = NetworkDiffers(workloads.network, subnet)
        for replica in workloads.replicas:
            removed += builder.add(RemoveReplica(replica.ref, replica.id), cause)
        removed = list(builder.add(RemoveNetwork(declared.key), cause, after=removed))
    return builder.add(CreateNetwork(declared.key, subnet), cause, after=removed)


def _plan_names(situation: Situation, declared: Declared, builder: PlanBuilder) -> None:
    face = declared.face
    if situation.observed.names != face.names:
        cause = NamesDiffer() if situation.observed.names else NamesMissing()
        builder.add(PublishNames(face.key, face.names), cause)


def _plan_traffic(
    situation: Situation, declared: Declared, rollout: Rollout, builder: PlanBuilder
) -> Steps:
    published = situation.observed.published
    face = _with_leaving_versions(declared.face, published, rollout.endpoints)
    if published is None:
        if _is_undecided(situation):
            # Who is let in does not wait for a verdict: a revocation may be among it.
            if situation.observed.policy == declared.face:
                return ()
            return builder.add(PublishPolicy(declared.face), FaceChanged())
        cause: Reason = NotPublished()
    elif published.face != face:
        cause = FaceChanged()
    elif published.gated != rollout.gated:
        cause = _gate_change(published.gated, rollout.gated)
    elif published.endpoints != rollout.endpoints:
        cause = _difference(published.endpoints, rollout.endpoints)
    elif not published.acknowledged:
        cause = NotAcknowledged()
    else:
        return ()
    return _plan_publication(
        situation, face, rollout.endpoints, cause, builder, gated=rollout.gated
    )


def _is_undecided(situation: Situation) -> bool:
    """
    The gateway serves what an earlier process told it, and some of that has no verdict yet. That it
    holds nothing may only mean that it has not come back to this process.
    """
    return any(may_serve(r) and not in_service(r) for r in situation.observed.workloads.replicas)


def _plan_publication(
    situation: Situation,
    face: Face,
    endpoints: tuple[Endpoint, ...],
    cause: Reason,
    builder: PlanBuilder,
    *,
    gated: tuple[str, ...] = (),
) -> Steps:
    wanted = Published(face, endpoints, gated=gated)
    refused = situation.history.rejected_publication
    if refused is not None and refused[0] == wanted:
        builder.problem(refused[1])
        return ()
    if situation.observed.published == wanted:
        return ()
    return builder.add(PublishTraffic(face, endpoints, gated), cause)


def _with_leaving_versions(
    face: Face, published: Published | None, endpoints: tuple[Endpoint, ...]
) -> Face:
    """
    A version that is not declared any more keeps its clusters until it has drained, and one that
    does not sleep any more its gate: what has passed that may be under way for long.
    """
    if published is None:
        return face
    declared = {port.version for port in face.ports}
    leaving = {e.version for e in endpoints} - declared
    kept = {
        port
        for port in published.face.ports
        if port.version in leaving or (leaving and not port.version)
    }
    ports = {*face.ports, *kept}
    there = {port.version for port in ports}
    gates = {*face.gates, *(gate for gate in published.face.gates if gate in there)}
    return replace(face, ports=tuple(sorted(ports)), gates=tuple(sorted(gates)))


def _gate_change(before: tuple[str, ...], after: tuple[str, ...]) -> GateChanged:
    shut, opened = sorted({*after} - {*before}), sorted({*before} - {*after})
    return GateChanged(tuple(shut), tuple(opened))


def _difference(before: tuple[Endpoint, ...], after: tuple[Endpoint, ...]) -> EndpointsChanged:
    was = {e.address: e.draining for e in before}
    now = {e.address: e.draining for e in after}
    return EndpointsChanged(
        ready=tuple(sorted(a for a in now if not now[a] and was.get(a, True))),
        draining=tuple(sorted(a for a in now if now[a] and not was.get(a, False))),
        gone=tuple(sorted(was.keys() - now.keys())),
    )


def _plan_version(
    situation: Situation,
    declared: Declared,
    rollout: VersionRollout,
    taken: set[str],
    network: Steps,
    builder: PlanBuilder,
) -> None:
    version = rollout.version
    if rollout.resolution.is_completed:
        if not rollout.resolution.is_recorded:
            _plan_resolution(situation, rollout, builder)
        return
    if rollout.is_done:
        builder.add(RecordCompletion(version.ref, rollout.resolution.number), Completed())
    refused = situation.history.refused.get((version.ref, version.generation))
    if refused is not None:
        builder.problem(refused)
    rebuilt = _rebuilt(situation, rollout)
    for replica in (*rollout.staying, *rollout.warm):
        if replica not in rebuilt:
            look_after(situation, declared, replica, rollout, builder)
    if refused is not None:
        return
    before = network + _plan_revision(situation, rollout, builder)
    if rollout.depth is not None:
        return
    for replica in rebuilt:
        _plan_rebuild(declared, rollout, replica, before, builder)
    _plan_new_replicas(declared, rollout, taken, before, builder)


def _plan_revision(situation: Situation, rollout: VersionRollout, builder: PlanBuilder) -> Steps:
    """What becomes of the latest one, and the steps that come before any replica of it."""
    version = rollout.version
    if rollout.depth is not None:
        # An apply of what sleeps, as it is: the store alone has to know.
        is_known = version.resolved == version.generation
        return () if is_known else _plan_resolution(situation, rollout, builder)
    _plan_verdict(situation, rollout, builder)
    if not rollout.wanted or rollout.resolution.is_recorded:
        return ()
    return _plan_resolution(situation, rollout, builder)


def _rebuilt(situation: Situation, rollout: VersionRollout) -> list[ObservedReplica]:
    """What is over needs no sandbox, and is not run again for want of one; nor is what sleeps."""
    return [
        replica
        for replica in rollout.staying
        if replica.sandbox != "running"
        and not replica.is_over
        and not situation.rests(replica, rollout.revision)
    ]


def _plan_verdict(situation: Situation, rollout: VersionRollout, builder: PlanBuilder) -> None:
    """Of the latest revision: it lasts, it does not, or that has to be seen."""
    version, resolution = rollout.version, rollout.resolution
    latest = version.revision
    if latest is None or version.is_confirmed or not rollout.wanted:
        return
    if rollout.broken is not None:
        builder.add(giving_up(version, latest.number, rollout.broken), rollout.broken.why)
    elif (
        resolution.is_recorded
        and resolution.number == latest.number
        and len(rollout.serving) >= rollout.wanted
        and all(serves(replica, situation) for replica in rollout.serving)
    ):
        judge(situation, version, resolution, rollout.serving, builder)


def _plan_new_replicas(
    declared: Declared,
    rollout: VersionRollout,
    taken: set[str],
    before: Steps,
    builder: PlanBuilder,
) -> None:
    """A replica for each slot that is empty."""
    if rollout.revision is None:
        return
    for slot in rollout.missing:
        address = free_address(declared.subnet, taken)
        if address is None:
            builder.problem(SubnetFull(str(declared.subnet), room_of(declared.subnet)))
            return
        taken.add(address)
        op = creation(declared, rollout, slot, address)
        if op is not None:
            cause = SlotEmpty(rollout.wanted, slot)
            builder.add(op, cause, after=before)


def _plan_rebuild(
    declared: Declared,
    rollout: VersionRollout,
    replica: ObservedReplica,
    before: Steps,
    builder: PlanBuilder,
) -> None:
    op = creation(declared, rollout, replica.slot, replica.address)
    if op is None:
        return
    cause = SandboxLost(replica.sandbox)
    removed = builder.add(RemoveReplica(replica.ref, replica.id), cause)
    builder.add(op, cause, after=(*before, *removed))


def _plan_resolution(situation: Situation, rollout: VersionRollout, builder: PlanBuilder) -> Steps:
    """
    An image id per task, pulled where it must be; every apply resolves anew.

    Answers with the step that records the revision, which comes before any container of it.
    """
    version, resolution = rollout.version, rollout.resolution
    if resolution.images is not None and resolution.revision is not None:
        op = RecordRevision(
            version.ref,
            version.generation,
            resolution.number,
            resolution.revision,
            tuple(sorted(resolution.images.items())),
            resolution.secrets,
        )
        return builder.add(op, _why_record(situation, rollout))
    for task, cause in resolution.pulls:
        docker, running = task.docker, situation.pulling(version, task)
        if running is not None:
            builder.add(AwaitPull(running), cause)
        else:
            pull = PullImage(version.ref, docker.image, docker.secret, version.generation)
            builder.add(pull, cause)
    return ()


def _why_record(
    situation: Situation, rollout: VersionRollout
) -> RevisionMissing | RevisionImageGone | SecretChanged:
    version, latest = rollout.version, rollout.version.revision
    if latest is None or version.resolved != version.generation:
        return RevisionMissing(version.generation)
    if not situation.is_pinned(version):
        return RevisionImageGone(latest.number)
    known = {secret.id: secret.version for secret in latest.secrets}
    changed = (s.id for s in rollout.resolution.secrets if known.get(s.id) != s.version)
    return SecretChanged(tuple(changed))
