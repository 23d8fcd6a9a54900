"""Look at one service: what is declared of it, and how the world is."""

import logging
from collections.abc import Mapping

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import DeclaredService
from spacecloud.model.refs import ServiceKey
from spacecloud.model.secret import SecretFacts
from spacecloud.store.port import Store
from spacecloud.workloads.observed import Observed, ObservedWorkloads
from spacecloud.workloads.situation import Desired

logger = logging.getLogger(__name__)


class Observer:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def desired(self, key: ServiceKey, policy: Policy, store: Store) -> Desired:
        declared = policy.declared.services.get(key)
        if declared is None or not declared.versions:
            return Desired(key, declared)
        secrets = await _secrets(declared, store)
        allocation = policy.declared.addresses.services.get(key)
        return Desired(key, declared, policy.face(key), secrets, allocation)

    async def observed(
        self,
        key: ServiceKey,
        desired: Desired,
        names: tuple[tuple[str, str], ...],
        known: ObservedWorkloads | None = None,
    ) -> Observed:
        """``known``: what the engine holds of it, where that has just been listed."""
        references = {
            reference
            for version in desired.versions
            if version.spec.min_replicas
            for task in version.spec.tasks
            for reference in (task.docker.image, version.images.get(task.id, ""))
            if reference
        }
        engine = self._driver.workloads
        return Observed(
            workloads=known or await engine.observe(key),
            images=await engine.images(sorted(references)) if references else {},
            published=self._driver.traffic.published(key),
            in_gateway=self._driver.traffic.knows(key),
            names=names,
        )

    async def in_flight(self, observed: Observed) -> Mapping[str, int] | None:
        published = observed.published
        if published is None or not any(e.draining for e in published.endpoints):
            return None
        try:
            return await self._driver.meter.in_flight()
        except SpaceCloudError as error:
            logger.warning("the gateway does not say what is in flight: %s", error)
            return None


async def _secrets(declared: DeclaredService, store: Store) -> Mapping[str, SecretFacts]:
    used = any(task.secrets for version in declared.versions for task in version.spec.tasks)
    if not used:
        return {}
    return {secret.id: secret for secret in await store.secrets(declared.key.project)}
