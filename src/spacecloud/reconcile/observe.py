"""Look at one service: what is declared of it, and how the world is."""

import logging
from collections.abc import Mapping

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.secret import SecretFacts
from spacecloud.model.service import Service, declared_replicas
from spacecloud.store.port import Secrets
from spacecloud.workloads.observed import Observed, ObservedWorkloads
from spacecloud.workloads.situation import Declared, Desired, Leaving, Unknown

logger = logging.getLogger(__name__)


class Observer:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def desired(self, key: ServiceKey, policy: Policy, store: Secrets) -> Desired:
        service = policy.declared.services.get(key)
        if service is None:
            return Unknown(key)
        if not service.versions:
            return Leaving(key)
        return Declared(
            service,
            policy.face(key),
            policy.declared.addresses.services[key],
            await _secrets(service, store),
            {version.ref: wanted_replicas(version) for version in service.versions},
            {version.ref: depth for version in service.versions if (depth := bedtime_of(version))},
        )

    async def look(
        self,
        key: ServiceKey,
        desired: Desired,
        names: tuple[tuple[str, str], ...],
        known: ObservedWorkloads | None,
    ) -> tuple[Observed, Mapping[str, int] | None]:
        """The service as it is, and what it has in flight; None: the gateway does not say."""
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
        engine, references = self._driver.workloads, _references(desired)
        # Before the images: what has ended by then is here.
        pulls = engine.pulls(key)
        gateway = self._driver.traffic.view(key)
        return Observed(
            workloads=known or await engine.observe(key),
            images=await engine.images(sorted(references)) if references else {},
            published=gateway.published,
            policy=gateway.policy,
            in_gateway=gateway.is_held,
            names=names,
            pulls=pulls,
        )

    async def in_flight(self, observed: Observed) -> Mapping[str, int] | None:
        published = observed.published
        if published is None or not any(
            e.draining or e.version in published.gated for e in published.endpoints
        ):
            return None
        try:
            return await self._driver.meter.in_flight()
        except SpaceCloudError as error:
            logger.warning("the gateway does not say what is in flight: %s", error)
            return None


def wanted_replicas(version: DeclaredVersion) -> int:
    """As it was decided last, within the declared bounds; of one that sleeps, those kept of it."""
    scaling = scaling_in_force(version)
    if scaling is None:
        return declared_replicas(version.spec)
    minimum, maximum = bounds_of(version.spec)
    if scaling.pinned is not None and scaling.asleep is None:
        return scaling.replicas
    return max(minimum, min(max(1, scaling.replicas), maximum))


def bedtime_of(version: DeclaredVersion) -> Depth | None:
    """How deep it is to sleep; None: it is awake. Only what may have no replica may sleep."""
    scaling = scaling_in_force(version)
    minimum, maximum = bounds_of(version.spec)
    return scaling.asleep if scaling is not None and minimum == 0 and maximum > 0 else None


def scaling_in_force(version: DeclaredVersion) -> Scaling | None:
    """What a person asked for holds until the next apply."""
    scaling = version.scaling
    if scaling is not None and scaling.pinned in (None, version.generation):
        return scaling
    return None


def bounds_of(service: Service) -> tuple[int, int]:
    """Fewest and most replicas."""
    auto_scale, scale = service.auto_scale, service.scale
    if auto_scale is not None:
        return auto_scale.min_replicas, auto_scale.max_replicas or 100
    if scale is None:
        return 1, 1
    if not {"min_replicas", "max_replicas"} & scale.model_fields_set:
        return scale.replicas, scale.replicas
    return scale.min_replicas, scale.max_replicas


async def _secrets(declared: DeclaredService, store: Secrets) -> Mapping[str, SecretFacts]:
    used = any(task.secrets for version in declared.versions for task in version.spec.tasks)
    if not used:
        return {}
    return {secret.id: secret for secret in await store.secrets(declared.key.project)}


def _references(desired: Desired) -> frozenset[str]:
    """Images that replicas are wanted of."""
    match desired:
        case Declared(replicas=replicas):
            return frozenset(
                reference
                for version in desired.versions
                if replicas.get(version.ref)
                for task in version.spec.tasks
                for reference in (task.docker.image, version.images.get(task.id, ""))
                if reference
            )
        case Unknown() | Leaving():
            return frozenset()
