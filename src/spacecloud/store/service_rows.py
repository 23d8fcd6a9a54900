"""Service versions as rows: what may be declared beside what is there, and what is kept of it."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from spacecloud.errors import Conflict, InvalidSpec, Mistake
from spacecloud.model.declared import Change, Trial
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import mistake_at, spelled_out
from spacecloud.store.address_rows import allocate, give_back
from spacecloud.store.canonical import as_kept, difference
from spacecloud.store.database import Transaction
from spacecloud.store.document_rows import remove_version
from spacecloud.store.port import Accepted, Allocator
from spacecloud.store.project_rows import ensure_project
from spacecloud.store.secret_rows import forget_unnamed_values

LONGEST_LABEL = 63
OF_THIS_VERSION = " WHERE project = ? AND service = ? AND version = ?"


def put_service(
    db: Transaction,
    allocator: Allocator,
    now: datetime,
    ref: ServiceRef,
    spec: Service,
    trial: Trial,
) -> Accepted:
    row = db.row("SELECT spec FROM versions" + OF_THIS_VERSION, *ref)
    _check_secrets(db, ref, spec)
    kept = as_kept(spec, "id", "projectId", "version")
    generation = _next_generation(db)
    created = False
    if row is None:
        _check_domain(db, ref)
        created = _insert(db, allocator, ref, kept, generation)
    db.run(
        "UPDATE versions SET spec = ?, generation = ?, applied_at = ?, untried = ?"
        + OF_THIS_VERSION,
        kept,
        generation,
        now.isoformat(),
        generation if trial == "skipped" else 0,
        *ref,
    )
    db.notify(Change("service", *ref.key))
    return Accepted(generation, difference(row, kept), created)


def document(db: Transaction, ref: ServiceRef) -> dict[str, Any] | None:
    row = db.row("SELECT spec FROM versions" + OF_THIS_VERSION, *ref)
    return json.loads(row[0]) if row is not None else None


def delete_service(db: Transaction, ref: ServiceRef) -> bool:
    """
    No route leads to it any more; routes and roles go with the last version.

    Addresses stay until they are released.
    """
    if not db.run("DELETE FROM versions" + OF_THIS_VERSION, *ref):
        return False
    forget_unnamed_values(db, ref.project)
    remove_version(db, ref)
    for table in ("routes", "roles"):
        db.run(
            f"DELETE FROM {table} WHERE project = :1 AND service = :2 AND NOT EXISTS"
            " (SELECT 1 FROM versions WHERE project = :1 AND service = :2)",
            *ref.key,
        )
    db.notify(Change("service", *ref.key))
    return True


def release(db: Transaction, key: ServiceKey) -> None:
    if give_back(db, key):
        db.notify(Change("service", *key))


def _insert(
    db: Transaction, allocator: Allocator, ref: ServiceRef, spec: str, generation: int
) -> bool:
    """Was its project made, too?"""
    created = ensure_project(db, ref.project)
    db.run(
        "INSERT INTO versions (project, service, version, label, place, vip, spec, generation,"
        " applied_at) SELECT :1, :2, :3, :4, coalesce(max(place), 0) + 1, :5, :6, :7, ''"
        " FROM versions WHERE project = :1 AND service = :2",
        *ref,
        ref.label,
        str(allocate(db, allocator, ref)),
        spec,
        generation,
    )
    return created


def _next_generation(db: Transaction) -> int:
    row = db.row("UPDATE counters SET value = value + 1 WHERE name = 'generation' RETURNING value")
    assert row is not None, "the first migration wrote it"
    return int(row[0])


def _check_domain(db: Transaction, ref: ServiceRef) -> None:
    """A name means one thing: no domain of this version is another one's, nor the reverse."""
    if len(ref.label) > LONGEST_LABEL:
        raise InvalidSpec(
            f"{ref}: the version's domain label {ref.label} has {len(ref.label)} characters, "
            f"and DNS allows {LONGEST_LABEL}: shorten the service's id or the version",
            (mistake_at(("meta", "version"), f"{ref.label} exceeds {LONGEST_LABEL} characters"),),
        )
    row = db.row(
        "SELECT service || '@' || version FROM versions WHERE project = ? AND label = ?",
        ref.project,
        ref.label,
    )
    if row:
        raise Conflict(
            f"{ref} and {ref.project}/{row[0]} would share the domain {ref.domain}: dots and "
            "underscores of a version become - in it; rename one of the two"
        )
    if db.row(
        "SELECT 1 FROM versions WHERE project = ? AND service = ? LIMIT 1", ref.project, ref.label
    ):
        raise Conflict(
            f"the domain of {ref}, {ref.domain}, is the one of the service "
            f"{ref.project}/{ref.label}: rename one of the two"
        )
    for service, version in _of_the_same_replicas(ref):
        if db.row("SELECT 1 FROM versions" + OF_THIS_VERSION, ref.project, service, version):
            raise Conflict(
                f"the replicas of {ref} would have the names of those of "
                f"{ref.project}/{service}@{version}: rename one of the two"
            )
    row = db.row(
        "SELECT service || '@' || version FROM versions WHERE project = ? AND label = ?",
        ref.project,
        ref.service,
    )
    if row:
        raise Conflict(
            f"the domain of the service {ref.key}, {ref.key.domain}, is the one of "
            f"{ref.project}/{row[0]}: rename one of the two"
        )


def _of_the_same_replicas(ref: ServiceRef) -> Iterator[tuple[str, str]]:
    """The services and versions whose replicas would be called as this one's."""
    name = f"{ref.service}--{ref.version}"
    at = name.find("--")
    while at >= 0:
        yield name[:at], name[at + 2 :]
        at = name.find("--", at + 1)


def _check_secrets(db: Transaction, ref: ServiceRef, spec: Service) -> None:
    named = {id for task in spec.tasks for id in (*task.secrets, task.docker.secret) if id}
    found = (
        db.row("SELECT id, type FROM secrets WHERE project = ? AND id = ?", ref.project, id)
        for id in sorted(named)
    )
    types: dict[str, str] = dict(row for row in found if row is not None)
    mistakes: list[Mistake] = []
    for t, task in enumerate(spec.tasks):
        for s, id in enumerate(task.secrets):
            fault = _fault(ref.project, id, types, docker=False)
            if fault:
                mistakes.append(mistake_at(("spec", "tasks", t, "secrets", s), fault, id))
        if task.docker.secret:
            fault = _fault(ref.project, task.docker.secret, types, docker=True)
            if fault:
                place = ("spec", "tasks", t, "docker", "secret")
                mistakes.append(mistake_at(place, fault, task.docker.secret))
    if mistakes:
        faults = spelled_out(mistakes)
        raise InvalidSpec(f"{ref} names secrets that it cannot use: {faults}", tuple(mistakes))


def _fault(project: str, id: str, types: Mapping[str, str], *, docker: bool) -> str:
    """Empty when the secret fits its use."""
    if id not in types:
        return f"project {project} has no secret {id}: apply it first"
    if docker and types[id] != "docker":
        return f"registry credentials are a secret of type docker, and {id} is of type {types[id]}"
    if not docker and types[id] == "docker":
        return f"{id} is of type docker: name it in docker.secret; tasks get env and file secrets"
    return ""
