"""``space-cli login``."""

import sys

import click

from spacecloud.cli.accounts_file import (
    Account,
    accounts_path,
    read_accounts,
    write_accounts,
)
from spacecloud.cli.session import Session, default_url, session_options
from spacecloud.client.client import Client
from spacecloud.errors import InvalidSpec
from spacecloud.model import defaults

NOT_GIVEN = "None"
"""What the original's client took for an option that is not given."""


@click.command()
@click.option("--username", envvar="USER_NAME", help="Default: admin.")
@click.option("--key", envvar="KEY", help="The password; asked for when it is not given.")
@click.option("--id", "id", envvar="ID", help="Name of the account here. Default: the user.")
@click.option("--server", envvar="URL", hidden=True)
@session_options
def login(
    session: Session, username: str | None, key: str | None, id: str | None, server: str | None
) -> None:
    """
    Log in to a control plane and remember the account.

    On the control plane's own machine its owner needs no account.
    """
    url = session.wanted_url or _given(server) or default_url()
    user = _given(username) or defaults.ADMIN
    password = _given(key) or _ask_for_key()
    client = Client(url)
    client.login(user, password)
    account = Account(_given(id) or user, user, password, client.url, session.wanted_project)
    write_accounts(read_accounts().with_account(account))
    click.echo(f"logged in to {client.url} as {user}")
    click.echo(f"account {account.id} is kept in {accounts_path()}")


def _given(value: str | None) -> str:
    return "" if value in (None, NOT_GIVEN) else str(value)


def _ask_for_key() -> str:
    if not sys.stdin.isatty():
        raise InvalidSpec("the password is missing: give it with --key, or in KEY")
    answer: str = click.prompt("Password", hide_input=True)
    return answer
