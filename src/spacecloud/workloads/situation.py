"""Everything that a decision about one service depends on, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network

from spacecloud.model.addresses import Allocation
from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.revision import hash_of
from spacecloud.model.secret import SecretFacts
from spacecloud.model.task import Task
from spacecloud.model.traffic import Endpoint, Face
from spacecloud.workloads.observed import History, Observed, ObservedReplica

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
class Desired:
    key: ServiceKey
    declared: DeclaredService | None
    """None: the store does not know the service. No versions: it is on its way out."""

    face: Face | None = None
    """None exactly when no version is declared."""

    secrets: Mapping[str, SecretFacts] = field(default_factory=dict)

    allocation: Allocation | None = None
    """None exactly when no version is declared."""

    @property
    def versions(self) -> tuple[DeclaredVersion, ...]:
        return self.declared.versions if self.declared is not None else ()

    def version(self, ref: ServiceRef) -> DeclaredVersion | None:
        return next((v for v in self.versions if v.ref == ref), None)


@dataclass(frozen=True, slots=True)
class Situation:
    desired: Desired
    observed: Observed
    history: History
    now: datetime
    termination: TerminationLimits = TerminationLimits()

    @property
    def acknowledged(self) -> tuple[Endpoint, ...]:
        """What the gateway sends traffic to now, as far as this process knows."""
        published = self.observed.published
        return published.endpoints if published is not None else ()

    @property
    def subnet(self) -> IPv4Network:
        """Of a declared service."""
        assert self.desired.allocation is not None
        return self.desired.allocation.subnet

    def is_pinned(self, version: DeclaredVersion) -> bool:
        """Has it an image for each task, and are all of them here?"""
        tasks = {task.id for task in version.spec.tasks}
        here = (self.observed.images.get(image) is not None for image in version.images.values())
        return version.images.keys() == tasks and all(here)

    def images_of(self, version: DeclaredVersion) -> Mapping[str, str] | None:
        """
        By task: those that are pinned, or are about to be. None while one must be pulled first.
        """
        if self.is_pinned(version):
            return version.images
        tasks = version.spec.tasks
        if any(self.why_pull(version, task) for task in tasks):
            return None
        return {task.id: self.observed.images[task.docker.image] or "" for task in tasks}

    def why_pull(self, version: DeclaredVersion, task: Task) -> str:
        """Empty when the image that is here will do."""
        docker = task.docker
        if self.observed.images.get(docker.image) is None:
            return "the image is not here"
        pulled = (version.ref, version.generation, docker.image) in self.history.pulled
        if docker.image_pull_policy == "always" and not pulled:
            return "imagePullPolicy is always"
        return ""

    def revision_of(self, version: DeclaredVersion) -> str | None:
        images = self.images_of(version)
        if images is None:
            return None
        if version.revision is not None and self.is_recorded(version):
            return version.revision.hash
        return self.next_revision(version, images)[1]

    def is_recorded(self, version: DeclaredVersion) -> bool:
        """Is its latest revision what it is to run, and are all images of it here?"""
        return (
            self.is_pinned(version)
            and version.revision is not None
            and version.revision.holds_secrets(self.secrets_of(version))
        )

    def next_revision(self, version: DeclaredVersion, images: Mapping[str, str]) -> tuple[int, str]:
        """Number and hash: the latest one's where the same goes into a container."""
        latest = version.revision
        number = latest.number + 1 if latest is not None else 1
        if any(image.startswith(UNKNOWN_IMAGE) for image in images.values()):
            return number, UNKNOWN_REVISION
        document, secrets = version.spec.as_given(), self.secrets_of(version)
        if latest is not None and latest.is_made_of(document, images, secrets):
            return latest.number, latest.hash
        return number, hash_of(document, images, secrets)

    def secrets_of(self, version: DeclaredVersion) -> tuple[SecretFacts, ...]:
        """Those that its tasks name, by id."""
        used = {name for task in version.spec.tasks for name in task.secrets}
        return tuple(s for id, s in sorted(self.desired.secrets.items()) if id in used)


def in_service(replica: ObservedReplica) -> bool:
    """Ready, or failing its probe fewer times than are tolerated."""
    return (
        replica.pause == "running"
        and {task.task for task in replica.tasks} == set(replica.expected_tasks)
        and all(
            task.state == "running"
            and not task.orphaned
            and (
                task.health.state == "ready"
                or (
                    task.health.state == "failing"
                    and task.health.failures < task.tolerated_failures
                )
            )
            for task in replica.tasks
        )
    )


def is_live(replica: ObservedReplica) -> bool:
    """Something of it still runs, and can have a request in flight."""
    return replica.pause == "running" and any(t.state == "running" for t in replica.tasks)
