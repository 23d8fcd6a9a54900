"""
Who may use the API: one admin, a password made at first start, tokens signed by this machine.

The password is in a file that only its owner can read; to change it, write another one into
the file and restart: the tokens that were given for the old one end. Tokens die with ``jwt.key``
too: delete it to log everybody out.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from spacecloud.api.login_limit import LoginLimit
from spacecloud.api.tokens import Tokens
from spacecloud.errors import Unauthorized, Unavailable
from spacecloud.files import OWNER_ONLY, write_durably
from spacecloud.model.defaults import ADMIN, PASSWORD_FILE

KEY_FILE = "jwt.key"


class Auth:
    """Its repr shows neither password nor key."""

    def __init__(
        self,
        password: str,
        key: str,
        now: Callable[[], datetime],
        login_life: timedelta,
        *,
        first: str | None = None,
    ) -> None:
        self._password = password
        self._tokens = Tokens(key, password, now, login_life)
        self._now = now
        self._limit = LoginLimit()
        self.first_password = first
        """The password when it was made just now, to be shown once; else None."""

    @classmethod
    def open(cls, folder: Path, now: Callable[[], datetime], login_life: timedelta) -> Self:
        """Read password and key, or make them. ``Unavailable`` when that fails."""
        password, is_new = _read_or_make(folder / PASSWORD_FILE)
        key, _ = _read_or_make(folder / KEY_FILE)
        return cls(password, key, now, login_life, first=password if is_new else None)

    async def login(self, user: str, password: str, source: str) -> str:
        """A token. ``Unauthorized`` for wrong credentials, ``LoginLimited`` for too many."""
        await asyncio.sleep(self._limit.wait(source, self._now()).total_seconds())
        # Both are always compared, so that time does not tell which one was wrong.
        if not (_equal(user, ADMIN) & _equal(password, self._password)):
            self._limit.failed(source, self._now())
            raise Unauthorized("the user or the password is wrong")
        return self._tokens.issue(user)

    def refresh(self, token: str) -> str:
        """Of the same login. ``Unauthorized`` with the reason."""
        return self._tokens.refresh(token)

    def user(self, token: str) -> str:
        """Whose token it is. ``Unauthorized`` with the reason."""
        return self._tokens.user(token)


def _equal(given: str, wanted: str) -> bool:
    digests = [hashlib.sha256(text.encode()).digest() for text in (given, wanted)]
    return hmac.compare_digest(*digests)


def _read_or_make(path: Path) -> tuple[str, bool]:
    try:
        if path.exists():
            path.chmod(0o600)
            text = path.read_text("utf-8").strip()
            if len(text) < 8:
                raise Unavailable(f"{path} holds fewer than 8 characters: delete it or fill it")
            return text, False
        text = secrets.token_urlsafe(32)
        write_durably(path, text + "\n", OWNER_ONLY)
    except UnicodeDecodeError as error:
        raise Unavailable(
            f"{path} is not UTF-8 text (byte {error.start}): write it anew as UTF-8, or delete it "
            "to have another one made"
        ) from error
    except OSError as error:
        raise Unavailable(f"cannot use {path}: {error.strerror}") from error
    return text, True
