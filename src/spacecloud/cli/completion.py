"""``space-cli completion``."""

import click

PROGRAM = "space-cli"
VARIABLE = "_SPACE_CLI_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """
    Print a shell's completion script.

    bash: space-cli completion bash > /etc/bash_completion.d/space-cli
    """
    from click.shell_completion import get_completion_class

    from spacecloud.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None, "the choices are those that click has"
    click.echo(kind(cli, {}, PROGRAM, VARIABLE).source())
