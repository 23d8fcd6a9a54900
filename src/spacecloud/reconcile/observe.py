"""Look at one service: what is declared of it, and how the world is."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.load import InFlightReport
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scale import policy_in_force, wanted_depth, wanted_replicas
from spacecloud.model.scaling import Depth
from spacecloud.model.secret import SecretFacts
from spacecloud.reconcile.scaling.version_loads import VersionLoads
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas
from spacecloud.store.port import Secrets
from spacecloud.workloads.observed import Observed, ObservedWorkloads
from spacecloud.workloads.situation import Declared, Desired, Leaving, Unknown

logger = logging.getLogger(__name__)


class Observer:
    def __init__(
        self, driver: Driver, wanted_replicas: WantedReplicas, loads: VersionLoads
    ) -> None:
        self.policies = wanted_replicas.policies
        self._driver = driver
        self._wanted_replicas = wanted_replicas
        self._loads = loads
        self._asked_for: set[str] = set()
        """Images, by id: what is in them is known."""

    async def desired(self, key: ServiceKey, policy: Policy, store: Secrets) -> Desired:
        service = policy.declared.services.get(key)
        if service is None:
            return Unknown(key)
        if not service.versions:
            return Leaving(key)
        # What was decided and is not on the disk yet counts.
        versions = tuple(replace(v, scaling=self._wanted_replicas.of(v)) for v in service.versions)
        return Declared(
            replace(service, versions=versions),
            policy.face(key),
            policy.declared.addresses.services[key],
            await _secrets(service, store),
            replicas_of(versions),
            depths_of(versions),
        )

    async def look(
        self,
        key: ServiceKey,
        desired: Desired,
        names: tuple[tuple[str, str], ...],
        known: ObservedWorkloads | None,
    ) -> tuple[Observed, tuple[InFlightReport, ...]]:
        """The service as it is, and what is in flight; nothing where the gateway does not say."""
        observed = await self.observed(key, desired, names, known)
        return observed, await self.in_flight(observed)

    async def observed(
        self,
        key: ServiceKey,
        desired: Desired,
        names: tuple[tuple[str, str], ...],
        known: ObservedWorkloads | None = None,
    ) -> Observed:
        """``known``: what the engine holds of it, where that has just been listed."""
        images = self._driver.images
        # Before the images: what has ended by then is here.
        pulls = images.pulls(key)
        gateway = self._driver.traffic.view(key)
        workloads = known or await self._driver.workloads.observe(key)
        return Observed(
            workloads=workloads,
            images=await self._images(desired, workloads),
            published=gateway.published,
            policy=gateway.policy,
            in_gateway=gateway.is_held,
            names=names,
            pulls=pulls,
        )

    async def _images(
        self, desired: Desired, workloads: ObservedWorkloads
    ) -> Mapping[str, str | None]:
        """
        Those that a decision needs: what is pinned, and where that is not all here, what the tags
        stand for. One that a task runs of is here: no engine removes it.
        """
        images, pinned = self._driver.images, _pinned(desired)
        running = {
            task.image
            for replica in workloads.replicas
            for task in replica.tasks
            if task.state == "running" and task.image in self._asked_for
        }
        found: dict[str, str | None] = {image: image for image in pinned & running}
        found.update(await images.images(sorted(pinned - running)))
        found.update(await images.images(sorted(_tags(desired, found))))
        self._asked_for.update(image for image in found.values() if image is not None)
        return found

    async def in_flight(self, observed: Observed) -> tuple[InFlightReport, ...]:
        published = observed.published
        if published is None or not any(
            e.draining or e.version in published.gated for e in published.endpoints
        ):
            return ()
        try:
            told = await self._driver.meter.in_flight()
        except SpaceCloudError as error:
            logger.warning("the gateway does not say what is in flight: %s", error)
            return ()
        return await self._loads.without_parked(told, published)


def replicas_of(versions: Iterable[DeclaredVersion]) -> Mapping[ServiceRef, int]:
    """How many are wanted; of one that sleeps, how many are kept."""
    return {v.ref: wanted_replicas(policy_in_force(v), v.scaling) for v in versions}


def depths_of(versions: Iterable[DeclaredVersion]) -> Mapping[ServiceRef, Depth]:
    """How deep those sleep that do."""
    found = {v.ref: wanted_depth(policy_in_force(v), v.scaling) for v in versions}
    return {ref: depth for ref, depth in found.items() if depth is not None}


async def _secrets(declared: DeclaredService, store: Secrets) -> Mapping[str, SecretFacts]:
    used = any(task.secrets for version in declared.versions for task in version.spec.tasks)
    if not used:
        return {}
    return {secret.id: secret for secret in await store.secrets(declared.key.project)}


def _pinned(desired: Desired) -> frozenset[str]:
    """Ids of the images that replicas are wanted of."""
    return frozenset(
        image
        for version in _wanted(desired)
        for task in version.spec.tasks
        if (image := version.images.get(task.id))
    )


def _tags(desired: Desired, found: Mapping[str, str | None]) -> frozenset[str]:
    """Of the tasks of each version that has not all that it is pinned to."""
    return frozenset(
        task.docker.image
        for version in _wanted(desired)
        if not all(found.get(version.images.get(task.id, "")) for task in version.spec.tasks)
        for task in version.spec.tasks
    )


def _wanted(desired: Desired) -> tuple[DeclaredVersion, ...]:
    """Versions that replicas are wanted of."""
    match desired:
        case Declared(replicas=replicas):
            return tuple(v for v in desired.versions if replicas.get(v.ref))
        case Unknown() | Leaving():
            return ()
