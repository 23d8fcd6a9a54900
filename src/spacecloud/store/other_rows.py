"""What other parts are configured with, as rows: sealed as a whole, since it may hold keys."""

import json
from collections.abc import Mapping
from typing import Any

from spacecloud.errors import InvalidSpec
from spacecloud.model.declared import StoredDocument
from spacecloud.model.other_configuration import SECRET_FIELDS
from spacecloud.model.resource import Resource
from spacecloud.model.secret import REDACTED
from spacecloud.model.validation.mistakes import mistake_at, spelled_out
from spacecloud.store.canonical import as_kept, canonical
from spacecloud.store.database import Transaction
from spacecloud.store.port import OtherKind, Sealer, Written
from spacecloud.store.project_rows import ensure_project

WHERE = " WHERE kind = ? AND coalesce(project, '') = ? AND id = ?"


def put_other(
    db: Transaction, sealer: Sealer, kind: OtherKind, project: str, id: str, document: Resource
) -> Written:
    created = ensure_project(db, project) if project else False
    before = _document(db, sealer, kind, project, id)
    given = json.loads(as_kept(document, "id"))
    text = canonical(_with_kept(given, before or {}, f"{kind} {id}"))
    if text == canonical(before or {}):
        return Written("unchanged", created)
    db.run("DELETE FROM other_configuration" + WHERE, kind, project, id)
    if given:
        sealed = sealer.seal(text, kind, project, id)
        row = (kind, project or None, id, sealed)
        db.run("INSERT INTO other_configuration VALUES (?, ?, ?, ?)", *row)
    return Written("created" if before is None else "updated", created)


def others(db: Transaction, sealer: Sealer, kind: OtherKind, project: str) -> list[StoredDocument]:
    """With REDACTED for what nobody may read."""
    rows = db.rows(
        "SELECT id, sealed FROM other_configuration"
        " WHERE kind = ? AND coalesce(project, '') = ? ORDER BY id",
        kind,
        project,
    )
    documents = ((id, json.loads(sealer.unseal(sealed, kind, project, id))) for id, sealed in rows)
    return [StoredDocument(project, id, _redacted(document)) for id, document in documents]


def other_values(
    db: Transaction, sealer: Sealer, kind: OtherKind, project: str, id: str
) -> Mapping[str, str]:
    document = _document(db, sealer, kind, project, id) or {}
    return {field: document[field] for field in SECRET_FIELDS if document.get(field)}


def delete_other(db: Transaction, kind: OtherKind, project: str, id: str) -> bool:
    return db.run("DELETE FROM other_configuration" + WHERE, kind, project, id) > 0


def _document(
    db: Transaction, sealer: Sealer, kind: OtherKind, project: str, id: str
) -> dict[str, Any] | None:
    row = db.row("SELECT sealed FROM other_configuration" + WHERE, kind, project, id)
    if row is None:
        return None
    document: dict[str, Any] = json.loads(sealer.unseal(row[0], kind, project, id))
    return document


def _redacted(document: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {name: REDACTED for name in SECRET_FIELDS if document.get(name)}
    return {**document, **hidden}


def _with_kept(given: dict[str, Any], before: Mapping[str, Any], name: str) -> dict[str, Any]:
    kept = [field for field in SECRET_FIELDS if given.get(field) == REDACTED]
    mistakes = tuple(
        mistake_at(("spec", field), "no value is stored that could be kept: write the value")
        for field in kept
        if field not in before
    )
    if mistakes:
        raise InvalidSpec(
            f"{name} holds {REDACTED} where a value is needed: {spelled_out(mistakes)}", mistakes
        )
    return {**given, **{field: before[field] for field in kept}}
