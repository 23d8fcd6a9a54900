"""What the store hands out: declarations with the facts that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from spacecloud.model.addresses import Addresses
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.revision import Revision
from spacecloud.model.service import Service


@dataclass(frozen=True, slots=True)
class DeclaredVersion:
    ref: ServiceRef
    spec: Service
    generation: int
    """Grows with every acknowledged apply, over all services: later is larger."""

    order: int
    """Place among the versions of the service: the first declared is the smallest."""

    revision: Revision | None = None
    """The latest that was recorded."""

    resolved: int = 0
    """The generation that it was recorded for, or found to make the same of."""

    applied_at: datetime | None = None
    completed: int = 0
    """Number of the revision whose replicas were all completed; 0: none was."""

    @property
    def is_completed(self) -> bool:
        """Was all of what this generation runs done once?"""
        latest = self.revision.number if self.revision is not None else None
        return self.completed == latest and self.resolved == self.generation

    @property
    def images(self) -> Mapping[str, str]:
        """Task id to image id, as resolved for this generation; empty until then."""
        if self.revision is None or self.resolved != self.generation:
            return {}
        return self.revision.images


@dataclass(frozen=True, slots=True)
class DeclaredService:
    key: ServiceKey
    versions: tuple[DeclaredVersion, ...]
    """In their order. Empty: deleted, and on its way out."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything that policy depends on, at one moment."""

    services: Mapping[ServiceKey, DeclaredService]
    addresses: Addresses = Addresses()
    """Of those services. Empty where nobody allocates any: the platform has its own."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a service, for people."""

    at: datetime
    project: str
    service: str
    kind: str
    """One CamelCase word, as in ``ImagePulled``, ``TaskExited``, ``Refused``."""

    message: str
    severity: Literal["info", "warning", "error"] = "info"
    count: int = 1
    """How often the same was said in a row."""

    reason: str = ""
    """The code of what it is about; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Change:
    """A notification: something of this kind changed. Read the store to learn what."""

    kind: Literal["service", "secret", "project", "ingress", "route", "role"]
    project: str
    id: str
    """Service id for a service; the thing's own id otherwise."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A kept document as it was given, for listing."""

    project: str
    id: str
    document: dict[str, Any]
