"""A state folder and its database: first starts, lost databases, and those of somebody else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from spacecloud import installation
from spacecloud.errors import Conflict, Unavailable
from spacecloud.settings import Settings

pytestmark = pytest.mark.attack


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(instance="lost", state=tmp_path)
    settings.state_dir.mkdir()
    return settings


def a_database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("VACUUM")


def test_a_first_start_may_begin_and_be_killed_at_any_point(settings: Settings) -> None:
    installation.begin(settings)
    for made in ("jwt.key", "secret.key", installation.DATABASE):
        (settings.state_dir / made).write_bytes(b"")
        installation.begin(settings)

    assert installation.beginning(settings) == "first"


@pytest.mark.parametrize("key", installation.KEYS)
@pytest.mark.parametrize("database", ["missing", "empty", "without a table"])
def test_a_database_that_is_lost_beside_a_key_is_no_first_start(
    settings: Settings, key: str, database: str
) -> None:
    (settings.state_dir / key).write_text("of an earlier start")
    path = installation.database(settings)
    if database == "empty":
        path.write_bytes(b"")
    elif database == "without a table":
        a_database(path, "PRAGMA user_version = 0")
        assert path.stat().st_size > 0
    before = {p.name: p.read_bytes() for p in settings.state_dir.iterdir()}

    for _ in range(2):
        with pytest.raises(Unavailable, match="space-cloud start --forget"):
            installation.begin(settings)

    assert {p.name: p.read_bytes() for p in settings.state_dir.iterdir()} == before


@pytest.mark.parametrize("left", [installation.DATABASE, f"{installation.DATABASE}-wal"])
def test_an_empty_database_or_the_log_of_one_is_no_first_start(
    settings: Settings, left: str
) -> None:
    (settings.state_dir / left).write_bytes(b"")

    with pytest.raises(Unavailable, match="restore the database from a backup"):
        installation.begin(settings)


def test_whoever_says_so_begins_anew_once(settings: Settings) -> None:
    (settings.state_dir / "secret.key").write_text("of an earlier start")

    installation.forget(settings)
    installation.begin(settings)
    assert installation.beginning(settings) == "forget"

    installation.complete(settings)
    with pytest.raises(Unavailable):
        installation.begin(settings)


@pytest.mark.parametrize("content", ["a table", "garbage"])
def test_a_database_that_is_there_is_never_forgotten(settings: Settings, content: str) -> None:
    path = installation.database(settings)
    if content == "garbage":
        path.write_bytes(b"not a database at all" * 100)
    else:
        a_database(path, "CREATE TABLE something (x)")
    before = path.read_bytes()

    with pytest.raises(Conflict, match="never overwritten"):
        installation.forget(settings)

    assert path.read_bytes() == before


def test_the_log_of_a_lost_database_is_kept_when_it_is_forgotten(settings: Settings) -> None:
    (settings.state_dir / f"{installation.DATABASE}-wal").write_bytes(b"pages")

    installation.forget(settings)

    assert (settings.state_dir / f"{installation.DATABASE}-wal.lost").read_bytes() == b"pages"


def test_folder_and_database_restore_each_other_and_never_mix(settings: Settings) -> None:
    own, other = installation.new_secret(), installation.new_secret()
    assert installation.agreed(settings, None) is None
    assert installation.agreed(settings, other) == other

    installation.write_secret(settings, own)

    assert installation.agreed(settings, None) == own
    assert installation.agreed(settings, own) == own
    with pytest.raises(Unavailable, match="of another installation") as caught:
        installation.agreed(settings, other)
    assert own.hex() not in str(caught.value)
    assert other.hex() not in str(caught.value)


@pytest.mark.parametrize("text", ["", "xyz", "abcd", "é", "00" * 31, "00" * 33])
def test_a_damaged_secret_is_told_and_not_made_anew(settings: Settings, text: str) -> None:
    path = settings.state_dir / installation.FILE
    path.write_text(text)

    with pytest.raises(Unavailable, match="is damaged"):
        installation.read_secret(settings)

    assert path.read_text() == text


def test_only_ids_of_the_engine_are_adopted(settings: Settings) -> None:
    installation.write_adopted(settings, ["a" * 64, "b" * 64])
    with (settings.state_dir / installation.ADOPTED).open("a") as file:
        file.write("../x\n" + "A" * 64 + "\n" + "c" * 63 + "\n")

    assert installation.read_adopted(settings) == {"a" * 64, "b" * 64}


def test_what_it_writes_is_for_its_owner_alone(settings: Settings) -> None:
    installation.write_secret(settings, installation.new_secret())

    assert (settings.state_dir / installation.FILE).stat().st_mode & 0o777 == 0o600
