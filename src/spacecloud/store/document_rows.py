"""Documents that are kept as they were given: routes, roles and ingress, as rows."""

import json

from pydantic import ValidationError

from spacecloud.errors import InvalidSpec, NotFound
from spacecloud.model.declared import Change, StoredDocument
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.routing import (
    IngressGlobal,
    IngressRoute,
    Role,
    Routes,
    with_source,
    without_version,
)
from spacecloud.model.validation.mistakes import mistake_at
from spacecloud.store.canonical import as_kept, canonical, difference
from spacecloud.store.database import Transaction, matching
from spacecloud.store.port import Written
from spacecloud.store.project_rows import ensure_project


def put_routes(db: Transaction, key: ServiceKey, routes: Routes) -> Written:
    _check_targets(db, key, routes)
    row = db.row("SELECT spec FROM routes WHERE project = ? AND service = ?", *key)
    spec = as_kept(routes, "id")
    db.run("INSERT OR REPLACE INTO routes VALUES (?, ?, ?)", *key, spec)
    db.notify(Change("route", *key))
    return Written(difference(row, spec))


def _check_targets(db: Transaction, key: ServiceKey, routes: Routes) -> None:
    rows = db.rows("SELECT version FROM versions WHERE project = ? AND service = ?", *key)
    versions = {version for (version,) in rows}
    if not versions:
        raise NotFound(f"service {key} has no version yet: apply one, then its routes")
    mistakes = tuple(
        mistake_at(
            ("spec", "routes", r, "targets", t, "version"),
            f"{key} has no such version; it has {', '.join(sorted(versions))}",
            target.version,
        )
        for r, route in enumerate(routes.routes)
        for t, target in enumerate(route.targets)
        if target.type == "version" and target.version not in versions
    )
    if mistakes:
        missing = ", ".join(dict.fromkeys(str(mistake.value) for mistake in mistakes))
        raise InvalidSpec(
            f"the routes of {key} lead to versions that do not exist: {missing}; "
            f"it has {', '.join(sorted(versions))}",
            mistakes,
        )


def remove_version(db: Transaction, ref: ServiceRef) -> None:
    """From the routes of its service."""
    row = db.row("SELECT spec FROM routes WHERE project = ? AND service = ?", *ref.key)
    if row is None:
        return
    try:
        routes = Routes.model_validate_json(row[0])
    except ValidationError:
        # Another release kept it: what cannot be read must not hold up a removal.
        return
    spec = as_kept(without_version(routes, ref.version), "id")
    if (spec,) == row:
        return
    db.run("UPDATE routes SET spec = ? WHERE project = ? AND service = ?", spec, *ref.key)
    db.notify(Change("route", *ref.key))


def routes(db: Transaction, project: str, service: str | None) -> list[StoredDocument]:
    where, values = matching(project=project, service=service)
    rows = db.rows(f"SELECT project, service, spec FROM routes{where} ORDER BY service", *values)
    return [_stored(*row) for row in rows]


def put_role(db: Transaction, key: ServiceKey, id: str, role: Role) -> Written:
    created = ensure_project(db, key.project)
    where = " WHERE project = ? AND service = ? AND id = ?"
    row = db.row("SELECT spec FROM roles" + where, *key, id)
    spec = as_kept(role, "id", "project", "service")
    db.run("INSERT OR REPLACE INTO roles VALUES (?, ?, ?, ?)", *key, id, spec)
    db.notify(Change("role", key.project, id))
    return Written(difference(row, spec), created)


def roles(
    db: Transaction, project: str, service: str | None, id: str | None
) -> list[StoredDocument]:
    where, values = matching(project=project, service=service, id=id)
    rows = db.rows(
        f"SELECT project, id, spec, service FROM roles{where} ORDER BY service, id", *values
    )
    return [
        StoredDocument(owner, id, {**json.loads(spec), "service": service})
        for owner, id, spec, service in rows
    ]


def delete_role(db: Transaction, key: ServiceKey, id: str) -> bool:
    gone = db.run(
        "DELETE FROM roles WHERE project = ? AND service = ? AND ? IN (id, '*')", *key, id
    )
    if not gone and id != "*":
        return False
    db.notify(Change("role", key.project, id))
    return gone > 0


def put_ingress(db: Transaction, project: str, id: str, route: IngressRoute) -> Written:
    """A route keeps its place when it is written again."""
    created = ensure_project(db, project)
    row = db.row("SELECT spec FROM ingress WHERE project = ? AND id = ?", project, id)
    if row is not None:
        row = (canonical(with_source(json.loads(row[0]))),)
    spec = as_kept(route, "id", "project")
    db.run(
        "INSERT INTO ingress (project, id, spec) VALUES (?, ?, ?)"
        " ON CONFLICT (project, id) DO UPDATE SET spec = excluded.spec",
        project,
        id,
        spec,
    )
    db.notify(Change("ingress", project, id))
    return Written(difference(row, spec), created)


def ingress(db: Transaction, project: str | None, id: str | None) -> list[StoredDocument]:
    where, values = matching(project=project, id=id)
    rows = db.rows(f"SELECT project, id, spec FROM ingress{where} ORDER BY place", *values)
    return [StoredDocument(p, i, with_source(json.loads(spec))) for p, i, spec in rows]


def delete_ingress(db: Transaction, project: str, id: str) -> bool:
    gone = db.run("DELETE FROM ingress WHERE project = ? AND id = ?", project, id) > 0
    if gone:
        db.notify(Change("ingress", project, id))
    return gone


def put_ingress_global(db: Transaction, project: str, settings: IngressGlobal) -> Written:
    created = ensure_project(db, project)
    row = db.row("SELECT spec FROM ingress_global WHERE project = ?", project)
    spec = as_kept(settings)
    if row is None and not settings.headers and not settings.res_headers:
        return Written("unchanged", created)
    db.run("INSERT OR REPLACE INTO ingress_global VALUES (?, ?)", project, spec)
    db.notify(Change("ingress", project, "global"))
    return Written(difference(row, spec), created)


def ingress_global(db: Transaction, project: str) -> StoredDocument | None:
    row = db.row("SELECT spec FROM ingress_global WHERE project = ?", project)
    return None if row is None else _stored(project, "global", row[0])


def _stored(project: str, id: str, spec: str) -> StoredDocument:
    return StoredDocument(project, id, json.loads(spec))
