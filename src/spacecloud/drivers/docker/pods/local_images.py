"""
What the engine holds of images: asked for by any reference, and remembered by id.

What an id stands for never changes. That it is here may: whoever makes a container of it is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.images.archive import architecture
from spacecloud.drivers.docker.probes.healthcheck import probe_of
from spacecloud.model.lines import message
from spacecloud.model.task import Probe

MOST_REMEMBERED = 1000
MOST_VOLUMES = 20
"""Of an image, that are told."""


@dataclass(frozen=True, slots=True)
class LocalImage:
    id: str
    architecture: str
    probe: Probe | None
    """What its HEALTHCHECK asks."""

    volumes: tuple[str, ...]


class LocalImages:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._by_id: dict[str, LocalImage] = {}
        """Those that were asked for last, the oldest first."""

    async def find(self, reference: str) -> LocalImage | None:
        """As the engine says now; None where it is not here."""
        item = await self._engine.find(f"images/{reference}/json")
        return None if item is None else self._remember(item)

    async def by_id(self, id: str) -> LocalImage | None:
        """What is known of it; None where the engine had to be asked, and has none."""
        return self._by_id.get(id) or await self.find(id)

    def _remember(self, item: Mapping[str, Any]) -> LocalImage:
        config = item.get("Config") or {}
        image = LocalImage(
            str(item["Id"]),
            item.get("Architecture") or architecture(),
            probe_of(config),
            tuple(sorted(map(message, config.get("Volumes") or ())))[:MOST_VOLUMES],
        )
        self._by_id.pop(image.id, None)
        self._by_id[image.id] = image
        if len(self._by_id) > MOST_REMEMBERED:
            del self._by_id[next(iter(self._by_id))]
        return image
