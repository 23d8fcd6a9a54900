"""What the store hands out: declarations with the facts that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from spacecloud.model.addresses import Addresses
from spacecloud.model.lenient_reading import STORED
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.revision import Revision, RevisionFailure
from spacecloud.model.scaling import Scaling
from spacecloud.model.service import Service

Trial = Literal["once", "skipped"]
"""
Of the new revision of a version that sleeps: it is started to be seen to last, and sleeps again; or
the next wake is the first that starts it.
"""


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

    confirmed: Revision | None = None
    """The last one that served for as long as ``rollout.confirmSeconds`` asks."""

    serving_since: datetime | None = None
    """When all replicas of the latest revision took requests for the first time."""

    failure: RevisionFailure | None = None
    """Why the latest revision was given up for this generation; None where it was not."""

    is_trial_skipped: bool = False
    """
    Is nothing started to try this generation? It was applied so while the version slept.
    """

    scaling: Scaling | None = None
    """What was decided last; None where nothing was yet."""

    @property
    def is_completed(self) -> bool:
        """Was all of what this generation runs done once?"""
        latest = self.revision.number if self.revision is not None else None
        return self.completed == latest and self.resolved == self.generation

    @property
    def is_confirmed(self) -> bool:
        """Is the latest revision?"""
        latest, confirmed = self.revision, self.confirmed
        return latest is not None and confirmed is not None and latest.number == confirmed.number

    @property
    def fallback(self) -> Service | None:
        """The confirmed revision's document; None where the latest is all that there is."""
        return _parsed(self.confirmed) if self.confirmed and not self.is_confirmed else None

    @property
    def running(self) -> Service:
        """What callers meet: what is declared, or what was returned to when that failed."""
        return (self.fallback if self.failure is not None else None) or self.spec

    @property
    def images(self) -> Mapping[str, str]:
        """Task id to image id, as resolved for this generation; empty until then."""
        if self.revision is None or self.resolved != self.generation:
            return {}
        return self.revision.images


def _parsed(revision: Revision) -> Service | None:
    """None where this release does not take it any more."""
    try:
        return Service.model_validate(dict(revision.document), context=STORED)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class DeclaredService:
    key: ServiceKey
    versions: tuple[DeclaredVersion, ...]
    """In their order. Empty: deleted, and on its way out."""


@dataclass(frozen=True, slots=True)
class Declarations:
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
