"""
Sealing: no secret value reaches the disk in clear.

AES-256-GCM under a key that lives in a file of its own, away from the database and its
backups. A sealed value is bound to the place it was written for: moved to another project,
secret or key it does not open. It names the key that sealed it, so that a new key can be
put in front of an old one.

    sealed value = format (1 byte) · key id (8) · nonce (12) · ciphertext and tag
"""

import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spacecloud.errors import Unavailable
from spacecloud.model.secret import as_bytes

FORMAT = b"\x01"
KEY_ID_BYTES = 8
NONCE_BYTES = 12
_HEADER_BYTES = len(FORMAT) + KEY_ID_BYTES + NONCE_BYTES


class Sealer:
    """Seals with its active key and opens what any of its keys sealed. Never prints a key."""

    def __init__(self, keys: Mapping[bytes, bytes], active: bytes, origin: str) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._active = active
        self._origin = origin

    def __repr__(self) -> str:
        return f"Sealer({self._active.hex()} from {self._origin})"

    def seal(self, value: str, *place: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._ciphers[self._active]
        return FORMAT + self._active + nonce + cipher.encrypt(nonce, as_bytes(value), _bound(place))

    def unseal(self, sealed: bytes, *place: str) -> str:
        """``Unavailable``, with what to restore, when no key of ours opens it."""
        if len(sealed) <= _HEADER_BYTES or not sealed.startswith(FORMAT):
            raise Unavailable(f"{_named(place)} is damaged: restore the database from a backup")
        key_id = sealed[1 : 1 + KEY_ID_BYTES]
        nonce = sealed[1 + KEY_ID_BYTES : _HEADER_BYTES]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Unavailable(
                f"{_named(place)} was sealed with key {key_id.hex()}, which {self._origin} does "
                "not hold: restore that file from the backup that belongs to this database"
            )
        try:
            content = cipher.decrypt(nonce, sealed[_HEADER_BYTES:], _bound(place))
        except InvalidTag:
            raise Unavailable(
                f"{_named(place)} does not open: it was altered or moved; restore the database "
                "from a backup"
            ) from None
        return content.decode("utf-8", "surrogateescape")


def _bound(place: tuple[str, ...]) -> bytes:
    """Unambiguous, whatever the parts contain: each one is preceded by its length."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in place)


def _named(place: tuple[str, ...]) -> str:
    return f"the sealed value {'/'.join(place)}"
