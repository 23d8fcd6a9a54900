"""Accounts of ``space-cli``: kept for their owner alone, and not needed on the machine itself."""

import stat
from collections.abc import Generator
from pathlib import Path

import pytest

from running_plane import Plane, a_running_plane

ORIGINAL = """accounts:
- id: old
  username: admin
  key: PASSWORD
  serverurl: URL
  defaultProject: shop
- id: other
  username: someone
  key: "a: 'b' #c"
  serverurl: http://192.0.2.1:4122
  defaultProject: ""
selectedAccount: old
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Plane]:
    with a_running_plane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture
def plane(running: Plane, tmp_path: Path) -> Plane:
    """With a home of its own, and from the outside: without the machine's password."""
    running.environment |= {"HOME": str(tmp_path), "SPACE_CLOUD_STATE": str(tmp_path / "none")}
    return running


def test_without_an_account_the_password_of_the_machine_is_used(plane: Plane) -> None:
    done = plane.cli("get", "projects", SPACE_CLOUD_STATE=str(plane.state))

    assert (done.code, done.err) == (0, "no projects\n")


def test_without_any_password_it_says_how_to_log_in(plane: Plane) -> None:
    done = plane.cli("get", "projects")

    assert done.code == 5
    assert "run `space-cli login`" in done.err


def test_an_account_is_kept_in_a_file_of_its_owner(plane: Plane, tmp_path: Path) -> None:
    by_environment = plane.cli("login", "--id", "here", USER_NAME="admin", KEY=plane.password)
    file = tmp_path / ".space-cloud" / "accounts.yaml"
    listed = plane.cli("get", "projects")
    viewed = plane.cli("accounts", "view")
    with_keys = plane.cli("accounts", "view", "--show-keys")

    assert by_environment.code == listed.code == 0, by_environment.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert plane.password not in by_environment.out + viewed.out
    assert plane.password in with_keys.out
    assert "*  here  admin" in viewed.out


def test_a_file_of_the_original_is_understood(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / ".space-cloud" / "accounts.yaml"
    file.parent.mkdir()
    file.write_text(ORIGINAL.replace("PASSWORD", plane.password).replace("URL", plane.url))

    done = plane.cli("get", "services", SPACE_CLOUD_URL="")
    viewed = plane.cli("accounts", "view", "--show-keys")

    assert (done.code, done.err) == (0, "no services in project shop\n")
    assert "a: 'b' #c" in viewed.out


def test_accounts_are_chosen_and_forgotten(plane: Plane) -> None:
    for id in ("one", "two"):
        plane.cli("login", "--id", id, "--key", plane.password)

    chosen = plane.cli("accounts", "set", "one")
    project = plane.cli("accounts", "set-default-project", "shop")
    viewed = plane.cli("accounts", "view")
    forgotten = plane.cli("accounts", "delete", "two")
    unknown = plane.cli("accounts", "set", "two")

    assert chosen.code == project.code == forgotten.code == 0
    assert "*  one  admin" in viewed.out
    assert "shop" in viewed.out
    assert unknown.code == 3
    assert "there is no account two; there are: one" in unknown.err


def test_a_wrong_password_is_refused_and_nothing_is_kept(plane: Plane, tmp_path: Path) -> None:
    done = plane.cli("login", "--key", "wrong-password")

    assert done.code == 5
    assert done.err == "error: the user or the password is wrong\n"
    assert not (tmp_path / ".space-cloud").exists()


def test_without_a_terminal_the_password_must_be_given(plane: Plane) -> None:
    done = plane.cli("login", "--key", "None")

    assert done.code == 2
    assert "give it with --key" in done.err


def test_a_file_of_accounts_that_is_none_is_told(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / ".space-cloud" / "accounts.yaml"
    file.parent.mkdir()
    for text in ("[", "- a", "accounts: 7"):
        file.write_text(text)

        done = plane.cli("get", "projects")

        assert done.code == 2, done
        assert "accounts.yaml" in done.err
        assert "Traceback" not in done.err


def test_the_password_of_the_machine_goes_to_no_other_machine(plane: Plane) -> None:
    done = plane.cli(
        "get", "projects", "--url", "http://192.0.2.1:4122", SPACE_CLOUD_STATE=str(plane.state)
    )

    assert done.code == 5
    assert "there is no account for http://192.0.2.1:4122" in done.err
