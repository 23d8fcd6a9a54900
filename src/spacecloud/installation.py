"""
Which installation a state folder, a database and containers belong to.

A secret, made at the first start, stands in the state folder and in the database: one that is
lost is restored from the other, and two that differ are told. It also keys the marks on
containers and networks. A state folder in which keys are without their database is never taken
for a first start: whoever starts anew on purpose says so, and that is written down.
"""

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Literal

from spacecloud.errors import Conflict, Unavailable
from spacecloud.files import OWNER_ONLY, write_durably
from spacecloud.settings import Settings

FILE = "installation"
ADOPTED = "adopted"
"""Ids of what a release without marks had made, one a line."""

BEGINNING = "beginning"
"""There from the first moment of a start without a database until that start is complete."""

Beginning = Literal["first", "forget"]

DATABASE = "store.db"
KEYS = ("secret.key", "jwt.key", FILE)
SECRET_BYTES = 32
ENGINE_ID = re.compile(r"[0-9a-f]{64}")


def database(settings: Settings) -> Path:
    return settings.state_dir / DATABASE


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def id_of(secret: bytes) -> str:
    """To tell two installations apart in words; it does not lead back to the secret."""
    return hashlib.sha256(b"space-cloud installation" + secret).hexdigest()[:12]


def begin(settings: Settings) -> None:
    """Before anything is made; raises as ``refuse_a_lost_database`` does."""
    refuse_a_lost_database(settings)
    if beginning(settings) is None and not _has_content(database(settings)):
        _write(settings.state_dir / BEGINNING, "first\n")


def refuse_a_lost_database(settings: Settings) -> None:
    """``Unavailable`` where the database of an earlier start is missing or empty."""
    if _has_content(database(settings)) or beginning(settings) is not None:
        return
    left = _left(settings)
    if left:
        is_empty = database(settings).exists()
        raise Unavailable(
            f"the database {database(settings)} is {'empty' if is_empty else 'missing'}, and "
            f"{', '.join(left)} of an earlier start {'is' if len(left) == 1 else 'are'} there: "
            "restore the database from a backup, or begin anew with space-cloud start --forget, "
            "which removes what runs and is not declared again. Nothing has been changed"
        )


def forget(settings: Settings) -> None:
    """
    Let the next start begin with an empty database, on purpose.

    ``Conflict`` where there is a database: it is never overwritten.
    """
    path = database(settings)
    if _has_content(path):
        raise Conflict(
            f"the database {path} is there, and is never overwritten: move it away to begin "
            "anew, or remove all with space-cloud destroy --purge"
        )
    left = _left(settings)
    for nothing in (path, path.with_name(f"{DATABASE}-shm")):
        nothing.unlink(missing_ok=True)
    log = path.with_name(f"{DATABASE}-wal")
    if log.exists():
        # SQLite would delete it, and it may belong to a file that is found again.
        log.rename(path.with_name(f"{DATABASE}-wal.lost"))
    if left:
        _write(settings.state_dir / BEGINNING, "forget\n")


def beginning(settings: Settings) -> Beginning | None:
    """What a start without a database was allowed by; None where there is one."""
    text = _read(settings.state_dir / BEGINNING)
    if text is None:
        return None
    return "forget" if text.strip() == "forget" else "first"


def complete(settings: Settings) -> None:
    (settings.state_dir / BEGINNING).unlink(missing_ok=True)


def is_known(settings: Settings) -> bool:
    """Has the state folder seen a start?"""
    return any((settings.state_dir / name).exists() for name in (*KEYS, DATABASE, BEGINNING))


def read_secret(settings: Settings) -> bytes | None:
    """None where there is none. ``Unavailable`` where the file is not what we wrote."""
    path = settings.state_dir / FILE
    text = _read(path)
    if text is None:
        return None
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise Unavailable(
            f"{path} is damaged: restore it from a backup, or remove it where {DATABASE} beside "
            "it is whole: it is written again from there"
        )
    return secret


def write_secret(settings: Settings, secret: bytes) -> None:
    _write(settings.state_dir / FILE, secret.hex() + "\n")


def read_adopted(settings: Settings) -> frozenset[str]:
    """Lines that are no engine's ids are left out."""
    lines = (_read(settings.state_dir / ADOPTED) or "").split()
    return frozenset(line for line in lines if ENGINE_ID.fullmatch(line))


def write_adopted(settings: Settings, ids: Iterable[str]) -> None:
    _write(settings.state_dir / ADOPTED, "".join(f"{id}\n" for id in sorted(ids)))


def agreed(settings: Settings, stored: bytes | None) -> bytes | None:
    """
    The secret of state folder and database (``stored``); None where neither has one.

    ``Unavailable`` where they are of different installations.
    """
    own = read_secret(settings)
    if own is not None and stored is not None and own != stored:
        raise Unavailable(
            f"the database {database(settings)} is of another installation ({id_of(stored)}) "
            f"than its folder ({id_of(own)}): restore the database that belongs here, or, to "
            f"move to this one, end what runs with space-cloud down and remove the file {FILE}. "
            "Nothing has been changed"
        )
    return own if own is not None else stored


def _left(settings: Settings) -> tuple[str, ...]:
    """What an earlier start has left, an empty database among it."""
    folder = settings.state_dir
    names = (*KEYS, DATABASE, f"{DATABASE}-wal")
    return tuple(name for name in names if (folder / name).exists())


def _has_content(path: Path) -> bool:
    """A file without a table is as good as none; a damaged one has content."""
    try:
        if path.stat().st_size == 0:
            return False
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    except FileNotFoundError:
        return False
    except sqlite3.Error:
        return True
    except OSError as error:
        raise Unavailable(f"cannot look at {path}: {error.strerror}") from error


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    """Whole and on the disk, or not at all; for its owner alone."""
    try:
        write_durably(path, text, OWNER_ONLY)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
