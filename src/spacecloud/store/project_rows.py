"""Projects as rows; the keys in their documents sealed beside them, in the same transaction."""

import json
from collections.abc import Container, Mapping

from spacecloud.errors import Conflict, InvalidSpec
from spacecloud.model.declared import Change, StoredDocument
from spacecloud.model.project import Project, redacted, secret_locations, secret_values
from spacecloud.model.refs import PLATFORM_PROJECT
from spacecloud.model.secret import REDACTED
from spacecloud.model.validation.mistakes import mistake_at, spelled_out
from spacecloud.store.canonical import as_kept, canonical
from spacecloud.store.database import Transaction, matching
from spacecloud.store.port import Sealer, Written


def ensure_project(db: Transaction, project: str) -> bool:
    """True when it did not exist."""
    if project == PLATFORM_PROJECT:
        raise Conflict(f"{PLATFORM_PROJECT} is the platform itself: choose another project")
    created = db.run("INSERT INTO projects VALUES (?, '{}') ON CONFLICT DO NOTHING", project) > 0
    if created:
        db.notify(Change("project", project, project))
    return created


def put_project(
    db: Transaction, sealer: Sealer, own_ports: Container[int], id: str, project: Project
) -> Written:
    """``own_ports``: of the host, where the platform itself listens."""
    _check_egress(own_ports, id, project)
    created = ensure_project(db, id)
    document = json.loads(as_kept(project, "id"))
    stored = project_values(db, sealer, id)
    values = _with_kept(document, stored, id)
    text = canonical(redacted(document))
    if (text,) == db.row("SELECT spec FROM projects WHERE id = ?", id) and values == stored:
        return Written("created" if created else "unchanged", created)
    _put(db, sealer, id, text, values)
    db.notify(Change("project", id, id))
    return Written("created" if created else "updated", created)


def projects(db: Transaction, id: str | None = None) -> list[StoredDocument]:
    """With REDACTED for what is sealed."""
    where, values = matching(id=id)
    rows = db.rows(f"SELECT id, spec FROM projects{where} ORDER BY id", *values)
    return [StoredDocument(id, id, json.loads(spec)) for id, spec in rows]


def delete_project(db: Transaction, id: str) -> bool:
    """Addresses stay with the services until each is gone from the engine."""
    services = db.rows("SELECT DISTINCT service FROM versions WHERE project = ?", id)
    db.run("DELETE FROM versions WHERE project = ?", id)
    known = db.run("DELETE FROM projects WHERE id = ?", id) > 0
    if known:
        for (service,) in services:
            db.notify(Change("service", id, service))
        db.notify(Change("ingress", id, "*"))
        db.notify(Change("project", id, id))
    return known


def seal_what_is_clear(db: Transaction, sealer: Sealer) -> bool:
    """An earlier release kept the keys of projects in clear. True until ``all_is_sealed``."""
    if db.row("SELECT 1 FROM counters WHERE name = 'in clear'") is None:
        return False
    for stored in projects(db):
        values = secret_values(stored.document)
        if any(value != REDACTED for value in values.values()):
            _put(db, sealer, stored.id, canonical(redacted(stored.document)), values)
    return True


def all_is_sealed(db: Transaction) -> None:
    db.run("DELETE FROM counters WHERE name = 'in clear'")


def _check_egress(own_ports: Container[int], id: str, project: Project) -> None:
    """The API takes who comes from the host's loopback for somebody on this machine."""
    mistakes = tuple(
        mistake_at(
            ("spec", "egress", number, "port"),
            "is a port of the platform itself, which no project may reach: choose another one",
            access.port,
        )
        for number, access in enumerate(project.egress)
        if access.port in own_ports
    )
    if mistakes:
        raise InvalidSpec(f"project {id} asks for ports of the platform itself", mistakes)


def _put(db: Transaction, sealer: Sealer, id: str, text: str, values: Mapping[str, str]) -> None:
    db.run("UPDATE projects SET spec = ? WHERE id = ?", text, id)
    db.run("DELETE FROM project_values WHERE project = ?", id)
    for place, value in values.items():
        sealed = sealer.seal(value, "project", id, place)
        db.run("INSERT INTO project_values VALUES (?, ?, ?)", id, place, sealed)


def project_values(db: Transaction, sealer: Sealer, id: str) -> dict[str, str]:
    rows = db.rows("SELECT place, sealed FROM project_values WHERE project = ?", id)
    return {place: sealer.unseal(sealed, "project", id, place) for place, sealed in rows}


def _with_kept(document: dict[str, object], stored: Mapping[str, str], id: str) -> dict[str, str]:
    given = secret_values(document)
    locations = secret_locations(document)
    mistakes = tuple(
        mistake_at(
            ("spec", *locations[place]), "no value is stored that could be kept: write the value"
        )
        for place, value in given.items()
        if value == REDACTED and place not in stored
    )
    if mistakes:
        raise InvalidSpec(
            f"project {id} holds {REDACTED} where a value is needed: {spelled_out(mistakes)}",
            mistakes,
        )
    return {p: stored[p] if value == REDACTED else value for p, value in given.items()}
