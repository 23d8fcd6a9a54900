"""Whom a probe asks. Pure."""

from dataclasses import dataclass
from datetime import datetime

from spacecloud.model.refs import ServiceKey
from spacecloud.model.task import Probe


@dataclass(frozen=True, slots=True)
class Target:
    """One run of a task's container."""

    container: str
    started_at: datetime
    address: str
    pid: int
    """On the host; 0 where it is not known."""

    ports: tuple[int, ...]
    probe: Probe | None
    service: ServiceKey
    """Whose permits its commands take."""
