"""Options that name documents in files, and the documents they name."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spacecloud.cli.progress import progress
from spacecloud.errors import InvalidSpec

if TYPE_CHECKING:
    from spacecloud.model.envelope import Envelope

FILES_HELP = "A file, a folder of them, a URL, or - for the input; as often as needed."

files_option = click.option(
    "-f",
    "--file",
    "paths",
    multiple=True,
    envvar="FILE",
    metavar="FILE|FOLDER|URL|-",
    help=FILES_HELP,
)
"""Not for what removes: there a variable of the shell must not name what goes."""

F = TypeVar("F", bound=Callable[..., Any])


def variable_options(function: F) -> F:
    """Replace ``${NAME}``, which without them is text like any other."""
    with_files = click.option(
        "--env-file",
        "env_files",
        multiple=True,
        metavar="FILE",
        help="Replace ${NAME} by the values of a .env file of NAME=value lines ($$ is $).",
    )
    with_values = click.option(
        "--env", "env", multiple=True, metavar="NAME=VALUE", help="Replace ${NAME} by a value."
    )
    return with_files(with_values(function))


def read_files(
    paths: tuple[str, ...],
    env_files: tuple[str, ...] = (),
    env: tuple[str, ...] = (),
    *,
    for_deletion: bool = False,
) -> "list[Envelope]":
    """In the order in which they are applied. ``InvalidSpec`` with every mistake of all."""
    from spacecloud.documents.read import read

    if not paths:
        raise InvalidSpec("which file? Name one with -f, as in -f shop.yaml; - is the input")
    variables = _variables(env_files, env)
    with progress("reading"):
        return read(paths, variables, for_deletion=for_deletion)


def _variables(env_files: tuple[str, ...], env: tuple[str, ...]) -> dict[str, str] | None:
    """What is given later wins, and a single value over a file. None: replace nothing."""
    from spacecloud.documents.variables import assignment, env_file

    if not env_files and not env:
        return None
    variables: dict[str, str] = {}
    for path in env_files:
        try:
            text = Path(path).read_text("utf-8")
        except OSError as error:
            raise InvalidSpec(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InvalidSpec(f"{path} is not UTF-8 text") from error
        variables |= env_file(text, path)
    return variables | dict(map(assignment, env))
