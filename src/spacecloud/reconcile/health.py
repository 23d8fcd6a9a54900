"""Can the control plane do its work? Asked by anybody, and so at a bounded cost."""

from collections.abc import Callable
from datetime import datetime, timedelta

from spacecloud.errors import Unavailable
from spacecloud.reconcile.platform import Platform
from spacecloud.store.port import Store

LASTS = timedelta(seconds=5)
"""Of an answer of the disk: it costs a write."""


class ControlPlaneHealth:
    def __init__(self, store: Store, platform: Platform, now: Callable[[], datetime]) -> None:
        self._store = store
        self._platform = platform
        self._now = now
        self._asked_at: datetime | None = None
        self._of_store = ""

    async def why_unavailable(self) -> str:
        """A sentence for anybody: no path, no name of what is declared. Empty where all works."""
        if not self._platform.works:
            return "the control plane is up but cannot do its work: see its log"
        now = self._now()
        if self._asked_at is None or not timedelta(0) <= now - self._asked_at < LASTS:
            self._asked_at = now
            self._of_store = await self._why_store_unavailable()
        return self._of_store

    async def _why_store_unavailable(self) -> str:
        try:
            await self._store.check_writes()
        except Unavailable as error:
            return str(error)
        return ""
