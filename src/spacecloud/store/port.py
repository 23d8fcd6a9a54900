"""
The store's port: what was declared, and a notification when it changes.

A write returns when it is durable. Watchers get hints, never contents. SQLite on a Docker
host; Kubernetes custom resources will be a second one behind the same contract suite.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from spacecloud.model.addresses import GivenOut, Grant
from spacecloud.model.declared import (
    Change,
    Declarations,
    DeclaredService,
    DeclaredVersion,
    Event,
    StoredDocument,
    Trial,
)
from spacecloud.model.lease import Lease
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.resource import Resource
from spacecloud.model.revision import Revision, RevisionFailure
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.scaling import Scaling
from spacecloud.model.secret import Secret, SecretFacts
from spacecloud.model.service import Service

Difference = Literal["created", "updated", "unchanged"]
"""What a write made of what was there."""


@dataclass(frozen=True, slots=True)
class Written:
    """An acknowledged write of a document."""

    change: Difference
    project_created: bool = False
    """There was no project of that name; made in the same transaction."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An acknowledged write of a service."""

    generation: int
    change: Difference
    """``unchanged``: the same document again, whose images are resolved anew all the same."""

    project_created: bool = False

    @property
    def created(self) -> bool:
        """False when the version existed already."""
        return self.change == "created"


@dataclass(frozen=True, slots=True)
class NextRevision:
    """What is recorded of a revision beside the document, which the store has."""

    number: int
    """The latest one's, when the same goes into its containers; else the next."""

    hash: str
    images: Mapping[str, str]
    """Task id to image id."""

    secrets: tuple[SecretFacts, ...]
    """Those that its tasks name, at the versions that were seen."""


class Allocator(Protocol):
    """
    Decides which addresses a new version gets, for a store whose platform gives none by itself.

    Pure: the store keeps the answer in the transaction of the write that asked for it.
    """

    def allocate(self, version: str, held: GivenOut) -> Grant:
        """``Conflict`` when there is none left."""
        ...


class Projects(Protocol):
    async def put_project(self, id: str, project: Project) -> Written:
        """
        A key equal to REDACTED keeps the stored one.

        ``Conflict`` for the platform's own name.
        """
        ...

    async def projects(self, id: str | None = None) -> list[StoredDocument]:
        """All, or the one. Sorted, with REDACTED for every key in a document."""
        ...

    async def project_values(self, id: str) -> Mapping[str, str]:
        """The keys in its document, unsealed, by ``model.project.secret_values``' places."""
        ...

    async def delete_project(self, id: str) -> bool:
        """All that is in it goes too, in one transaction. False when there was none."""
        ...


class Services(Protocol):
    async def put_service(self, ref: ServiceRef, spec: Service, trial: Trial = "once") -> Accepted:
        """
        Declare one version; where addresses are allocated, in the same transaction. ``trial`` is of
        the generation that this makes.

        The project is created where it does not exist. ``InvalidSpec`` when a secret that a
        task names is missing or of the wrong type; ``Conflict`` when its domain would be
        another one's or no address is left.
        """
        ...

    async def delete_service(self, ref: ServiceRef) -> bool: ...

    async def versions(
        self, project: str | None = None, service: str | None = None
    ) -> list[DeclaredVersion]:
        """Sorted by project, service and order."""
        ...

    async def service(self, key: ServiceKey) -> DeclaredService | None:
        """With no versions when it is deleted and not released yet; None when unknown."""
        ...

    async def document(self, ref: ServiceRef) -> Mapping[str, Any] | None:
        """A version as it was given; None when there is none. Costs the same beside thousands."""
        ...

    async def declared(self) -> Declarations:
        """Everything, services on their way out included."""
        ...

    async def record_revision(self, ref: ServiceRef, generation: int, next: NextRevision) -> None:
        """
        Write down what this generation runs: the latest revision again, or one more.

        Nothing happens when that generation is not the latest any more, when another revision
        was recorded meanwhile, or when the values of a secret that it names are gone.
        """
        ...

    async def record_completion(self, ref: ServiceRef, number: int) -> None:
        """All replicas of that revision are done; nothing happens when it is not the latest."""
        ...

    async def record_serving(self, ref: ServiceRef, generation: int, number: int) -> None:
        """
        Write down that all replicas of the latest revision take requests, from now on.

        Of this and the next two: nothing happens when that is not the latest generation, or not
        its revision, any more.
        """
        ...

    async def confirm_revision(self, ref: ServiceRef, generation: int, number: int) -> None:
        """It is what is returned to when a later one fails. It is not a failed one any more."""
        ...

    async def fail_revision(
        self, ref: ServiceRef, generation: int, number: int, failure: RevisionFailure
    ) -> None:
        """Give it up for this generation: a later one may try it again."""
        ...

    async def record_scaling(self, ref: ServiceRef, scaling: Scaling) -> None:
        """
        Write down how many replicas were decided upon. It outlives applies, and goes with its
        version; nothing happens when there is none, or when it is what was written last.
        """
        ...

    async def revisions(self, ref: ServiceRef) -> list[Revision]:
        """
        Those that are kept of a declared version, newest first: the last ten, and the last one
        that was confirmed.
        """
        ...

    async def release(self, key: ServiceKey) -> None:
        """
        Forget a deleted service of which nothing runs any more, its addresses with it.

        Nothing happens when it is declared again.
        """
        ...


