"""
Which replicas stay, which go, which are missing: new before old.

Per version, with ``n`` wanted and ``s`` current ones that the gateway acknowledged:

| replica of                     | what becomes of it                                      |
|--------------------------------|---------------------------------------------------------|
| the wanted revision            | the best ``n`` stay, the rest go                        |
| an older revision              | the best ``n - s`` stay until new ones serve; rest go   |
| the last confirmed revision    | those that would go stay, without traffic, until the    |
|                                | wanted one is confirmed: ``n`` of it in all             |
| a version that is not declared | goes                                                    |
| a version that sleeps          | the best ``n`` of the wanted one stay, the rest goes;   |
|                                | nothing is made (``sleep``)                             |

A replica whose tasks are all completed counts as one that serves. All that is missing of the new
revision is created at once: the surge is the whole version.
While the revision is unknown (its images are not resolved) nothing is replaced. The wanted
revision is the confirmed one where the latest did not last (``confirmation``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.scaling import Depth
from spacecloud.model.service import confirm_seconds
from spacecloud.model.traffic import Endpoint
from spacecloud.reasons.steps import (
    GoingReason,
    NoneWanted,
    RevisionGivenUp,
    RevisionReplaced,
    Surplus,
    VersionRemoved,
)
from spacecloud.workloads.confirmation import Broken, broken
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import CreateReplica
from spacecloud.workloads.situation import (
    Declared,
    Resolution,
    Situation,
    fallback_of,
    in_service,
    is_live,
    may_serve,
)


@dataclass(frozen=True, slots=True)
class VersionRollout:
    version: DeclaredVersion
    wanted: int
    """Where it sleeps: how many are kept to be woken."""

    resolution: Resolution
    staying: tuple[ObservedReplica, ...]
    """Current ones and, until those serve, older ones."""

    warm: tuple[ObservedReplica, ...]
    """Of the confirmed revision, without traffic: to return to."""

    going: tuple[tuple[ObservedReplica, GoingReason], ...]
    """With the cause."""

    missing: tuple[int, ...]
    """Slots to fill."""

    serving: tuple[ObservedReplica, ...] = ()
    """Current ones that callers reach."""

    broken: Broken | None = None
    """Why the latest revision is given up, which the store does not know yet."""

    is_done: bool = False
    """As many replicas as are wanted are completed."""

    depth: Depth | None = None
    """How deep it sleeps now; None: it is awake."""

    @property
    def revision(self) -> str | None:
        return self.resolution.revision


@dataclass(frozen=True, slots=True)
class Rollout:
    versions: tuple[VersionRollout, ...]
    going: tuple[tuple[ObservedReplica, GoingReason], ...]
    """Of all versions, declared or not, by id."""

    endpoints: tuple[Endpoint, ...]
    """What the gateway should hold now, sorted."""

    gated: tuple[str, ...] = ()
    """Versions whose calls all wait at the gate, sorted."""


def roll_out(situation: Situation) -> Rollout:
    observed = situation.observed.workloads.replicas
    versions = tuple(_version(v, situation) for v in situation.desired.versions)
    declared = {v.version.ref for v in versions}
    strays: list[tuple[ObservedReplica, GoingReason]]
    strays = [(r, VersionRemoved()) for r in observed if r.ref not in declared]
    going = sorted([*strays, *(g for v in versions for g in v.going)], key=lambda g: g[0].id)
    gated = tuple(sorted(v.version.ref.version for v in versions if _is_gated(situation, v)))
    listed = [r for v in versions for r in v.staying if _is_listed(situation, v, r, gated)]
    drained = [*(r for v in versions for r in v.warm), *(g[0] for g in going)]
    return Rollout(versions, tuple(going), _endpoints(situation, listed, drained), gated)


def serves(replica: ObservedReplica, situation: Situation) -> bool:
    """Callers reach it: it is in service, and the gateway has said that it knows."""
    return in_service(replica) and any(
        e.address == replica.address and not e.draining for e in situation.acknowledged
    )


def creation(
    declared: Declared, rollout: VersionRollout, slot: int, address: str
) -> CreateReplica | None:
    """What a new replica is made of; None while the wanted revision is not known."""
    version, resolution = rollout.version, rollout.resolution
    if resolution.revision is None or resolution.images is None:
        return None
    return CreateReplica(
        ref=version.ref,
        slot=slot,
        revision=resolution.revision,
        address=address,
        subnet=str(declared.subnet),
        spec=resolution.spec,
        images=resolution.images,
        secrets=resolution.secrets,
    )


def wanted_revision(
    situation: Situation, version: DeclaredVersion
) -> tuple[Resolution, Broken | None]:
    """What is to run, and what broke where that is not, or not for long, the latest revision."""
    resolution, wanted = situation.resolutions[version.ref], situation.wanted(version)
    kept = _best(_of_revision(situation, version, resolution.revision), wanted, situation)
    found = broken(situation, version, resolution, kept)
    if found is None:
        return resolution, None
    return fallback_of(version) or resolution, found


def _version(version: DeclaredVersion, situation: Situation) -> VersionRollout:
    wanted = situation.wanted(version)
    resolution, found = wanted_revision(situation, version)
    depth = situation.sleeps(version)
    replicas = [r for r in situation.observed.workloads.replicas if r.ref == version.ref]
    current = _of_revision(situation, version, resolution.revision)
    best = _best if depth is None else _best_asleep
    kept = best(current, wanted, situation)
    serving = tuple(r for r in kept if _has_taken_over(r, version, situation))
    completed = sum(r.is_completed for r in kept)
    covered = wanted if resolution.is_completed else completed + len(serving)
    older = [
        r
        for r in replicas
        if r not in current
        and r.sandbox == "running"
        and not r.is_over
        and not _was_asked_to_end(r, situation)
    ]
    if depth is not None:
        # Nothing of the wanted one has to serve before others may go.
        older = []
    elif _is_given_up(version, resolution):
        # Those that still serve do until the others are back; the rest is not worth a start.
        older = [r for r in older if may_serve(r)]
    guard = _best(older, max(0, wanted - covered), situation)
    staying = (*kept, *guard)
    warm = _warm(situation, version, resolution, staying)

    gone = [r for r in replicas if r not in staying and r not in warm]
    going = tuple((r, _why_going(r, version, resolution, wanted, current)) for r in gone)
    taken = {r.slot for r in replicas}
    free = (slot for slot in range(len(taken) + wanted) if slot not in taken)
    missing = 0 if resolution.is_completed or depth is not None else wanted - len(kept)
    slots = tuple(slot for slot, _ in zip(free, range(missing), strict=False))
    return VersionRollout(
        version,
        wanted,
        resolution,
        staying,
        warm,
        going,
        slots,
        serving,
        found,
        is_done=resolution.is_recorded and 0 < wanted <= completed,
        depth=depth,
    )


def _of_revision(
    situation: Situation, version: DeclaredVersion, revision: str | None
) -> list[ObservedReplica]:
    """All of the version while it is not known; without those that were asked to end."""
    return [
        r
        for r in situation.observed.workloads.replicas
        if r.ref == version.ref
        and revision in (None, r.revision)
        and not _was_asked_to_end(r, situation)
    ]


def _was_asked_to_end(replica: ObservedReplica, situation: Situation) -> bool:
    """It goes, whatever is wanted by now: nobody can take a SIGTERM back."""
    return replica.id in situation.history.stopping_since


def _has_taken_over(
    replica: ObservedReplica, version: DeclaredVersion, situation: Situation
) -> bool:
    """A process that has published nothing yet learns from the store what an earlier one had."""
    if situation.observed.published is None and version.serving_since is not None:
        return in_service(replica)
    return serves(replica, situation)


def _warm(
    situation: Situation,
    version: DeclaredVersion,
    resolution: Resolution,
    staying: Sequence[ObservedReplica],
) -> tuple[ObservedReplica, ...]:
    confirmed = version.confirmed
    if confirmed is None or resolution.is_confirmed or not confirm_seconds(version.spec):
        return ()
    of_it = [r for r in _of_revision(situation, version, confirmed.hash) if r.sandbox == "running"]
    spare = [r for r in of_it if r not in staying]
    missing = situation.wanted(version) - (len(of_it) - len(spare))
    return tuple(_best(spare, max(0, missing), situation))


def _why_going(
    replica: ObservedReplica,
    version: DeclaredVersion,
    resolution: Resolution,
    wanted: int,
    current: Sequence[ObservedReplica],
) -> GoingReason:
    if replica in current or replica.revision == resolution.revision:
        return Surplus(wanted)
    if not wanted:
        return NoneWanted()
    if version.revision is not None and _is_given_up(version, resolution):
        return RevisionGivenUp(version.revision.number)
    return RevisionReplaced(resolution.revision or "")


def _is_given_up(version: DeclaredVersion, resolution: Resolution) -> bool:
    """Is an earlier revision than the latest wanted?"""
    latest = version.revision
    is_known = resolution.revision is not None
    return latest is not None and is_known and resolution.number < latest.number


def _best(
    replicas: Sequence[ObservedReplica], count: int, situation: Situation
) -> list[ObservedReplica]:
    """Those it would be the greatest loss to stop, by slot."""
    draining = {e.address for e in situation.acknowledged if e.draining}

    def loss(replica: ObservedReplica) -> tuple[bool, bool, bool, bool, int]:
        return (
            not may_serve(replica),
            replica.address in draining,
            not in_service(replica),
            not replica.is_frozen,
            replica.slot,
        )

    return sorted(sorted(replicas, key=loss)[:count], key=lambda r: r.slot)


def _best_asleep(
    replicas: Sequence[ObservedReplica], count: int, situation: Situation
) -> list[ObservedReplica]:
    """Those that can answer soonest; laying one down does not change which they are."""
    draining = {e.address for e in situation.acknowledged if e.draining}

    def loss(replica: ObservedReplica) -> tuple[bool, bool, int]:
        can_answer = in_service(replica) or replica.is_frozen
        return (replica.address in draining, not can_answer, replica.slot)

    return sorted(sorted(replicas, key=loss)[:count], key=lambda r: r.slot)


def _is_gated(situation: Situation, rollout: VersionRollout) -> bool:
    """
    From when it is to sleep until a replica serves again: a call that comes meanwhile waits.

    A version that has lost its gate opens it like any other.
    """
    name, published = rollout.version.ref.version, situation.observed.published
    gates = situation.desired.face.gates if isinstance(situation.desired, Declared) else ()
    if name not in gates and (published is None or name not in published.face.gates):
        return False
    if rollout.depth is not None:
        return True
    if any(in_service(replica) for replica in rollout.staying):
        return False
    was_gated = published is not None and name in published.gated
    is_to_sleep = situation.bedtime(rollout.version) is not None
    return was_gated or is_to_sleep or any(replica.has_frozen for replica in rollout.staying)


def _is_listed(
    situation: Situation,
    rollout: VersionRollout,
    replica: ObservedReplica,
    gated: tuple[str, ...],
) -> bool:
    """Is it one of those that the gateway sends requests to? Behind the gate: those to be woken."""
    is_taking = any(e.address == replica.address and not e.draining for e in situation.acknowledged)
    if in_service(replica) or (may_serve(replica) and is_taking):
        return True
    if replica.ref.version not in gated or replica.sandbox != "running":
        return False
    return rollout.depth is not None or replica.has_frozen or is_taking


def _endpoints(
    situation: Situation, listed: list[ObservedReplica], going: list[ObservedReplica]
) -> tuple[Endpoint, ...]:
    known = {e.address for e in situation.acknowledged}
    full = [Endpoint(r.ref.version, r.address) for r in listed]
    draining = [
        Endpoint(r.ref.version, r.address, draining=True)
        for r in going
        if is_live(r) and (r.address in known or may_serve(r))
    ]
    return tuple(sorted([*full, *draining]))
