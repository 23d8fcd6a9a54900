"""Secrets as rows: facts in the open, values sealed, both in one transaction."""

from collections.abc import Mapping

from pydantic import ValidationError

from spacecloud.errors import Conflict, InvalidSpec, NotFound
from spacecloud.model.declared import Change
from spacecloud.model.secret import REDACTED, Secret, SecretFacts, document_of
from spacecloud.model.validation.mistakes import mistake_at, spelled_out
from spacecloud.store.database import Transaction, matching
from spacecloud.store.port import Sealer, Written
from spacecloud.store.project_rows import ensure_project

CHECK = ("sealing", "check")


def check_key(db: Transaction, sealer: Sealer) -> None:
    """``Unavailable`` when this database was written under another key."""
    row = db.row("SELECT sealed FROM sealing_check")
    if row is None:
        db.run("INSERT INTO sealing_check VALUES (1, ?)", sealer.seal("", *CHECK))
    else:
        sealer.unseal(row[0], *CHECK)


def put_secret(db: Transaction, sealer: Sealer, project: str, id: str, secret: Secret) -> Written:
    created = ensure_project(db, project)
    row = db.row(
        "SELECT type, root_path, version FROM secrets WHERE project = ? AND id = ?", project, id
    )
    if row is not None and row[0] != secret.type:
        raise Conflict(
            f"secret {project}/{id} is of type {row[0]} and cannot become {secret.type}: delete "
            "it first, or choose another id"
        )
    stored = _values(db, sealer, project, id, row[2]) if row is not None else {}
    values = _with_kept(secret, stored, f"{project}/{id}")
    known = _binary_keys(db, project, id, row[2]) if row is not None else frozenset()
    # What is kept by a mark in ``data`` is what it was: a client may know no other field.
    binary = known & {k for k, v in secret.data.items() if v == REDACTED} | {*secret.binary_data}
    if row is not None and values == stored and row[1] == secret.root_path and binary == known:
        return Written("unchanged", created)
    version = _next_version(db, project, id)
    db.run(
        "INSERT OR REPLACE INTO secrets VALUES (?, ?, ?, ?, ?)",
        project,
        id,
        secret.type,
        secret.root_path,
        version,
    )
    for key, value in values.items():
        sealed = sealer.seal(value, project, id, key)
        db.run(
            "INSERT INTO secret_values VALUES (?, ?, ?, ?, ?, ?)",
            project,
            id,
            version,
            key,
            sealed,
            key in binary,
        )
    forget_unnamed_values(db, project)
    db.notify(Change("secret", project, id))
    return Written("created" if row is None else "updated", created)


def set_key(db: Transaction, sealer: Sealer, project: str, id: str, key: str, value: str) -> None:
    stored = _changeable(db, project, id)
    values = {**_values(db, sealer, project, id, stored.version), key: value}
    binary = _binary_keys(db, project, id, stored.version) - {key}
    put_secret(db, sealer, project, id, _shaped(stored, stored.root_path, values, binary))


def delete_key(db: Transaction, sealer: Sealer, project: str, id: str, key: str) -> None:
    stored = _changeable(db, project, id)
    values = _values(db, sealer, project, id, stored.version)
    values.pop(key, None)
    binary = _binary_keys(db, project, id, stored.version)
    put_secret(db, sealer, project, id, _shaped(stored, stored.root_path, values, binary))


def set_root_path(db: Transaction, sealer: Sealer, project: str, id: str, root_path: str) -> None:
    stored = _changeable(db, project, id)
    values = _values(db, sealer, project, id, stored.version)
    binary = _binary_keys(db, project, id, stored.version)
    put_secret(db, sealer, project, id, _shaped(stored, root_path, values, binary))


def secrets(db: Transaction, project: str, id: str | None) -> list[SecretFacts]:
    where, values = matching(project=project, id=id)
    rows = db.rows(f"SELECT id, type, root_path, version FROM secrets{where} ORDER BY id", *values)
    keys: dict[str, list[str]] = {}
    binary: dict[str, list[str]] = {}
    for id, key, is_binary in db.rows(
        "SELECT id, key, is_binary FROM secrets JOIN secret_values AS v USING (project, version)"
        f"{where} AND v.secret = id ORDER BY id, key",
        *values,
    ):
        keys.setdefault(id, []).append(key)
        if is_binary:
            binary.setdefault(id, []).append(key)
    return [
        SecretFacts(
            project,
            id,
            type,
            root_path,
            tuple(keys.get(id, ())),
            version,
            tuple(binary.get(id, ())),
        )
        for id, type, root_path, version in rows
    ]


