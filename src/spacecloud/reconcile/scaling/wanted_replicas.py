"""
How many replicas of each version are wanted: read from the store, written behind the work's back.

What was decided holds here from that moment on, so that no look undoes a wake whose row is not on
the disk yet. A row that cannot be written is tried again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Never

from spacecloud.errors import SpaceCloudError
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scale import policy_in_force, wanted_depth
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.scaling.precedence import Precedence
from spacecloud.store.port import Services

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class WantedReplicas:
    def __init__(
        self, store: Services, policies: PolicyCache, written: Callable[[ServiceRef], None]
    ) -> None:
        """``written`` is called with a version whose row has changed."""
        self.policies = policies
        self.precedence = Precedence()
        """Of wakes: rows are written when they are over."""

        self._store = store
        self._written = written
        self._unwritten: dict[ServiceRef, Scaling] = {}
        self._writing = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._counted: tuple[Policy | None, bool] = (None, False)
        """Does anybody sleep of what this policy was made of?"""

    def of(self, version: DeclaredVersion) -> Scaling | None:
        """
        What was decided last, also after ``version`` was read; None where nothing ever was.
        """
        unwritten = self._unwritten.get(version.ref)
        return unwritten or (_version(self.policies.latest, version.ref) or version).scaling

    async def version(self, ref: ServiceRef) -> DeclaredVersion | None:
        """
        As it is declared; None where it is not.

        By the latest policy where that has it: a question to the store is a thread's turn.
        """
        return _version(self.policies.latest, ref) or _version(await self.policies.policy(), ref)

    async def depth(self, ref: ServiceRef) -> Depth | None:
        """How deep it is to sleep; None: it is to be awake, or is not declared."""
        version = await self.version(ref)
        if version is None:
            return None
        known = replace(version, scaling=self.of(version))
        return wanted_depth(policy_in_force(known), known.scaling)

    async def anybody_sleeps(self) -> bool:
        policy = await self.policies.policy()
        if policy is not self._counted[0]:
            versions = (v for s in policy.declared.services.values() for v in s.versions)
            anybody = any(v.scaling is not None and v.scaling.asleep is not None for v in versions)
            self._counted = (policy, anybody)
        return self._counted[1] or any(s.asleep is not None for s in self._unwritten.values())

    def decide(self, ref: ServiceRef, scaling: Scaling) -> None:
        """From now on this is wanted."""
        self._unwritten[ref] = scaling
        self._wanted.set()

    async def record(self, ref: ServiceRef, scaling: Scaling) -> None:
        """The same, and returns when it is on the disk."""
        self.decide(ref, scaling)
        await self._write(ref)

    async def run(self) -> Never:
        """Until it is cancelled: write what was decided."""
        while True:
            await self._wanted.wait()
            await self.precedence.after_wakes()
            self._wanted.clear()
            for ref in list(self._unwritten):
                try:
                    await self._write(ref)
                except SpaceCloudError as error:
                    logger.warning("how many replicas of %s are wanted is not kept: %s", ref, error)
                    self._wanted.set()
                    await asyncio.sleep(RETRY_SECONDS)
                    break

    async def _write(self, ref: ServiceRef) -> None:
        """What was decided last, in its turn: an older one is not written over it."""
        async with self._writing:
            scaling = self._unwritten.get(ref)
            if scaling is None:
                return
            await self._store.record_scaling(ref, scaling)
            # Forgotten here when the latest policy has it, so that one of both always does.
            await self.policies.policy()
            if self._unwritten.get(ref) is scaling:
                del self._unwritten[ref]
        self._written(ref)


def _version(policy: Policy, ref: ServiceRef) -> DeclaredVersion | None:
    service = policy.declared.services.get(ref.key)
    versions = service.versions if service is not None else ()
    return next((version for version in versions if version.ref == ref), None)
