"""
``space-cli``: the entry point. A command's module is imported when that command runs.

| exit code | means                                            |
|-----------|--------------------------------------------------|
| 0         | done; with ``--wait``: all is ready              |
| 1         | a service failed, or something unforeseen        |
| 2         | wrong as written: a document, an option          |
| 3         | the thing named does not exist                   |
| 4         | it clashes with what is there                    |
| 5         | not logged in, not allowed, or too often         |
| 6         | the control plane cannot be reached              |
| 7         | ``--wait``: somebody applied a newer one         |
| 8         | ``--wait``: not ready in time                    |
| 130       | Ctrl-C                                           |
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from spacecloud.cli.exit_codes import INTERRUPTED, CommandEnd
from spacecloud.cli.session import Session, session_options
from spacecloud.errors import (
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    SpaceCloudError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unsupported,
)

EXIT_CODES: dict[type[SpaceCloudError], int] = {
    InvalidSpec: 2,
    Unsupported: 2,
    NotFound: 3,
    Conflict: 4,
    Unauthorized: 5,
    Forbidden: 5,
    TooManyRequests: 5,
    Unavailable: 6,
}
ANY_OTHER = 1

COMMANDS = {
    "apply": "Declare what is in files.",
    "plan": "Show what applying files would change, and why. Nothing is touched.",
    "get": "List services, projects, replicas, secrets, routes, events; or all, as files.",
    "status": "How a service is doing: replicas, addresses, policy, last events.",
    "why": "What is wrong with a service, and what to do.",
    "logs": "Print what a service writes.",
    "events": "What happened, newest last.",
    "scale": "Run so many replicas until the next apply; `scale explain`: why so many run.",
    "sleep": "Put a service to sleep until somebody calls it.",
    "wake": "Wake a service before anybody calls it.",
    "delete": "Remove services, projects and what is in files.",
    "generate": "Print a document of a kind to start from.",
    "login": "Log in to a control plane and remember the account.",
    "accounts": "Show, choose and forget accounts.",
    "completion": "Print a shell's completion script.",
}
"""Name, which is also the module and the function in it, and help."""


OF_THE_OTHER = frozenset(
    {"setup", "start", "stop", "down", "destroy", "serve", "inspect", "doctor"}
)
"""Commands of ``space-cloud``, on the control plane's machine."""


class Commands(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in OF_THE_OTHER:
            raise click.UsageError(
                f"{args[0]} is done to a machine: it is `space-cloud {args[0]}`.", ctx
            )
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"spacecloud.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spacecloud")
@session_options
def cli(session: Session) -> None:
    """Deploy services with Space Cloud."""


def run(arguments: Sequence[str]) -> int:
    """The exit code; errors are told on stderr."""
    try:
        code = cli.main(list(arguments), prog_name="space-cli", standalone_mode=False)
    except CommandEnd as ending:
        return ending.exit_code
    except SpaceCloudError as error:
        _tell(error)
        kinds = (EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)
        return next(kinds, ANY_OTHER)
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"error: {_sentence(error)}", err=True)
        return error.exit_code
    return code if isinstance(code, int) else 0


def _sentence(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    help = f" `{context.command_path} --help` says more." if context is not None else ""
    return f"{error.format_message()}{help}"


def _tell(error: SpaceCloudError) -> None:
    click.echo(f"error: {error}", err=True)
    if isinstance(error, InvalidSpec):
        for mistake in error.mistakes:
            if str(mistake) != str(error):
                click.echo(f"  {mistake}", err=True)
        if error.more:
            click.echo(f"  … and {error.more} more", err=True)


def main() -> None:
    try:
        sys.exit(run(sys.argv[1:]))
    except OSError as error:
        # What is left in the buffer is flushed at the very end, and would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"error: the output cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
