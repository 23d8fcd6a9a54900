"""A lease: what a replica takes while it works, so that its version does not sleep."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from spacecloud.model.refs import ServiceRef
from spacecloud.model.view import View

DEFAULT_SECONDS = 60
MOST_SECONDS = 3600
"""A replica that hangs keeps its version awake for so long at the most."""


@dataclass(frozen=True, slots=True)
class Lease:
    ref: ServiceRef
    replica: str
    until: datetime
    """A whole second."""


class LeaseView(View):
    """What a replica is told of its own lease."""

    service: str
    """As in `shop/api`."""

    version: str
    replica: str
    until: datetime | None = None
    """When it ends; null: the replica holds none."""

    seconds: int = Field(default=0)
    """Until then; 0: the replica holds none."""
