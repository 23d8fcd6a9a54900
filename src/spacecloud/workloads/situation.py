"""Everything that a decision about one service depends on, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network

from spacecloud.model.addresses import Allocation
from spacecloud.model.declared import DeclaredService, DeclaredVersion, SecretFacts
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.task import Task
from spacecloud.model.traffic import Endpoint, Face
from spacecloud.workloads.observed import History, Observed, ObservedReplica
from spacecloud.workloads.revision import revision

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
        if any(image.startswith(UNKNOWN_IMAGE) for image in images.values()):
            return UNKNOWN_REVISION
        return revision(version.spec, self.desired.secrets, images)


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
