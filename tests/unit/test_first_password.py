"""The password of a first start is shown to a person, and to no file, pipe or log."""

import contextlib
import os
import pty
from pathlib import Path

import pytest

from spacecloud.commands.first_password import FirstPassword
from spacecloud.settings import Settings

PASSWORD = "correct-horse-battery"


def first_start(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True)
    with FirstPassword(settings):
        (settings.state_dir / "admin-password").write_text(PASSWORD + "\n")


@pytest.mark.attack
def test_what_is_no_terminal_is_told_where_the_password_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(state=tmp_path)

    first_start(settings)

    printed = capsys.readouterr().out
    assert printed == (
        f"first start: the password of admin (kept in {settings.state_dir / 'admin-password'})\n"
    )


def test_a_terminal_shows_it_once(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path)
    keyboard, screen = pty.openpty()

    with open(screen, "w") as terminal, contextlib.redirect_stdout(terminal):
        first_start(settings)
        with FirstPassword(settings):
            pass
        terminal.flush()
        shown = os.read(keyboard, 4096).decode()
    os.close(keyboard)

    assert shown.count(PASSWORD) == 1
    assert shown.count("first start") == 1
