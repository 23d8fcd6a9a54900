"""
Which replicas stay, which go, which are missing: new before old.

Per version, with ``n`` wanted and ``s`` current ones that the gateway acknowledged:

| replica of                  | what becomes of it                                     |
|-----------------------------|--------------------------------------------------------|
| the wanted revision         | the best ``n`` stay, the rest go                       |
| an older revision           | the best ``n - s`` stay until new ones serve; rest go  |
| a version that is not declared | goes                                                |

A replica whose tasks are all completed counts as one that serves. All that is missing of the new
revision is created at once: the surge is the whole version.
While the revision is unknown (its images are not resolved) nothing is replaced.
"""

from dataclasses import dataclass

from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.traffic import Endpoint
from spacecloud.reasons.steps import (
    GoingReason,
    NoneWanted,
    RevisionReplaced,
    Surplus,
    VersionRemoved,
)
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import CreateReplica
from spacecloud.workloads.situation import (
    Declared,
    Resolution,
    Situation,
    in_service,
    is_live,
    may_serve,
)


@dataclass(frozen=True, slots=True)
class VersionRollout:
    version: DeclaredVersion
    wanted: int
    resolution: Resolution
    staying: tuple[ObservedReplica, ...]
    """Current ones and, until those serve, older ones."""

    going: tuple[tuple[ObservedReplica, GoingReason], ...]
    """With the cause."""

    missing: tuple[int, ...]
    """Slots to fill."""

    is_done: bool = False
    """As many replicas as are wanted are completed."""

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


def roll_out(situation: Situation) -> Rollout:
    observed = situation.observed.workloads.replicas
    versions = tuple(_version(v, situation) for v in situation.desired.versions)
    declared = {v.version.ref for v in versions}
    strays: list[tuple[ObservedReplica, GoingReason]]
    strays = [(r, VersionRemoved()) for r in observed if r.ref not in declared]
    going = sorted([*strays, *(g for v in versions for g in v.going)], key=lambda g: g[0].id)
    staying = [r for v in versions for r in v.staying]
    return Rollout(versions, tuple(going), _endpoints(situation, staying, [g[0] for g in going]))


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
        spec=version.spec,
        images=resolution.images,
        secrets=resolution.secrets,
    )


def _version(version: DeclaredVersion, situation: Situation) -> VersionRollout:
    wanted, resolution = situation.wanted(version), situation.resolution(version)
    revision = resolution.revision
    replicas = [r for r in situation.observed.workloads.replicas if r.ref == version.ref]
    current = [r for r in replicas if revision in (None, r.revision)]
    older = [r for r in replicas if r not in current]

    kept = _best(current, wanted, situation)
    completed = sum(r.is_completed for r in kept)
    serving = (
        wanted if resolution.is_completed else completed + sum(serves(r, situation) for r in kept)
    )
    waiting = [r for r in older if r.sandbox == "running" and not r.is_over]
    guard = _best(waiting, max(0, wanted - serving), situation)

    cause = RevisionReplaced(revision or "") if wanted else NoneWanted()
    going: list[tuple[ObservedReplica, GoingReason]]
    going = [(r, Surplus(wanted)) for r in current if r not in kept]
    going += [(r, cause) for r in older if r not in guard]
    taken = {r.slot for r in replicas}
    free = (slot for slot in range(len(taken) + wanted) if slot not in taken)
    missing = 0 if resolution.is_completed else wanted - len(kept)
    slots = tuple(slot for slot, _ in zip(free, range(missing), strict=False))
    is_done = resolution.is_recorded and 0 < wanted <= completed
    return VersionRollout(
        version, wanted, resolution, (*kept, *guard), tuple(going), slots, is_done
    )


def _best(
    replicas: list[ObservedReplica], count: int, situation: Situation
) -> list[ObservedReplica]:
    """Those it would be the greatest loss to stop, by slot."""
    draining = {e.address for e in situation.acknowledged if e.draining}

    def loss(replica: ObservedReplica) -> tuple[bool, bool, bool, int]:
        return (
            replica.id in situation.history.stopping_since,
            replica.address in draining,
            not in_service(replica),
            replica.slot,
        )

    return sorted(sorted(replicas, key=loss)[:count], key=lambda r: r.slot)


def _endpoints(
    situation: Situation, staying: list[ObservedReplica], going: list[ObservedReplica]
) -> tuple[Endpoint, ...]:
    known = {e.address for e in situation.acknowledged}
    taking = {e.address for e in situation.acknowledged if not e.draining}
    full = [
        Endpoint(r.ref.version, r.address)
        for r in staying
        if in_service(r) or (may_serve(r) and r.address in taking)
    ]
    draining = [
        Endpoint(r.ref.version, r.address, draining=True)
        for r in going
        if is_live(r) and (r.address in known or may_serve(r))
    ]
    return tuple(sorted([*full, *draining]))
