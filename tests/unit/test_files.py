"""Files that are there whole or not at all."""

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from spacecloud.files import FOR_ALL, OWNER_ONLY, temporaries_of, write_atomically, write_durably

Write = Callable[[Path, str, int], None]
HALF_A_CHARACTER = "whole until here \ud800"

both = pytest.mark.parametrize("write", [write_atomically, write_durably])


@both
@pytest.mark.parametrize("mode", [OWNER_ONLY, FOR_ALL])
def test_a_file_has_its_text_and_its_mode(write: Write, mode: int, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o666)

    write(path, "new ü\n", mode)

    assert path.read_text("utf-8") == "new ü\n"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(tmp_path.iterdir()) == [path]


@both
def test_a_write_that_fails_leaves_the_old_file_alone(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "key"
    write(path, "old", OWNER_ONLY)

    with pytest.raises(UnicodeEncodeError):
        write(path, HALF_A_CHARACTER, OWNER_ONLY)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@both
def test_writers_at_the_same_time_do_not_meet(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    texts = [f"{number}" * 10_000 for number in range(10)]

    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda text: write(path, text, FOR_ALL), texts * 10))

    assert len(done) == 100
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_watched_holds_no_half_of_a_file(tmp_path: Path) -> None:
    watched, staging = tmp_path / "names", tmp_path / "names.new"
    watched.mkdir()
    staging.mkdir()
    write = partial(write_atomically, staging=staging)

    write(watched / "shop.api", "10.184.0.1 api\n", FOR_ALL)

    assert [path.name for path in watched.iterdir()] == ["shop.api"]
    assert not list(staging.iterdir())


def test_the_temporary_file_of_a_killed_process_is_known_by_its_name(tmp_path: Path) -> None:
    left = tmp_path / "secret.key.417-418.new"
    for path in (left, tmp_path / "secret.key", tmp_path / "secret.key.backup"):
        path.touch()

    assert list(tmp_path.glob(temporaries_of("secret.key"))) == [left]
