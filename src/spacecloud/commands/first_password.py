"""
The password of a first start is shown once, to a person: what is no terminal is a log or a file.
"""

import sys

import click

from spacecloud.model.defaults import PASSWORD_FILE
from spacecloud.settings import Settings


def tell(password: str, settings: Settings) -> None:
    shown = f" is {password}" if sys.stdout.isatty() else ""
    click.echo(
        f"first start: the password of admin{shown} (kept in {settings.state_dir / PASSWORD_FILE})"
    )


class FirstPassword:
    """Tells it when what is done inside has made it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.state_dir / PASSWORD_FILE
        self._known = self._path.exists()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if not self._known and self._path.exists():
            tell(self._path.read_text("utf-8", "replace").strip(), self._settings)
