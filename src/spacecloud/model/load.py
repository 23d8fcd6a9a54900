"""What replicas have to do and what they use, as the platform that runs them tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Load:
    """Of one replica, in one interval."""

    active: float
    """Mean over time of requests and connections in flight."""

    issued: int
    """Requests and connections begun in the interval."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """No report at all is no data: then nobody knows how much there is to do."""

    seconds: float
    """Of the interval."""

    replicas: Mapping[str, Load]
    """By address; one that is not named had none."""


@dataclass(frozen=True, slots=True)
class InFlightReport:
    """What the gateway told once of that which is in flight, for those who wait for its end."""

    since: datetime
    """When the interval began that it tells of; where it tells of one moment alone, that."""

    at: datetime
    """When the interval ended."""

    replicas: Mapping[str, int]
    """
    By address: requests and connections in flight at the end, and those begun in the interval, so
    that a new one is told from what stays open; one that is not named, or 0, had none.
    """


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one replica, all its tasks together."""

    cpu_seconds: float
    """Used since its tasks were started: of one that is started again it begins anew."""

    memory_bytes: int
    """Working set, as Kubernetes counts it: without files that were not read lately."""


@dataclass(frozen=True, slots=True)
class MachineMemory:
    total_bytes: int
    available_bytes: int
    """What can be had without swapping, by the kernel's own estimate."""


OpenConnection = tuple[str, str, int]
"""Address of the caller; the virtual IP and the port that it dialled."""
