"""What the store hands out: declarations with the facts that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from spacecloud.model.addresses import Addresses
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.service import Service


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A secret without its values."""

    project: str
    id: str
    type: Literal["env", "file", "docker"]
    root_path: str
    keys: tuple[str, ...]
    version: int
    """Grows with every change of a value."""


@dataclass(frozen=True, slots=True)
class DeclaredVersion:
    ref: ServiceRef
    spec: Service
    generation: int
    """Grows with every acknowledged apply, over all services: later is larger."""

    order: int
    """Place among the versions of the service: the first declared is the smallest."""

    images: Mapping[str, str] = field(default_factory=dict)
    """Task id to image id, as resolved for this generation; empty until then."""

    applied_at: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class Change:
    """A bell: something of this kind changed. Read the store to learn what."""

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