def secret_values(
    db: Transaction, sealer: Sealer, project: str, id: str, version: int | None
) -> Mapping[str, str]:
    if version is None:
        version = _stored(db, project, id).version
    elif not _is_named(db, project, id, version):
        raise NotFound(f"no revision names version {version} of secret {project}/{id} any more")
    return _values(db, sealer, project, id, version)


def has_values(db: Transaction, secret: SecretFacts) -> bool:
    """Are the values of this version of it still kept?"""
    return _is_named(db, secret.project, secret.id, secret.version)


def forget_unnamed_values(db: Transaction, project: str) -> None:
    """Those of versions that are neither the latest nor named by a kept revision."""
    db.run(
        "DELETE FROM secret_values AS v WHERE project = ?"
        " AND NOT EXISTS (SELECT 1 FROM secrets AS s"
        " WHERE (s.project, s.id, s.version) = (v.project, v.secret, v.version))"
        " AND NOT EXISTS (SELECT 1 FROM revision_secrets AS r"
        " WHERE (r.project, r.secret, r.secret_version) = (v.project, v.secret, v.version))",
        project,
    )


def delete_secret(db: Transaction, project: str, id: str) -> bool:
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
        forget_unnamed_values(db, project)
        db.notify(Change("secret", project, id))
    return gone


def _stored(db: Transaction, project: str, id: str) -> SecretFacts:
    row = db.row(
        "SELECT type, root_path, version FROM secrets WHERE project = ? AND id = ?", project, id
    )
    if row is None:
        raise NotFound(f"secret({id}) not present in state")
    return SecretFacts(project, id, row[0], row[1], (), row[2])


def _changeable(db: Transaction, project: str, id: str) -> SecretFacts:
    """``Conflict`` for credentials, whose parts belong together."""
    stored = _stored(db, project, id)
    if stored.type == "docker":
        raise Conflict(
            f"secret {project}/{id} is of type docker, which is written as a whole: apply it with "
            "username, password and url"
        )
    return stored


def _next_version(db: Transaction, project: str, id: str) -> int:
    """Later than all that are kept: a deleted secret's values may be, for a revision."""
    row = db.row(
        "SELECT max(version) FROM (SELECT version FROM secrets WHERE project = :1 AND id = :2"
        " UNION ALL SELECT secret_version FROM revision_secrets"
        " WHERE project = :1 AND secret = :2)",
        project,
        id,
    )
    return 1 + ((row[0] if row else None) or 0)


def _is_named(db: Transaction, project: str, id: str, version: int) -> bool:
    return bool(
        db.row(
            "SELECT 1 FROM secrets WHERE project = :1 AND id = :2 AND version = :3 UNION ALL"
            " SELECT 1 FROM revision_secrets"
            " WHERE project = :1 AND secret = :2 AND secret_version = :3",
            project,
            id,
            version,
        )
    )


def _values(db: Transaction, sealer: Sealer, project: str, id: str, version: int) -> dict[str, str]:
    rows = db.rows(
        "SELECT key, sealed FROM secret_values"
        " WHERE project = ? AND secret = ? AND version = ? ORDER BY key",
        project,
        id,
        version,
    )
    return {key: sealer.unseal(sealed, project, id, key) for key, sealed in rows}


def _binary_keys(db: Transaction, project: str, id: str, version: int) -> frozenset[str]:
    rows = db.rows(
        "SELECT key FROM secret_values"
        " WHERE project = ? AND secret = ? AND version = ? AND is_binary",
        project,
        id,
        version,
    )
    return frozenset(key for (key,) in rows)


def _with_kept(secret: Secret, stored: Mapping[str, str], name: str) -> dict[str, str]:
    given = {"data": secret.data, "binaryData": secret.binary_data}
    mistakes = tuple(
        mistake_at(("spec", field, key), "no value is stored that could be kept: write the value")
        for field, values in given.items()
        for key, value in sorted(values.items())
        if value == REDACTED and key not in stored
    )
    if mistakes:
        raise InvalidSpec(
            f"secret {name} holds {REDACTED} where a value is needed: {spelled_out(mistakes)}",
            mistakes,
        )
    kept = {key for values in given.values() for key, value in values.items() if value == REDACTED}
    return {key: stored[key] if key in kept else value for key, value in secret.values.items()}


def _shaped(
    stored: SecretFacts, root_path: str, values: Mapping[str, str], binary: frozenset[str]
) -> Secret:
    """The changed secret, valid as a whole."""
    try:
        return Secret.model_validate(document_of(stored.type, root_path, values, binary))
    except ValidationError as error:
        reasons = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise InvalidSpec(f"secret {stored.project}/{stored.id}: {reasons}") from None
