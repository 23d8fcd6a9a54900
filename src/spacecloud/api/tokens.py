"""
Tokens: signed by this machine, bound to the password that they were given for, and not for ever.

| claim       | says                                                                |
|-------------|---------------------------------------------------------------------|
| `id`        | whose it is                                                         |
| `exp`       | until when it is good: seven days, and never longer than the login  |
| `auth_time` | when the password was given; a refreshed token keeps it             |
| `pwd`       | which password that was: another one in its place ends the token    |
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from spacecloud.errors import Unauthorized

KEY_ID = "sc-admin-kid"
ALGORITHM = "HS256"
TOKEN_LIFE = timedelta(days=7)


class Tokens:
    """Its repr shows no key."""

    def __init__(
        self, key: str, password: str, now: Callable[[], datetime], login_life: timedelta
    ) -> None:
        self._key = key
        # By the key, so that whoever reads a token cannot try passwords on it.
        digest = hmac.digest(key.encode(), b"password " + password.encode(), hashlib.sha256)
        self._password_id = digest[:12].hex()
        self._now = now
        self._login_life = login_life

    def issue(self, user: str) -> str:
        """For somebody who has just given the password."""
        return self._token(user, self._now())

    def refresh(self, token: str) -> str:
        """Of the same login. ``Unauthorized`` where that one is over."""
        claims = self._claims(token)
        return self._token(claims["id"], datetime.fromtimestamp(claims["auth_time"], UTC))

    def user(self, token: str) -> str:
        """Whose token it is. ``Unauthorized`` with the reason."""
        return str(self._claims(token)["id"])

    def _token(self, user: str, login: datetime) -> str:
        expiry = min(self._now() + TOKEN_LIFE, login + self._login_life)
        claims = {
            "id": user,
            "role": "admin",
            "exp": int(expiry.timestamp()),
            "auth_time": int(login.timestamp()),
            "pwd": self._password_id,
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": KEY_ID})

    def _claims(self, token: str) -> dict[str, Any]:
        claims = self._signed(token)
        now = self._now().timestamp()
        login, password = claims.get("auth_time"), claims.get("pwd")
        if not isinstance(login, int) or not isinstance(password, str):
            raise Unauthorized("the token is of an earlier release: log in again")
        if not hmac.compare_digest(password.encode(), self._password_id.encode()):
            raise Unauthorized("the password was changed after this token was given: log in again")
        if claims["exp"] <= now:
            raise Unauthorized("the token has expired: log in again")
        if login + self._login_life.total_seconds() <= now:
            days = self._login_life / timedelta(days=1)
            raise Unauthorized(f"the login is older than {days:g} days: log in again")
        return claims

    def _signed(self, token: str) -> dict[str, Any]:
        try:
            # The expiry is checked by the one clock that this process has.
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                options={"require": ["exp", "id"], "verify_exp": False},
            )
        except jwt.PyJWTError as error:
            raise Unauthorized("the token is not valid: log in again") from error
        if not isinstance(claims["exp"], int) or not isinstance(claims["id"], str):
            raise Unauthorized("the token is not valid: log in again")
        return dict(claims)
