"""Documents that are kept as they were given: projects, routes, roles and ingress, as rows."""

import json
from typing import Any

from spacecloud.errors import Conflict, InvalidSpec, Mistake, NotFound
from spacecloud.model.declared import Change, StoredDocument
from spacecloud.model.project import Project
from spacecloud.model.refs import PLATFORM_PROJECT, ServiceKey
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.store.database import Session


def canonical(document: dict[str, Any]) -> str:
    """Equal documents, equal text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def as_kept(resource: Resource, *from_address: str) -> str:
    """What was given, without the fields that follow from the address it was sent to."""
    given = resource.as_given()
    return canonical({name: value for name, value in given.items() if name not in from_address})


def ensure_project(db: Session, project: str) -> None:
    if project == PLATFORM_PROJECT:
        raise Conflict(f"{PLATFORM_PROJECT} is the platform itself: choose another project")
    if db.run("INSERT INTO projects VALUES (?, '{}') ON CONFLICT DO NOTHING", project):
        db.ring(Change("project", project, project))


def put_project(db: Session, id: str, project: Project) -> None:
    ensure_project(db, id)
    db.run("UPDATE projects SET spec = ? WHERE id = ?", as_kept(project, "id"), id)
    db.ring(Change("project", id, id))


def projects(db: Session) -> list[StoredDocument]:
    rows = db.rows("SELECT id, id, spec FROM projects ORDER BY id")
    return [_stored(*row) for row in rows]


def delete_project(db: Session, id: str) -> bool:
    """Addresses stay with the services until each is gone from the engine."""
    services = db.rows("SELECT DISTINCT service FROM versions WHERE project = ?", id)
    db.run("DELETE FROM versions WHERE project = ?", id)
    known = db.run("DELETE FROM projects WHERE id = ?", id) > 0
    if known:
        for (service,) in services:
            db.ring(Change("service", id, service))
        db.ring(Change("ingress", id, "*"))
        db.ring(Change("project", id, id))
    return known


def put_routes(db: Session, key: ServiceKey, routes: Routes) -> None:
    _check_targets(db, key, routes)
    db.run("INSERT OR REPLACE INTO routes VALUES (?, ?, ?)", *key, as_kept(routes, "id"))
    db.ring(Change("route", *key))


def _check_targets(db: Session, key: ServiceKey, routes: Routes) -> None:
    rows = db.rows("SELECT version FROM versions WHERE project = ? AND service = ?", *key)
    versions = {version for (version,) in rows}
    if not versions:
        raise NotFound(f"service {key} has no version yet: apply one, then its routes")
    mistakes = tuple(
        Mistake(
            f"spec.routes[{r}].targets[{t}].version",
            f"{key} has no such version; it has {', '.join(sorted(versions))}",
            target.version,
        )
        for r, route in enumerate(routes.routes)
        for t, target in enumerate(route.targets)
        if target.type == "version" and target.version not in versions
    )
    if mistakes:
        raise InvalidSpec(f"the routes of {key} lead to versions that do not exist", mistakes)


def routes(db: Session, project: str) -> list[StoredDocument]:
    rows = db.rows(
        "SELECT project, service, spec FROM routes WHERE project = ? ORDER BY service", project
    )
    return [_stored(*row) for row in rows]


def put_role(db: Session, key: ServiceKey, id: str, role: Role) -> None:
    ensure_project(db, key.project)
    spec = as_kept(role, "id", "project", "service")
    db.run("INSERT OR REPLACE INTO roles VALUES (?, ?, ?, ?)", *key, id, spec)
    db.ring(Change("role", key.project, id))


def roles(db: Session, project: str) -> list[StoredDocument]:
    rows = db.rows(
        "SELECT project, id, spec, service FROM roles WHERE project = ? ORDER BY service, id",
        project,
    )
    return [
        StoredDocument(owner, id, {**json.loads(spec), "service": service})
        for owner, id, spec, service in rows
    ]


def delete_role(db: Session, key: ServiceKey, id: str) -> bool:
    gone = db.run(
        "DELETE FROM roles WHERE project = ? AND service = ? AND ? IN (id, '*')", *key, id
    )
    if not gone and id != "*":
        return False
    db.ring(Change("role", key.project, id))
    return gone > 0


def put_ingress(db: Session, project: str, id: str, route: IngressRoute) -> None:
    """A route keeps its place when it is written again."""
    ensure_project(db, project)
    db.run(
        "INSERT INTO ingress (project, id, spec) VALUES (?, ?, ?)"
        " ON CONFLICT (project, id) DO UPDATE SET spec = excluded.spec",
        project,
        id,
        as_kept(route, "id", "project"),
    )
    db.ring(Change("ingress", project, id))


def ingress(db: Session, project: str | None) -> list[StoredDocument]:
    rows = db.rows(
        "SELECT project, id, spec FROM ingress WHERE project = coalesce(?, project) ORDER BY place",
        project,
    )
    return [_stored(*row) for row in rows]


def delete_ingress(db: Session, project: str, id: str) -> bool:
    gone = db.run("DELETE FROM ingress WHERE project = ? AND id = ?", project, id) > 0
    if gone:
        db.ring(Change("ingress", project, id))
    return gone


def put_ingress_global(db: Session, project: str, settings: IngressGlobal) -> None:
    ensure_project(db, project)
    db.run("INSERT OR REPLACE INTO ingress_global VALUES (?, ?)", project, as_kept(settings))
    db.ring(Change("ingress", project, "global"))


def ingress_global(db: Session, project: str) -> StoredDocument | None:
    row = db.row("SELECT spec FROM ingress_global WHERE project = ?", project)
    return None if row is None else _stored(project, "global", row[0])


def _stored(project: str, id: str, spec: str) -> StoredDocument:
    return StoredDocument(project, id, json.loads(spec))
