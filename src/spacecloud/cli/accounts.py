"""``space-cli accounts``."""

from dataclasses import replace

import click

from spacecloud.cli.accounts_file import Accounts, read_accounts, write_accounts
from spacecloud.cli.table import table
from spacecloud.errors import NotFound


@click.group()
def accounts() -> None:
    """Show, choose and forget accounts."""


@accounts.command()
@click.argument("ids", nargs=-1)
@click.option("--show-keys", is_flag=True, help="Passwords too.")
def view(ids: tuple[str, ...], show_keys: bool) -> None:
    """List accounts; the one that is used has a star."""
    known = read_accounts()
    for id in ids:
        _must_exist(known, id)
    rows = [
        (
            "*" if account.id == known.selected else "",
            account.id,
            account.username,
            account.serverurl,
            account.default_project,
            *([account.key] if show_keys else []),
        )
        for account in known.accounts
        if not ids or account.id in ids
    ]
    headings = ("", "ID", "USER", "URL", "PROJECT", *(["KEY"] if show_keys else []))
    click.echo(table(headings, rows) if rows else "no accounts: run `space-cli login`")


@accounts.command("set")
@click.argument("id")
def choose(id: str) -> None:
    """Use this account from now on."""
    known = read_accounts()
    _must_exist(known, id)
    write_accounts(replace(known, selected=id))
    click.echo(f"account {id} is used from now on")


@accounts.command()
@click.argument("id")
def delete(id: str) -> None:
    """Forget an account."""
    known = read_accounts()
    _must_exist(known, id)
    write_accounts(known.without(id))
    click.echo(f"account {id} is forgotten")


@accounts.command()
@click.argument("project")
def set_default_project(project: str) -> None:
    """The project of the account that is used, where none is named."""
    known = read_accounts()
    current = known.current
    if current is None:
        raise NotFound("no account is chosen: run `space-cli login`")
    write_accounts(known.with_account(replace(current, default_project=project)))
    click.echo(f"account {current.id} acts in project {project} where none is named")


def _must_exist(known: Accounts, id: str) -> None:
    if known.named(id) is None:
        names = ", ".join(account.id for account in known.accounts) or "none"
        raise NotFound(f"there is no account {id}; there are: {names}")
