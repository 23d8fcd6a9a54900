"""
The key file: made at first start, readable by its owner alone, one key a line.

The first line seals, every line opens. Losing the file loses every secret value, so a
missing one beside an existing database is an error and never a reason to make another.
"""

import base64
import binascii
import hashlib
import secrets
from pathlib import Path

from spacecloud.errors import Unavailable
from spacecloud.files import OWNER_ONLY, write_durably
from spacecloud.secrets.sealing import KEY_ID_BYTES, Sealer

PREFIX = "aes-256-gcm:"
KEY_BYTES = 32


def open_sealer(path: Path, database: Path) -> Sealer:
    """
    Read the key file, or make it where neither it nor the database exists.

    Raises ``Unavailable`` with what to restore.
    """
    if not path.exists():
        if database.exists():
            raise Unavailable(
                f"the key file {path} is missing, and without it the secrets in {database} do "
                "not open: restore it from the backup that belongs to this database"
            )
        _make(path)
    return _read(path)


def key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"space-cloud key id" + key).digest()[:KEY_ID_BYTES]


def _make(path: Path) -> None:
    line = PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n"
    try:
        write_durably(path, line, OWNER_ONLY)
    except OSError as error:
        raise Unavailable(f"cannot write the key file {path}: {error.strerror}") from error


def _read(path: Path) -> Sealer:
    try:
        path.chmod(0o600)
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"cannot read the key file {path}: {_reason(error)}") from error
    keys = [_key(line) for line in lines]
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise Unavailable(
            f"{path} is not a key file (lines of {PREFIX} and 32 bytes in base64): restore it "
            "from a backup"
        )
    by_id = {key_id(key): key for key in keys}
    return Sealer(by_id, key_id(keys[0]), str(path))


def _key(line: str) -> bytes:
    """Empty when the line is not a key."""
    if not line.startswith(PREFIX):
        return b""
    try:
        return base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return b""


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unknown") if isinstance(error, OSError) else "it is not text"
