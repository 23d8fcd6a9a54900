"""Secrets as rows: facts in the open, values sealed, both in one transaction."""

from collections.abc import Mapping

from pydantic import ValidationError

from spacecloud.errors import Conflict, InvalidSpec, Mistake, NotFound
from spacecloud.model.declared import Change, SecretFacts
from spacecloud.model.secret import REDACTED, Secret
from spacecloud.store.database import Session
from spacecloud.store.port import Written
from spacecloud.store.project_rows import ensure_project
from spacecloud.store.sealer import Sealer

CHECK = ("sealing", "check")


def check_key(db: Session, sealer: Sealer) -> None:
    """``Unavailable`` when this database was written under another key."""
    row = db.row("SELECT sealed FROM sealing_check")
    if row is None:
        db.run("INSERT INTO sealing_check VALUES (1, ?)", sealer.seal("", *CHECK))
    else:
        sealer.unseal(row[0], *CHECK)


def put_secret(db: Session, sealer: Sealer, project: str, id: str, secret: Secret) -> Written:
    created = ensure_project(db, project)
    row = db.row("SELECT type, root_path FROM secrets WHERE project = ? AND id = ?", project, id)
    if row is not None and row[0] != secret.type:
        raise Conflict(
            f"secret {project}/{id} is of type {row[0]} and cannot become {secret.type}: delete "
            "it first, or choose another id"
        )
    stored = _values(db, sealer, project, id)
    values = _with_kept(secret.data, stored, f"{project}/{id}")
    if row is not None and values == stored and row[1] == secret.root_path:
        return Written("unchanged", created)
    db.run(
        "INSERT INTO secrets VALUES (?, ?, ?, ?, 1) ON CONFLICT (project, id) DO UPDATE SET"
        " root_path = excluded.root_path, version = version + 1",
        project,
        id,
        secret.type,
        secret.root_path,
    )
    db.run("DELETE FROM secret_values WHERE project = ? AND secret = ?", project, id)
    for key, value in values.items():
        sealed = sealer.seal(value, project, id, key)
        db.run("INSERT INTO secret_values VALUES (?, ?, ?, ?)", project, id, key, sealed)
    db.notify(Change("secret", project, id))
    return Written("created" if row is None else "updated", created)


def set_key(db: Session, sealer: Sealer, project: str, id: str, key: str, value: str) -> None:
    stored = _stored(db, project, id)
    values = {**_values(db, sealer, project, id), key: value}
    put_secret(db, sealer, project, id, _shaped(stored, stored.root_path, values))


def delete_key(db: Session, sealer: Sealer, project: str, id: str, key: str) -> None:
    stored = _stored(db, project, id)
    values = _values(db, sealer, project, id)
    values.pop(key, None)
    put_secret(db, sealer, project, id, _shaped(stored, stored.root_path, values))


def set_root_path(db: Session, sealer: Sealer, project: str, id: str, root_path: str) -> None:
    stored = _stored(db, project, id)
    values = _values(db, sealer, project, id)
    put_secret(db, sealer, project, id, _shaped(stored, root_path, values))


def secrets(db: Session, project: str) -> list[SecretFacts]:
    rows = db.rows(
        "SELECT id, type, root_path, version FROM secrets WHERE project = ? ORDER BY id", project
    )
    keys: dict[str, list[str]] = {}
    for id, key in db.rows(
        "SELECT secret, key FROM secret_values WHERE project = ? ORDER BY secret, key", project
    ):
        keys.setdefault(id, []).append(key)
    return [
        SecretFacts(project, id, type, root_path, tuple(keys.get(id, ())), version)
        for id, type, root_path, version in rows
    ]


def secret_values(db: Session, sealer: Sealer, project: str, id: str) -> Mapping[str, str]:
    _stored(db, project, id)
    return _values(db, sealer, project, id)


def delete_secret(db: Session, project: str, id: str) -> bool:
    users = db.rows(
        "SELECT DISTINCT service || '@' || version FROM versions,"
        " json_each(versions.spec, '$.tasks') AS task"
        " WHERE project = ? AND (json_extract(task.value, '$.docker.secret') = ? OR EXISTS"
        " (SELECT 1 FROM json_each(task.value, '$.secrets') AS used WHERE used.value = ?))"
        " ORDER BY 1",
        project,
        id,
        id,
    )
    if users:
        names = ", ".join(f"{project}/{user}" for (user,) in users)
        raise Conflict(f"secret {project}/{id} is used by {names}: change or delete them first")
    gone = db.run("DELETE FROM secrets WHERE project = ? AND id = ?", project, id) > 0
    if gone:
        db.notify(Change("secret", project, id))
    return gone


def _stored(db: Session, project: str, id: str) -> SecretFacts:
    row = db.row(
        "SELECT type, root_path, version FROM secrets WHERE project = ? AND id = ?", project, id
    )
    if row is None:
        raise NotFound(f"secret({id}) not present in state")
    return SecretFacts(project, id, row[0], row[1], (), row[2])


def _values(db: Session, sealer: Sealer, project: str, id: str) -> dict[str, str]:
    rows = db.rows(
        "SELECT key, sealed FROM secret_values WHERE project = ? AND secret = ? ORDER BY key",
        project,
        id,
    )
    return {key: sealer.unseal(sealed, project, id, key) for key, sealed in rows}


def _with_kept(given: Mapping[str, str], stored: Mapping[str, str], name: str) -> dict[str, str]:
    mistakes = tuple(
        Mistake(f"spec.data.{key}", "no value is stored that could be kept: write the value")
        for key, value in sorted(given.items())
        if value == REDACTED and key not in stored
    )
    if mistakes:
        raise InvalidSpec(f"secret {name} holds {REDACTED} where a value is needed", mistakes)
    return {key: stored[key] if value == REDACTED else value for key, value in given.items()}


def _shaped(stored: SecretFacts, root_path: str, values: Mapping[str, str]) -> Secret:
    """The changed secret, valid as a whole."""
    try:
        return Secret.model_validate(
            {"type": stored.type, "rootPath": root_path, "data": dict(values)}
        )
    except ValidationError as error:
        reasons = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise InvalidSpec(f"secret {stored.project}/{stored.id}: {reasons}") from None
