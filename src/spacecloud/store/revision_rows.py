"""
Revisions as rows: written once, never changed, the last ten of each version kept, and the last
one that was confirmed.

The values of a secret's version stay for as long as a kept revision names them.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from spacecloud.model.lenient_reading import STORED
from spacecloud.model.refs import ServiceRef
from spacecloud.model.revision import Revision
from spacecloud.model.secret import SecretFacts
from spacecloud.model.service import Service
from spacecloud.store import legacy_revision, secret_rows, verdict_rows
from spacecloud.store.database import Transaction
from spacecloud.store.port import NextRevision

KEPT_REVISIONS = 10
"""Of each version; an older one goes when a new one is recorded."""

OF_THIS_VERSION = " WHERE project = ? AND service = ? AND version = ?"
COLUMNS = (
    "r.number, r.hash, r.document, r.images, r.generation, r.created_at,"
    " (SELECT json_group_array(json_array(s.secret, s.type, s.root_path, json(s.keys),"
    " s.secret_version)) FROM revision_secrets AS s WHERE (s.project, s.service, s.version,"
    " s.number) = (r.project, r.service, r.version, r.number))"
)
"""Of ``revisions AS r``: what ``revision_from`` takes after the project."""


def record_revision(
    db: Transaction, now: datetime, ref: ServiceRef, generation: int, next: NextRevision
) -> None:
    row = db.row("SELECT spec, generation, revision FROM versions" + OF_THIS_VERSION, *ref)
    if row is None or row[1] != generation:
        return
    document, latest = row[0], row[2] or 0
    if next.number == latest + 1:
        if not all(secret_rows.has_values(db, secret) for secret in next.secrets):
            return
        _insert(db, now, ref, generation, next, document)
        _forget_oldest(db, ref)
        verdict_rows.begin(db, ref)
    elif next.number != latest:
        return
    _point(db, ref, next.number, generation)


def record_completion(db: Transaction, ref: ServiceRef, number: int) -> None:
    """Of the version, not of the revision's row, which is never changed."""
    db.run(
        "UPDATE versions SET completed = ?" + OF_THIS_VERSION + " AND revision = ?",
        number,
        *ref,
        number,
    )


def revisions(db: Transaction, ref: ServiceRef) -> list[Revision]:
    """Newest first."""
    rows = db.rows(
        f"SELECT {COLUMNS} FROM revisions AS r{OF_THIS_VERSION} ORDER BY number DESC", *ref
    )
    return [revision_from(ref.project, row) for row in rows]


def revision(db: Transaction, ref: ServiceRef, number: int | None) -> Revision | None:
    if number is None:
        return None
    row = db.row(
        f"SELECT {COLUMNS} FROM revisions AS r{OF_THIS_VERSION} AND number = ?", *ref, number
    )
    return revision_from(ref.project, row) if row is not None else None


def revision_from(project: str, row: Iterable[Any]) -> Revision:
    number, hash, document, images, generation, created_at, secrets = row
    return Revision(
        number=number,
        hash=hash,
        document=json.loads(document),
        images=json.loads(images),
        secrets=tuple(
            SecretFacts(project, id, type, root_path, tuple(keys), version)
            for id, type, root_path, keys, version in sorted(json.loads(secrets))
        ),
        generation=generation,
        created_at=datetime.fromisoformat(created_at),
    )


def adopt_pinned_images(db: Transaction) -> None:
    """
    An earlier release pinned images and hashed at every look: that becomes revision 1.

    With the hash that the replicas carry, so that none is replaced by the upgrade.
    """
    for project, service, version, images in db.rows("SELECT * FROM legacy_pins"):
        _adopt(db, ServiceRef(project, service, version), json.loads(images))
    db.run("DELETE FROM legacy_pins")


def _adopt(db: Transaction, ref: ServiceRef, images: Mapping[str, str]) -> None:
    row = db.row("SELECT spec, generation, applied_at FROM versions" + OF_THIS_VERSION, *ref)
    assert row is not None, "it was taken from there, and nothing has run since"
    document, generation, applied_at = row
    try:
        spec = Service.model_validate_json(document, context=STORED)
    except ValidationError:
        # Whoever reads what is declared says so, with the fix.
        return
    if images.keys() != {task.id for task in spec.tasks}:
        return
    used = {name for task in spec.tasks for name in task.secrets}
    known = secret_rows.secrets(db, ref.project, None) if used else []
    secrets = tuple(secret for secret in known if secret.id in used)
    next = NextRevision(1, legacy_revision.hash_of(spec, secrets, images), images, secrets)
    _insert(db, datetime.fromisoformat(applied_at), ref, generation, next, document)
    _point(db, ref, 1, generation)
    db.run("UPDATE versions SET confirmed = 1" + OF_THIS_VERSION, *ref)


def _insert(
    db: Transaction,
    now: datetime,
    ref: ServiceRef,
    generation: int,
    next: NextRevision,
    document: str,
) -> None:
    db.run(
        "INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *ref,
        next.number,
        next.hash,
        document,
        json.dumps(dict(next.images), sort_keys=True),
        generation,
        now.isoformat(),
    )
    for secret in next.secrets:
        db.run(
            "INSERT INTO revision_secrets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *ref,
            next.number,
            secret.id,
            secret.version,
            secret.type,
            secret.root_path,
            json.dumps(secret.keys),
        )


def _forget_oldest(db: Transaction, ref: ServiceRef) -> None:
    oldest_kept = (
        " AND number <= (SELECT max(number) FROM revisions"
        " WHERE project = ?1 AND service = ?2 AND version = ?3) - ?4"
        " AND number IS NOT (SELECT confirmed FROM versions"
        " WHERE project = ?1 AND service = ?2 AND version = ?3)"
    )
    gone = "DELETE FROM revisions WHERE project = ?1 AND service = ?2 AND version = ?3"
    if db.run(gone + oldest_kept, *ref, KEPT_REVISIONS):
        secret_rows.forget_unnamed_values(db, ref.project)


def _point(db: Transaction, ref: ServiceRef, number: int, generation: int) -> None:
    db.run(
        "UPDATE versions SET revision = ?, resolved = ?" + OF_THIS_VERSION,
        number,
        generation,
        *ref,
    )
