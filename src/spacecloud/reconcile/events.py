"""Events for people, written behind the work's back so that no step waits for the disk."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Literal, Never

from spacecloud.errors import SpaceCloudError
from spacecloud.model import lines
from spacecloud.model.declared import Event
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.union import Reason
from spacecloud.store.port import Events

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000


class EventRecorder:
    def __init__(self, store: Events, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(MOST_WAITING)

    def record(
        self,
        key: ServiceKey,
        kind: str,
        message: str,
        severity: Literal["info", "warning", "error"] = "info",
        *,
        count: int = 1,
        reason: Reason | None = None,
    ) -> None:
        """
        Never waits; when far behind, the newest are dropped and the log says so.

        ``message`` may hold what others said: it is cut and made one plain line.
        """
        line = lines.message(message)
        code = reason.code if reason is not None else ""
        event = Event(self._now(), key.project, key.service, kind, line, severity, count, code)
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            logger.warning("too many events, dropped: %s %s: %s", key, kind, line)

    async def run(self) -> Never:
        while True:
            event = await self._waiting.get()
            try:
                await self._store.add_event(event)
            except SpaceCloudError as error:
                logger.warning("an event could not be kept (%s): %s", error, event.message)
