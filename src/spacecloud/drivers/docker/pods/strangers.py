"""Containers that carry our labels and were not made by us: they are left alone."""

import logging
from collections.abc import Iterable

from spacecloud.drivers.docker import ownership
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.model.json import Json

logger = logging.getLogger(__name__)


class Strangers:
    def __init__(self, owner: Ownership) -> None:
        self._owner = owner
        self._told: set[str] = set()

    def tell(self, listing: Iterable[Json]) -> None:
        """Once each, for as long as they are there."""
        found = {
            ownership.id_of(item): " ".join(ownership.names_of(item))
            for item in listing
            if not self._owner.has_container(item)
        }
        for id in sorted(found.keys() - self._told):
            logger.warning(
                "container %s (%s) has labels of this instance and was not made by it: left alone",
                found[id],
                id[:12],
            )
        self._told = set(found)
