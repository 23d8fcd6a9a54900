"""Everything that is declared and the policy that follows from it, built once per change."""

from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import Declarations
from spacecloud.store.port import Services


class PolicyCache:
    def __init__(self, store: Services) -> None:
        self._store = store
        self._policy = Policy(Declarations({}))

    @property
    def latest(self) -> Policy:
        """As it was read last, which every change is followed by: for those who cannot wait."""
        return self._policy

    async def policy(self) -> Policy:
        """As of now; the same object while nothing changes."""
        declared = await self._store.declared()
        if declared is not self._policy.declared:
            self._policy = Policy(declared, self._policy)
        return self._policy
