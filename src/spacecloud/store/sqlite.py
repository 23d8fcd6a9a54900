"""The store on a Docker host: one SQLite file, secret values sealed before they reach it."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

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
from spacecloud.store import (
    document_rows,
    event_rows,
    lease_rows,
    other_rows,
    project_rows,
    revision_rows,
    scaling_rows,
    secret_rows,
    service_rows,
    verdict_rows,
)
from spacecloud.store.database import Database
from spacecloud.store.declared_rows import DeclaredReader
from spacecloud.store.port import Accepted, Allocator, NextRevision, OtherKind, Sealer, Written


class SqliteStore:
    """Fulfils ``store.port.Store``."""

    def __init__(
        self,
        database: Database,
        allocator: Allocator,
        sealer: Sealer,
        now: Callable[[], datetime],
        own_ports: frozenset[int] = frozenset(),
    ) -> None:
        self._database = database
        self._allocator = allocator
        self._sealer = sealer
        self._now = now
        self._own_ports = own_ports
        self._declared = DeclaredReader()
        self._read = database.read
        self._write = database.write

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        allocator: Allocator,
        sealer: Sealer,
        now: Callable[[], datetime],
        own_ports: frozenset[int] = frozenset(),
    ) -> AsyncGenerator[Self]:
        """``Unavailable`` when the file or the key is not the right one, with what to do."""
        async with Database.open(path) as database:
            await database.write(partial(secret_rows.check_key, sealer=sealer))
            if await database.write(partial(project_rows.seal_what_is_clear, sealer=sealer)):
                await database.rewrite()
                await database.write(project_rows.all_is_sealed)
            await database.write(revision_rows.adopt_pinned_images)
            yield cls(database, allocator, sealer, now, own_ports)

    @asynccontextmanager
    async def copy(self) -> AsyncGenerator["SqliteStore"]:
        async with self._database.copy() as database:
            yield SqliteStore(database, self._allocator, self._sealer, self._now, self._own_ports)

    async def installation(self) -> bytes | None:
        """The secret of the installation that it belongs to; None where it knows none yet."""
        row = await self._read(lambda db: db.row("SELECT secret FROM installation"))
        return bytes(row[0]) if row is not None else None

    async def belong_to(self, secret: bytes) -> None:
        await self._write(
            lambda db: db.run("INSERT OR REPLACE INTO installation VALUES (1, ?)", secret)
        )

    async def check_writes(self) -> None:
        await self._database.check_writes()

    async def put_project(self, id: str, project: Project) -> Written:
        sealer, own_ports = self._sealer, self._own_ports
        return await self._write(
            partial(
                project_rows.put_project,
                sealer=sealer,
                own_ports=own_ports,
                id=id,
                project=project,
            )
        )

    async def projects(self, id: str | None = None) -> list[StoredDocument]:
        return await self._read(partial(project_rows.projects, id=id))

    async def project_values(self, id: str) -> Mapping[str, str]:
        sealer = self._sealer
        return await self._read(lambda db: project_rows.project_values(db, sealer, id))

    async def delete_project(self, id: str) -> bool:
        return await self._write(partial(project_rows.delete_project, id=id))

    async def put_service(self, ref: ServiceRef, spec: Service, trial: Trial = "once") -> Accepted:
        allocator, now = self._allocator, self._now()
        return await self._write(
            partial(
                service_rows.put_service,
                allocator=allocator,
                now=now,
                ref=ref,
                spec=spec,
                trial=trial,
            )
        )

    async def delete_service(self, ref: ServiceRef) -> bool:
        return await self._write(partial(service_rows.delete_service, ref=ref))

    async def versions(
        self, project: str | None = None, service: str | None = None
    ) -> list[DeclaredVersion]:
        declared = await self.declared()
        return [
            version
            for key, of_service in declared.services.items()
            if project in (None, key.project) and service in (None, key.service)
            for version in of_service.versions
        ]

    async def service(self, key: ServiceKey) -> DeclaredService | None:
        return (await self.declared()).services.get(key)

    async def document(self, ref: ServiceRef) -> Mapping[str, Any] | None:
        return await self._read(lambda db: service_rows.document(db, ref))

    async def declared(self) -> Declarations:
        return await self._read(self._declared.read)

    async def record_revision(self, ref: ServiceRef, generation: int, next: NextRevision) -> None:
        now = self._now()
        await self._write(
            partial(
                revision_rows.record_revision, now=now, ref=ref, generation=generation, next=next
            )
        )

    async def record_completion(self, ref: ServiceRef, number: int) -> None:
        await self._write(partial(revision_rows.record_completion, ref=ref, number=number))

    async def record_serving(self, ref: ServiceRef, generation: int, number: int) -> None:
        write, since = verdict_rows.serving, self._now()
        await self._write(
            partial(write, ref=ref, generation=generation, number=number, since=since)
        )

    async def confirm_revision(self, ref: ServiceRef, generation: int, number: int) -> None:
        write = verdict_rows.confirm
        await self._write(partial(write, ref=ref, generation=generation, number=number))

    async def fail_revision(
        self, ref: ServiceRef, generation: int, number: int, failure: RevisionFailure
    ) -> None:
        write = verdict_rows.fail
        await self._write(
            partial(write, ref=ref, generation=generation, number=number, failure=failure)
        )

    async def record_scaling(self, ref: ServiceRef, scaling: Scaling) -> None:
        await self._write(partial(scaling_rows.record, ref=ref, scaling=scaling))

    async def revisions(self, ref: ServiceRef) -> list[Revision]:
        return await self._read(lambda db: revision_rows.revisions(db, ref))

    async def release(self, key: ServiceKey) -> None:
        await self._write(partial(service_rows.release, key=key))

    async def take_lease(self, lease: Lease) -> bool:
        return await self._write(partial(lease_rows.take, now=self._now(), lease=lease))

    async def give_back_lease(self, ref: ServiceRef, replica: str) -> None:
        await self._write(partial(lease_rows.give_back, ref=ref, replica=replica))

    async def leases(self) -> list[Lease]:
        return await self._read(lease_rows.leases)

    async def put_secret(self, project: str, id: str, secret: Secret) -> Written:
        sealer = self._sealer
        return await self._write(
            partial(secret_rows.put_secret, sealer=sealer, project=project, id=id, secret=secret)
        )

    async def set_secret_key(self, project: str, id: str, key: str, value: str) -> None:
        sealer = self._sealer
        await self._write(
            partial(
                secret_rows.set_key, sealer=sealer, project=project, id=id, key=key, value=value
            )
        )

    async def delete_secret_key(self, project: str, id: str, key: str) -> None:
        sealer = self._sealer
        await self._write(
            partial(secret_rows.delete_key, sealer=sealer, project=project, id=id, key=key)
        )

    async def set_secret_root_path(self, project: str, id: str, root_path: str) -> None:
        sealer = self._sealer
        await self._write(
            partial(
                secret_rows.set_root_path,
                sealer=sealer,
                project=project,
                id=id,
                root_path=root_path,
            )
        )

    async def secrets(self, project: str, id: str | None = None) -> list[SecretFacts]:
        return await self._read(partial(secret_rows.secrets, project=project, id=id))

    async def secret_values(
        self, project: str, id: str, version: int | None = None
    ) -> Mapping[str, str]:
        sealer = self._sealer
        return await self._read(
            lambda db: secret_rows.secret_values(db, sealer, project, id, version)
        )

    async def delete_secret(self, project: str, id: str) -> bool:
        return await self._write(partial(secret_rows.delete_secret, project=project, id=id))

    async def put_routes(self, key: ServiceKey, routes: Routes) -> Written:
        return await self._write(partial(document_rows.put_routes, key=key, routes=routes))

    async def routes(self, project: str, service: str | None = None) -> list[StoredDocument]:
        return await self._read(partial(document_rows.routes, project=project, service=service))

    async def put_role(self, key: ServiceKey, id: str, role: Role) -> Written:
        return await self._write(partial(document_rows.put_role, key=key, id=id, role=role))

    async def roles(
        self, project: str, service: str | None = None, id: str | None = None
    ) -> list[StoredDocument]:
        return await self._read(
            partial(document_rows.roles, project=project, service=service, id=id)
        )

    async def delete_role(self, key: ServiceKey, id: str) -> bool:
        return await self._write(partial(document_rows.delete_role, key=key, id=id))

    async def put_ingress(self, project: str, id: str, route: IngressRoute) -> Written:
        return await self._write(
            partial(document_rows.put_ingress, project=project, id=id, route=route)
        )

    async def ingress(
        self, project: str | None = None, id: str | None = None
    ) -> list[StoredDocument]:
        return await self._read(partial(document_rows.ingress, project=project, id=id))

    async def delete_ingress(self, project: str, id: str) -> bool:
        return await self._write(partial(document_rows.delete_ingress, project=project, id=id))

    async def put_ingress_global(self, project: str, settings: IngressGlobal) -> Written:
        return await self._write(
            partial(document_rows.put_ingress_global, project=project, settings=settings)
        )

    async def ingress_global(self, project: str) -> StoredDocument | None:
        return await self._read(lambda db: document_rows.ingress_global(db, project))

    async def put_other(
        self, kind: OtherKind, project: str, id: str, document: Resource
    ) -> Written:
        sealer = self._sealer
        return await self._write(
            lambda db: other_rows.put_other(db, sealer, kind, project, id, document)
        )

    async def others(self, kind: OtherKind, project: str = "") -> list[StoredDocument]:
        sealer = self._sealer
        return await self._read(lambda db: other_rows.others(db, sealer, kind, project))

    async def other_values(self, kind: OtherKind, project: str, id: str) -> Mapping[str, str]:
        sealer = self._sealer
        return await self._read(lambda db: other_rows.other_values(db, sealer, kind, project, id))

    async def delete_other(self, kind: OtherKind, project: str, id: str) -> bool:
        return await self._write(lambda db: other_rows.delete_other(db, kind, project, id))

    async def add_event(self, event: Event) -> None:
        await self._write(partial(event_rows.add_event, event=event))

    async def events(
        self, project: str | None = None, service: str | None = None, limit: int = 100
    ) -> list[Event]:
        return await self._read(lambda db: event_rows.events(db, project, service, limit))

    def changes(self) -> AsyncIterator[Change]:
        return self._database.notifier.subscribe()