class Leases(Protocol):
    """What replicas have said: a change here is none of what is declared, and nobody is told."""

    async def take_lease(self, lease: Lease) -> bool:
        """In place of the one that the replica has. False when there is no such version."""
        ...

    async def give_back_lease(self, ref: ServiceRef, replica: str) -> None:
        """Nothing happens where there is none."""
        ...

    async def leases(self) -> list[Lease]:
        """Of the versions that are declared; some of them may have ended."""
        ...


class Sealer(Protocol):
    """What the store asks of sealing. ``place`` binds a value to its row: it opens nowhere else."""

    def seal(self, value: str, *place: str) -> bytes: ...
    def unseal(self, sealed: bytes, *place: str) -> str: ...


class Secrets(Protocol):
    async def put_secret(self, project: str, id: str, secret: Secret) -> Written:
        """A value equal to REDACTED keeps the stored one. ``Conflict`` when the type changes."""
        ...

    async def set_secret_key(self, project: str, id: str, key: str, value: str) -> None: ...

    async def delete_secret_key(self, project: str, id: str, key: str) -> None: ...

    async def set_secret_root_path(self, project: str, id: str, root_path: str) -> None: ...

    async def secrets(self, project: str, id: str | None = None) -> list[SecretFacts]: ...

    async def secret_values(
        self, project: str, id: str, version: int | None = None
    ) -> Mapping[str, str]:
        """
        Unsealed, for the driver alone; of the latest version where none is given.

        A version's values stay while a kept revision names it. ``NotFound`` when there is none.
        """
        ...

    async def delete_secret(self, project: str, id: str) -> bool:
        """
        ``Conflict`` while a declared task uses it.

        Values that a kept revision names stay, sealed, until that one goes.
        """
        ...


class Documents(Protocol):
    """Routes, roles and ingress: kept as they were given."""

    async def put_routes(self, key: ServiceKey, routes: Routes) -> Written: ...
    async def routes(self, project: str, service: str | None = None) -> list[StoredDocument]: ...
    async def put_role(self, key: ServiceKey, id: str, role: Role) -> Written: ...
    async def roles(
        self, project: str, service: str | None = None, id: str | None = None
    ) -> list[StoredDocument]:
        """``id`` of a document is the role's; its document holds ``service``."""
        ...

    async def delete_role(self, key: ServiceKey, id: str) -> bool:
        """``*`` removes all roles of the service."""
        ...

    async def put_ingress(self, project: str, id: str, route: IngressRoute) -> Written: ...
    async def ingress(
        self, project: str | None = None, id: str | None = None
    ) -> list[StoredDocument]:
        """In the order of creation."""
        ...

    async def delete_ingress(self, project: str, id: str) -> bool: ...
    async def put_ingress_global(self, project: str, settings: IngressGlobal) -> Written: ...
    async def ingress_global(self, project: str) -> StoredDocument | None: ...


OtherKind = Literal["cluster-config", "letsencrypt", "integrations"]


class Other(Protocol):
    """What other parts are configured with: kept and given back, and nothing acts on it."""

    async def put_other(
        self, kind: OtherKind, project: str, id: str, document: Resource
    ) -> Written:
        """
        ``project`` is empty for the whole installation. An empty document is none.

        A secret field equal to REDACTED keeps the stored one.
        """
        ...

    async def others(self, kind: OtherKind, project: str = "") -> list[StoredDocument]:
        """Sorted, with REDACTED for every secret field."""
        ...

    async def other_values(self, kind: OtherKind, project: str, id: str) -> Mapping[str, str]:
        """Its secret fields, unsealed."""
        ...

    async def delete_other(self, kind: OtherKind, project: str, id: str) -> bool: ...


class Events(Protocol):
    async def add_event(self, event: Event) -> None:
        """Equal to the service's last one but for the time: that one's count grows instead."""
        ...

    async def events(
        self, project: str | None = None, service: str | None = None, limit: int = 100
    ) -> list[Event]:
        """Newest first. The store keeps the last 10,000."""
        ...


class Changes(Protocol):
    def changes(self) -> AsyncIterator[Change]:
        """Hints, from this call on."""
        ...


class Writes(Protocol):
    async def check_writes(self) -> None:
        """``Unavailable`` where nothing could be written now; its sentence names no path."""
        ...


class Store(
    Projects, Services, Leases, Secrets, Documents, Other, Events, Changes, Writes, Protocol
):
    """All of it in one place, with the transactions that span several."""

    def copy(self) -> AbstractAsyncContextManager["Store"]:
        """A copy to try writes on: it says what the store would say, and nothing of it lasts."""
        ...
