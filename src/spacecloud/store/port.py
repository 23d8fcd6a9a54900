"""
The store's port: what was declared, and a bell that rings when it changes.

A write returns when it is durable. Watchers get hints, never contents. SQLite on a Docker
host; Kubernetes custom resources will be a second one behind the same contract suite.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from spacecloud.model.declared import (
    Change,
    Declared,
    DeclaredService,
    DeclaredVersion,
    Event,
    SecretFacts,
    StoredDocument,
)
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
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


class Store(Protocol):
    # projects
    async def put_project(self, id: str, project: Project) -> Written:
        """
        A key equal to REDACTED keeps the stored one.

        ``Conflict`` for the platform's own name.
        """
        ...

    async def projects(self) -> list[StoredDocument]:
        """Sorted, with REDACTED for every key in a document."""
        ...

    async def delete_project(self, id: str) -> bool:
        """All that is in it goes too, in one transaction. False when there was none."""
        ...

    # services
    async def put_service(self, ref: ServiceRef, spec: Service) -> Accepted:
        """
        Declare one version; addresses are allocated in the same transaction.

        The project is created where it does not exist. ``InvalidSpec`` when a secret that a
        task names is missing or of the wrong type; ``Conflict`` when its domain would be
        another one's or the address pool is used up.
        """
        ...

    async def delete_service(self, ref: ServiceRef) -> bool: ...

    async def versions(
        self, project: str | None = None, service: str | None = None
    ) -> list[DeclaredVersion]:
        """Sorted by project, service and order."""
        ...

    async def service(self, key: ServiceKey) -> DeclaredService | None:
        """With no versions when it is deleted but still holds addresses; None when unknown."""
        ...

    async def declared(self) -> Declared:
        """Everything, services on their way out included."""
        ...

    async def pin_images(self, ref: ServiceRef, generation: int, images: Mapping[str, str]) -> None:
        """Nothing happens when that generation is not the latest any more."""
        ...

    async def release(self, key: ServiceKey) -> None:
        """Give a deleted service's addresses back. Nothing happens when it is declared again."""
        ...

    # secrets
    async def put_secret(self, project: str, id: str, secret: Secret) -> Written:
        """A value equal to REDACTED keeps the stored one. ``Conflict`` when the type changes."""
        ...

    async def set_secret_key(self, project: str, id: str, key: str, value: str) -> None: ...

    async def delete_secret_key(self, project: str, id: str, key: str) -> None: ...

    async def set_secret_root_path(self, project: str, id: str, root_path: str) -> None: ...

    async def secrets(self, project: str) -> list[SecretFacts]: ...

    async def secret_values(self, project: str, id: str) -> Mapping[str, str]:
        """Unsealed, for the driver alone. ``NotFound`` when there is none."""
        ...

    async def delete_secret(self, project: str, id: str) -> bool:
        """``Conflict`` while a declared task uses it."""
        ...

    # routes, roles, ingress
    async def put_routes(self, key: ServiceKey, routes: Routes) -> Written: ...
    async def routes(self, project: str) -> list[StoredDocument]: ...
    async def put_role(self, key: ServiceKey, id: str, role: Role) -> Written: ...
    async def roles(self, project: str) -> list[StoredDocument]:
        """``id`` of a document is the role's; its document holds ``service``."""
        ...

    async def delete_role(self, key: ServiceKey, id: str) -> bool:
        """``*`` removes all roles of the service."""
        ...

    async def put_ingress(self, project: str, id: str, route: IngressRoute) -> Written: ...
    async def ingress(self, project: str | None = None) -> list[StoredDocument]:
        """In the order of creation."""
        ...

    async def delete_ingress(self, project: str, id: str) -> bool: ...
    async def put_ingress_global(self, project: str, settings: IngressGlobal) -> Written: ...
    async def ingress_global(self, project: str) -> StoredDocument | None: ...

    # events
    async def add_event(self, event: Event) -> None:
        """Equal to the service's last one but for the time: that one's count grows instead."""
        ...

    async def events(
        self, project: str | None = None, service: str | None = None, limit: int = 100
    ) -> list[Event]:
        """Newest first. The store keeps the last 10,000."""
        ...

    def changes(self) -> AsyncIterator[Change]:
        """Hints, from this call on."""
        ...

    def rehearsal(self) -> AbstractAsyncContextManager["Store"]:
        """A copy to try writes on: it says what the store would say, and nothing of it lasts."""
        ...
