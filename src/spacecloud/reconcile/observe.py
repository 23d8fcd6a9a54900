"""Look at one service: what is declared of it, and how the world is."""

import logging
from collections.abc import Mapping

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import DeclaredService
from spacecloud.model.load import InFlight
from spacecloud.model.refs import ServiceKey
from spacecloud.model.scale import declared_replicas
from spacecloud.model.secret import SecretFacts
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
            {version.ref: declared_replicas(version.spec) for version in service.versions},
        )

    async def look(
        self,
        key: ServiceKey,
        desired: Desired,
        names: tuple[tuple[str, str], ...],
        known: ObservedWorkloads | None,
    ) -> tuple[Observed, tuple[InFlight, ...]]:
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

    async def in_flight(self, observed: Observed) -> tuple[InFlight, ...]:
        published = observed.published
        if published is None or not any(e.draining for e in published.endpoints):
            return ()
        try:
            return await self._driver.meter.in_flight()
        except SpaceCloudError as error:
            logger.warning("the gateway does not say what is in flight: %s", error)
            return ()


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
