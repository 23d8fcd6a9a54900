"""Passwords, tokens and the limit on guessing, with a clock of their own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from spacecloud.api.auth import Auth
from spacecloud.api.login_limit import (
    FAILURES_IN_ALL,
    FAILURES_PER_SOURCE,
    LoginLimit,
    LoginLimited,
)
from spacecloud.api.tokens import TOKEN_LIFE
from spacecloud.errors import Unauthorized, Unavailable
from spacecloud.secrets.keyfile import open_sealer

KEY = "k" * 64
PASSWORD = "correct-horse"
LOGIN_LIFE = timedelta(days=30)


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(clock: Clock) -> Auth:
    return Auth(PASSWORD, KEY, clock, LOGIN_LIFE)


async def fail(auth: Auth, source: str) -> None:
    with pytest.raises(Unauthorized):
        await auth.login("admin", "wrong", source)


async def test_the_password_is_made_once_and_only_its_owner_can_read_it(
    tmp_path: Path, clock: Clock
) -> None:
    first = Auth.open(tmp_path, clock, LOGIN_LIFE)
    second = Auth.open(tmp_path, clock, LOGIN_LIFE)

    assert first.first_password is not None
    assert len(first.first_password) >= 32
    assert second.first_password is None
    assert second.user(await first.login("admin", first.first_password, "x")) == "admin"
    assert {f.stat().st_mode & 0o777 for f in tmp_path.iterdir()} == {0o600}


async def test_a_password_that_the_owner_wrote_is_the_one_that_counts(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "admin-password").write_text("chosen by me\n")

    auth = Auth.open(tmp_path, clock, LOGIN_LIFE)

    assert await auth.login("admin", "chosen by me", "x")
    assert (tmp_path / "admin-password").stat().st_mode & 0o777 == 0o600


def test_an_empty_password_file_is_an_error_and_lets_nobody_in(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "admin-password").write_text("\n")

    with pytest.raises(Unavailable, match="admin-password"):
        Auth.open(tmp_path, clock, LOGIN_LIFE)


@pytest.mark.parametrize(
    ("user", "password"),
    [("admin", "wrong"), ("root", PASSWORD), ("", ""), ("admin", ""), ("ädmin", "pässword")],
)
async def test_wrong_credentials_are_refused_without_saying_which(
    auth: Auth, user: str, password: str
) -> None:
    with pytest.raises(Unauthorized, match="the user or the password is wrong"):
        await auth.login(user, password, "x")


async def test_a_token_is_what_the_originals_clients_expect(auth: Auth, clock: Clock) -> None:
    token = await auth.login("admin", PASSWORD, "x")

    assert jwt.get_unverified_header(token) == {
        "alg": "HS256",
        "typ": "JWT",
        "kid": "sc-admin-kid",
    }
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {
        "id": "admin",
        "role": "admin",
        "exp": int((clock.time + TOKEN_LIFE).timestamp()),
        "auth_time": int(clock.time.timestamp()),
        "pwd": claims["pwd"],
    }
    assert PASSWORD not in str(claims)


async def test_a_token_lasts_seven_days_and_can_be_renewed(auth: Auth, clock: Clock) -> None:
    token = await auth.login("admin", PASSWORD, "x")
    clock.time += timedelta(days=7) - timedelta(seconds=1)
    renewed = auth.refresh(token)
    clock.time += timedelta(seconds=1)

    with pytest.raises(Unauthorized, match="expired"):
        auth.user(token)
    assert auth.user(renewed) == "admin"


@pytest.mark.attack
async def test_a_new_password_ends_the_tokens_that_were_given_for_the_old_one(
    clock: Clock,
) -> None:
    old = await Auth(PASSWORD, KEY, clock, LOGIN_LIFE).login("admin", PASSWORD, "x")
    changed = Auth("another-horse", KEY, clock, LOGIN_LIFE)

    for use in (changed.user, changed.refresh):
        with pytest.raises(Unauthorized, match=r"the password was changed .*: log in again"):
            use(old)
    assert changed.user(await changed.login("admin", "another-horse", "x")) == "admin"
    assert Auth(PASSWORD, KEY, clock, LOGIN_LIFE).user(old) == "admin"


@pytest.mark.attack
async def test_a_token_is_refreshed_for_thirty_days_of_one_login_and_no_longer(
    auth: Auth, clock: Clock
) -> None:
    token = await auth.login("admin", PASSWORD, "x")
    for _ in range(29):
        clock.time += timedelta(days=1)
        token = auth.refresh(token)
    clock.time += timedelta(days=1) - timedelta(seconds=1)
    token = auth.refresh(token)
    assert auth.user(token) == "admin"

    clock.time += timedelta(seconds=1)

    for use in (auth.user, auth.refresh):
        with pytest.raises(Unauthorized, match="log in again"):
            use(token)


async def test_a_shorter_life_of_logins_holds_for_tokens_that_were_given_before(
    auth: Auth, clock: Clock
) -> None:
    token = await auth.login("admin", PASSWORD, "x")
    clock.time += timedelta(days=2)

    with pytest.raises(Unauthorized, match=r"the login is older than 1\.5 days: log in again"):
        Auth(PASSWORD, KEY, clock, timedelta(days=1.5)).user(token)


def test_a_token_of_an_earlier_release_is_refused_with_what_to_do(auth: Auth) -> None:
    with pytest.raises(Unauthorized, match="of an earlier release: log in again"):
        auth.user(forged())


@pytest.mark.parametrize("name", ["admin-password", "jwt.key"])
def test_a_file_that_is_not_text_is_named(tmp_path: Path, clock: Clock, name: str) -> None:
    (tmp_path / name).write_bytes(b"caf\xe9 au lait")

    with pytest.raises(Unavailable, match=rf"{name} is not UTF-8 text \(byte 3\)"):
        Auth.open(tmp_path, clock, LOGIN_LIFE)


def test_a_key_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"caf\xe9 au lait")

    with pytest.raises(Unavailable, match=r"secret.key: it is not text"):
        open_sealer(tmp_path / "secret.key", tmp_path / "store.db")


def forged(**changes: object) -> str:
    claims = {"id": "admin", "role": "admin", "exp": 4_000_000_000, **changes}
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, KEY, "HS256")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "a.b.c",
        "ä.ö.ü",
        jwt.encode({"id": "admin", "exp": 4_000_000_000}, "x" * 40, "HS256"),
        jwt.encode({"id": "admin", "exp": 4_000_000_000}, "", "none"),
        jwt.encode({"id": "admin", "exp": 4_000_000_000}, KEY, "HS512"),
        forged(exp=None),
        forged(id=None),
        forged(exp="never"),
        forged(id=7),
        forged(auth_time="now", pwd="x"),
        forged(auth_time=1_893_456_000, pwd=1),
        forged(auth_time=1_893_456_000, pwd="x"),
        forged(auth_time=1_893_456_000, pwd="ä"),
    ],
)
def test_a_token_that_is_not_ours_is_refused(auth: Auth, token: str) -> None:
    with pytest.raises(Unauthorized):
        auth.user(token)


async def test_guessing_is_slowed_down_per_source(auth: Auth, clock: Clock) -> None:
    for _ in range(FAILURES_PER_SOURCE):
        await fail(auth, "10.0.0.1")

    with pytest.raises(LoginLimited, match="60 s") as caught:
        await auth.login("admin", PASSWORD, "10.0.0.1")
    assert caught.value.retry_after_seconds == 60
    assert await auth.login("admin", PASSWORD, "10.0.0.2")
    clock.time += timedelta(seconds=60)
    assert await auth.login("admin", PASSWORD, "10.0.0.1")


async def test_guessing_from_many_sources_is_slowed_down_but_for_the_machine_itself(
    auth: Auth,
) -> None:
    for n in range(FAILURES_IN_ALL):
        await fail(auth, f"10.0.{n}.1")

    with pytest.raises(LoginLimited):
        await auth.login("admin", PASSWORD, "10.1.0.1")
    assert await auth.login("admin", PASSWORD, "127.0.0.1")
    assert await auth.login("admin", PASSWORD, "local")


def test_guessing_at_the_machine_itself_lets_the_owner_in_at_his_turn() -> None:
    limit, now = LoginLimit(), datetime(2030, 1, 1, tzinfo=UTC)
    for _ in range(FAILURES_PER_SOURCE):
        assert not limit.wait("127.0.0.1", now)
        limit.failed("127.0.0.1", now)

    waits = [limit.wait("127.0.0.1", now).total_seconds() for _ in range(4)]

    assert waits == [0, 1, 2, 3]
    assert limit.wait("::1", now) == timedelta(0)
    assert limit.wait("local", now) == timedelta(0)
    assert limit.wait("127.0.0.1", now + timedelta(seconds=5)) == timedelta(0)
    assert limit.wait("127.0.0.1", now - timedelta(seconds=20)) == timedelta(0)


def test_a_crowd_of_guesses_at_the_machine_itself_is_bounded() -> None:
    limit, now = LoginLimit(), datetime(2030, 1, 1, tzinfo=UTC)
    for _ in range(FAILURES_PER_SOURCE):
        limit.failed("127.0.0.1", now)
    for _ in range(11):
        limit.wait("127.0.0.1", now)

    with pytest.raises(LoginLimited):
        limit.wait("127.0.0.1", now)


async def test_a_clock_that_was_set_back_locks_nobody_out(auth: Auth, clock: Clock) -> None:
    for _ in range(FAILURES_PER_SOURCE):
        await fail(auth, "10.0.0.1")
    clock.time -= timedelta(hours=1)

    assert await auth.login("admin", PASSWORD, "10.0.0.1")


async def test_failures_that_are_spread_out_do_not_limit(auth: Auth, clock: Clock) -> None:
    for _ in range(FAILURES_PER_SOURCE * 3):
        await fail(auth, "10.0.0.1")
        clock.time += timedelta(seconds=7)

    assert await auth.login("admin", PASSWORD, "10.0.0.1")


def test_neither_password_nor_key_is_in_what_auth_prints(auth: Auth) -> None:
    assert PASSWORD not in repr(auth)
    assert KEY not in repr(auth)
