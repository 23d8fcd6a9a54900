"""Everything that a decision about one service depends on, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Network

from spacecloud.model.addresses import Allocation
from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.revision import hash_of
from spacecloud.model.scaling import Depth
from spacecloud.model.secret import SecretFacts
from spacecloud.model.service import Service
from spacecloud.model.task import Task
from spacecloud.model.traffic import Endpoint, Face
from spacecloud.reasons.steps import ImageMissing, PullAlways
from spacecloud.workloads.observed import (
    Health,
    History,
    Observed,
    ObservedReplica,
    ObservedTask,
)
from spacecloud.workloads.operations import FreezeReplica, PullImage, RestartTask, StopReplica

UNKNOWN_IMAGE = "unknown until it is pulled: "
"""What a forecast has in place of an image's id, before the image's name."""

UNKNOWN_REVISION = "known when its images are"


@dataclass(frozen=True, slots=True)
class TerminationLimits:
    drain: timedelta = timedelta(seconds=30)
    """For what a replica that goes still has in flight."""

    grace: timedelta = timedelta(seconds=10)
    """Between the request to end and the end."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The store does not know the service: what is there of it is not ours to keep."""

    key: ServiceKey

    @property
    def versions(self) -> tuple[DeclaredVersion, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """No version is declared any more; its addresses are given back when nothing is left."""

    key: ServiceKey

    @property
    def versions(self) -> tuple[DeclaredVersion, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Declared:
    service: DeclaredService
    face: Face
    allocation: Allocation
    secrets: Mapping[str, SecretFacts] = field(default_factory=dict)
    replicas: Mapping[ServiceRef, int] = field(default_factory=dict)
    """How many are wanted of each version; what scales sets it."""

    asleep: Mapping[ServiceRef, Depth] = field(default_factory=dict)
    """
    Versions that are to sleep, and how deep at most. ``replicas`` is then how many are kept to be
    woken.
    """

    @property
    def key(self) -> ServiceKey:
        return self.service.key

    @property
    def versions(self) -> tuple[DeclaredVersion, ...]:
        return self.service.versions

    @property
    def subnet(self) -> IPv4Network:
        return self.allocation.subnet


Desired = Unknown | Leaving | Declared


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one version runs: the revision that is recorded, or the next one."""

    images: Mapping[str, str] | None
    """Task id to image id; None while one must be pulled first."""

    number: int
    revision: str | None
    """Its hash; None while an image is not known."""

    spec: Service
    """What its replicas are made of."""

    secrets: tuple[SecretFacts, ...] = ()
    """Those that its tasks name, by id."""

    pulls: tuple[tuple[Task, ImageMissing | PullAlways], ...] = ()
    """Tasks whose image must be pulled, one for each image, with the reason."""

    is_recorded: bool = False
    """Has the store this revision for this generation, and are all images of it here?"""

    is_completed: bool = False
    """Was all of it done once? Nothing of it is started again then."""

    is_confirmed: bool = False
    """Has the same served before for as long as it has to?"""


@dataclass(frozen=True)
class Situation:
    desired: Desired
    observed: Observed
    history: History
    now: datetime
    termination: TerminationLimits = TerminationLimits()

    @cached_property
    def resolutions(self) -> Mapping[ServiceRef, Resolution]:
        """What each version runs: made out once, and carried through the decision."""
        return {version.ref: self._resolve(version) for version in self.desired.versions}

    @property
    def acknowledged(self) -> tuple[Endpoint, ...]:
        """What the gateway sends traffic to now, as far as this process knows."""
        published = self.observed.published
        return published.endpoints if published is not None else ()

    @property
    def before_gates(self) -> tuple[Endpoint, ...]:
        """Of those the ones that are called without passing a gate."""
        published = self.observed.published
        gated = published.gated if published is not None else ()
        return tuple(e for e in self.acknowledged if e.version not in gated)

    def termination_of(self, replica: ObservedReplica) -> TerminationLimits:
        """As its version declares now; where it is not declared any more, as it did then."""
        version = self.version(replica.ref)
        seconds = (
            version.spec.termination_grace_period_seconds
            if version is not None
            else replica.termination_grace_seconds
        )
        if seconds is None:
            return self.termination
        return TerminationLimits(timedelta(seconds=seconds), timedelta(seconds=seconds))

    def version(self, ref: ServiceRef) -> DeclaredVersion | None:
        return next((v for v in self.desired.versions if v.ref == ref), None)

    def wanted(self, version: DeclaredVersion) -> int:
        """How many replicas of it; 0 where nothing is declared."""
        match self.desired:
            case Declared(replicas=replicas):
                return replicas.get(version.ref, 0)
            case Unknown() | Leaving():
                return 0

    def bedtime(self, version: DeclaredVersion) -> Depth | None:
        """
        How deep it is to sleep, now or once its latest revision is known to last; None: it is not.

        Only what has a gate sleeps: nobody else could be told to wake it.
        """
        match self.desired:
            case Declared(asleep=asleep, face=face) if version.ref.version in face.gates:
                return asleep.get(version.ref)
            case _:
                return None

    def sleeps(self, version: DeclaredVersion) -> Depth | None:
        """
        How deep it is to sleep now; None: it is awake. What its latest revision is worth is seen
        first: a broken one is told when it is deployed, and not by the first request. An apply of
        what is confirmed already wakes nothing, nor does one whose trial is skipped: the next wake
        makes what is new.
        """
        is_resolved = version.revision is not None and version.resolved == version.generation
        is_untried = version.is_trial_skipped
        if not is_resolved and (is_untried or self.resolutions[version.ref].is_confirmed):
            return self.bedtime(version)
        is_judged = version.is_confirmed or is_untried or self.has_failed(version)
        if not (is_resolved and is_judged and version.revision is not None):
            return None
        if not version.revision.holds_secrets(self._secrets_of(version)):
            return None
        return self.bedtime(version)

    def rests(self, replica: ObservedReplica, revision: str | None) -> bool:
        """
        Is it left as it is, ended or frozen? ``revision``: the wanted one; of an earlier one what
        sleeps is not woken by a new one that is tried.
        """
        version = self.version(replica.ref)
        if version is None or self.bedtime(version) is None:
            return False
        return self.sleeps(version) is not None or replica.revision != revision

    @property
    def resting(self) -> frozenset[str]:
        """Ids of the replicas that are left as they are, ended or frozen."""
        asleep = self.desired.asleep if isinstance(self.desired, Declared) else {}
        if not asleep:
            return frozenset()
        return frozenset(
            replica.id
            for replica in self.observed.workloads.replicas
            if replica.ref in self.resolutions
            and self.rests(replica, self.resolutions[replica.ref].revision)
        )

    def _resolve(self, version: DeclaredVersion) -> Resolution:
        """What was returned to where the latest revision has failed."""
        if self.has_failed(version) and (confirmed := fallback_of(version)) is not None:
            return confirmed
        images, secrets, spec = self._images_of(version), self._secrets_of(version), version.spec
        latest, is_pinned = version.revision, self.is_pinned(version)
        if latest is not None and is_pinned and latest.holds_secrets(secrets):
            number, hash, is_recorded = latest.number, latest.hash, True
        elif images is None:
            return Resolution(None, 0, None, spec, secrets, self._pulls(version))
        else:
            number, hash = _next_revision(version, images, secrets)
            is_recorded = False
        is_confirmed = version.confirmed is not None and version.confirmed.hash == hash
        return Resolution(
            images,
            number,
            hash,
            spec,
            secrets,
            is_recorded=is_recorded,
            is_completed=version.completed == number,
            is_confirmed=is_confirmed,
        )

    def has_failed(self, version: DeclaredVersion) -> bool:
        """Was its latest revision given up? With a changed secret there is another one to try."""
        latest = version.revision
        return (
            version.failure is not None
            and latest is not None
            and latest.holds_secrets(self._secrets_of(version))
        )

    def pulling(self, version: DeclaredVersion, task: Task) -> PullImage | None:
        """The pull that is under way for it."""
        for pull in self.observed.pulls:
            same = (pull.op.ref, pull.op.image, pull.op.secret) == (
                version.ref,
                task.docker.image,
                task.docker.secret,
            )
            if same and pull.state == "running":
                return pull.op
        return None

    def is_pinned(self, version: DeclaredVersion) -> bool:
        """Has it an image for each task, and are those that are still needed here?"""
        tasks = {task.id for task in version.spec.tasks}
        here = (self.observed.images.get(image) is not None for image in version.images.values())
        return version.images.keys() == tasks and (version.is_completed or all(here))

    def _images_of(self, version: DeclaredVersion) -> Mapping[str, str] | None:
        """
        By task: those that are pinned, or are about to be. None while one must be pulled first.
        """
        if self.is_pinned(version):
            return version.images
        tasks = version.spec.tasks
        if any(self._why_pull(version, task) for task in tasks):
            return None
        return {task.id: self.observed.images[task.docker.image] or "" for task in tasks}

    def _why_pull(self, version: DeclaredVersion, task: Task) -> ImageMissing | PullAlways | None:
        """None when the image that is here will do."""
        docker = task.docker
        if self.observed.images.get(docker.image) is None:
            return ImageMissing()
        pulled = (version.ref, version.generation, docker.image) in self.history.pulled
        if docker.image_pull_policy == "always" and not pulled:
            return PullAlways()
        return None

    def _pulls(
        self, version: DeclaredVersion
    ) -> tuple[tuple[Task, ImageMissing | PullAlways], ...]:
        first_of = {task.docker.image: task for task in reversed(version.spec.tasks)}
        causes = ((task, self._why_pull(version, task)) for task in version.spec.tasks)
        return tuple((t, why) for t, why in causes if why and t is first_of[t.docker.image])

    def _secrets_of(self, version: DeclaredVersion) -> tuple[SecretFacts, ...]:
        """Those that its tasks name, by id."""
        used = {name for task in version.spec.tasks for name in task.secrets}
        match self.desired:
            case Declared(secrets=secrets):
                return tuple(secret for id, secret in sorted(secrets.items()) if id in used)
            case Unknown() | Leaving():
                return ()


def fallback_of(version: DeclaredVersion) -> Resolution | None:
    """The last confirmed revision; None where there is none but the latest."""
    revision, spec = version.confirmed, version.fallback
    if revision is None or spec is None:
        return None
    return Resolution(
        images=revision.images,
        number=revision.number,
        revision=revision.hash,
        spec=spec,
        secrets=revision.secrets,
        is_recorded=True,
        is_confirmed=True,
    )


def _next_revision(
    version: DeclaredVersion, images: Mapping[str, str], secrets: tuple[SecretFacts, ...]
) -> tuple[int, str]:
    """Number and hash: the latest one's where the same goes into a container."""
    latest = version.revision
    number = latest.number + 1 if latest is not None else 1
    if any(image.startswith(UNKNOWN_IMAGE) for image in images.values()):
        return number, UNKNOWN_REVISION
    document = version.spec.as_given()
    if latest is not None and latest.is_made_of(document, images, secrets):
        return latest.number, latest.hash
    return number, hash_of(document, images, secrets)


def as_operated_on(situation: Situation) -> Situation:
    """
    A task whose restart is under way takes no requests, whatever its last run answered; nor do
    those of a replica that is laid down to sleep.
    """
    history = situation.history
    restarted = {op.container for op in history.under_way if isinstance(op, RestartTask)}
    laid_down = {*history.falling_asleep_since} | {
        op.replica
        for op in history.under_way
        if isinstance(op, FreezeReplica) or (isinstance(op, StopReplica) and op.then == "keep")
    }
    if not restarted and not laid_down:
        return situation
    workloads = situation.observed.workloads
    replicas = tuple(
        replace(
            replica,
            tasks=tuple(
                replace(task, health=Health("starting"))
                if task.container in restarted or replica.id in laid_down
                else task
                for task in replica.tasks
            ),
        )
        for replica in workloads.replicas
    )
    observed = replace(situation.observed, workloads=replace(workloads, replicas=replicas))
    return replace(situation, observed=observed)


def in_service(replica: ObservedReplica) -> bool:
    """
    Every task takes requests or is completed, and one of them at least still runs. Nothing frozen
    does, until it is thawed.
    """
    return (
        is_live(replica)
        and {task.task for task in replica.tasks} == set(replica.expected_tasks)
        and all(task.is_completed or _takes_requests(task) for task in replica.tasks)
    )


def _takes_requests(task: ObservedTask) -> bool:
    """Ready, or failing its probe fewer times than are tolerated."""
    is_tolerated = task.health.failures < task.tolerated_failures
    return (
        task.state == "running"
        and not task.orphaned
        and not task.frozen
        and (task.health.state == "ready" or (task.health.state == "failing" and is_tolerated))
    )


def may_serve(replica: ObservedReplica) -> bool:
    """In service, or of no verdict yet: an earlier process may have put it there."""
    return in_service(replica) or (
        is_live(replica)
        and not replica.has_frozen
        and any(t.health.state == "unknown" for t in replica.tasks)
    )


def is_live(replica: ObservedReplica) -> bool:
    """Something of it still runs, and can have a request in flight."""
    return replica.sandbox == "running" and any(t.state == "running" for t in replica.tasks)
