"""The group of ``space-cloud``: what is typed here and is a command of ``space-cli`` is told so."""

import click

from spacecloud.cli.main import COMMANDS


class Commands(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in COMMANDS and args[0] not in self.commands:
            raise click.UsageError(
                f"{args[0]} is asked of a control plane: it is `space-cli {args[0]}`.", ctx
            )
        return super().resolve_command(ctx, args)
