"""What the engine tells of containers: a hint, and word for those who wait for it."""

import asyncio
import logging
from typing import Never

from spacecloud.broadcast import Broadcast
from spacecloud.drivers.docker import labels, ownership
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods.last_looks import LastLooks
from spacecloud.drivers.docker.pods.replicas import Pods
from spacecloud.drivers.docker.pods.sleep_and_wake import SleepAndWake
from spacecloud.drivers.driver import Hint
from spacecloud.errors import Transient
from spacecloud.model.json import Json

logger = logging.getLogger(__name__)

TELLING_EVENTS = ["start", "die", "destroy", "oom", "pause", "unpause", "kill"]
RECONNECT_SECONDS = 0.5


class EngineEvents:
    def __init__(
        self,
        engine: Engine,
        instance: str,
        owner: Ownership,
        pods: Pods,
        sleep_and_wake: SleepAndWake,
        last_looks: LastLooks,
        hints: Broadcast[Hint],
    ) -> None:
        self._engine = engine
        self._instance = instance
        self._owner = owner
        self._pods = pods
        self._sleep_and_wake = sleep_and_wake
        self._last_looks = last_looks
        self._hints = hints

    async def listen(self) -> Never:
        """Until it is cancelled; what happened while nobody listened is a hint to look at all."""
        filters = {
            "type": ["container"],
            "event": TELLING_EVENTS,
            "label": [f"{labels.INSTANCE}={self._instance}"],
        }
        while True:
            try:
                async with self._engine.stream("GET", "events", filters=filters) as events:
                    self._last_looks.hear_events()
                    self._hints.send(Hint(None, "the engine's events are heard from now on"))
                    async for event in events:
                        self._hear(event)
                self._sleep_and_wake.engine_gone()
            except (Transient, EngineError) as error:
                logger.warning("the engine's events are not heard: %s", error)
                self._sleep_and_wake.engine_gone()
            self._last_looks.lose_events()
            self._pods.lose_events()
            await asyncio.sleep(RECONNECT_SECONDS)

    def _hear(self, event: Json) -> None:
        """Of a stranger nothing: one that is started again and again asks for no looks."""
        container = ownership.as_listed(event)
        if self._owner.has("replica", container):
            tag = labels.read(ownership.labels_of(container))
            id = ownership.id_of(container)
            match event.get("Action"):
                case "start" if self._pods.hears_of_own_start(id):
                    return
                case "die":
                    self._sleep_and_wake.ended(id)
                case "kill":
                    self._sleep_and_wake.signalled(id)
                case _:
                    pass
            if tag is not None:
                self._last_looks.changed(tag.ref.key)
            self._hints.send(Hint(tag.ref.key if tag is not None else None, "engine"))
        elif self._owner.has("part", container):
            self._hints.send(Hint(None, f"{' '.join(ownership.names_of(container))} changed"))
