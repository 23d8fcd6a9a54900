"""
Sealing under a passphrase: for what leaves the machine and comes back, as an export does.

The key is made by scrypt from the passphrase and a salt, one for all values that are sealed
together; each value is AES-256-GCM under a nonce of its own.

    sealed value = "sealed:v1:" + base64(salt (16) · nonce (12) · ciphertext and tag)
"""

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from spacecloud.errors import InvalidSpec
from spacecloud.model.secret import SEALED

SHORTEST_PASSPHRASE = 12
SALT_BYTES = 16
NONCE_BYTES = 12
COST, BLOCK, PARALLEL = 2**15, 8, 3
"""Of scrypt: a third of a second and 32 MiB. They are part of the format."""

MOST_SALTS = 100
"""Of one reading: each costs as much as a guess."""


class PassphraseSealer:
    """Never prints the passphrase."""

    def __init__(self, passphrase: str) -> None:
        """Takes as long as a guess does. ``InvalidSpec`` for one that is too short."""
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise InvalidSpec(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
        self._salt = os.urandom(SALT_BYTES)
        self._cipher = _cipher(passphrase, self._salt)

    def seal(self, value: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._salt + nonce + self._cipher.encrypt(nonce, value.encode(), None)
        return SEALED + base64.b64encode(sealed).decode()


class PassphraseOpener:
    """Never prints the passphrase."""

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase
        self._ciphers: dict[bytes, AESGCM] = {}

    def unseal(self, sealed: str) -> str:
        """``InvalidSpec`` for another passphrase, and for what is no sealed value."""
        try:
            data = base64.b64decode(sealed.removeprefix(SEALED), validate=True)
        except binascii.Error:
            raise InvalidSpec("this is no sealed value: it is damaged") from None
        salt, nonce = data[:SALT_BYTES], data[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
        if len(data) <= SALT_BYTES + NONCE_BYTES:
            raise InvalidSpec("this is no sealed value: it is cut off")
        if salt not in self._ciphers and len(self._ciphers) >= MOST_SALTS:
            raise InvalidSpec(f"values of more than {MOST_SALTS} exports: apply them in parts")
        if salt not in self._ciphers:
            self._ciphers[salt] = _cipher(self._passphrase, salt)
        try:
            return self._ciphers[salt].decrypt(nonce, data[len(salt) + len(nonce) :], None).decode()
        except InvalidTag:
            raise InvalidSpec(
                "the passphrase is not the one it was sealed with, or it was altered since"
            ) from None


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    scrypt = Scrypt(salt=salt, length=32, n=COST, r=BLOCK, p=PARALLEL)
    return AESGCM(scrypt.derive(passphrase.encode()))
