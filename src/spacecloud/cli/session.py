"""
Who asks whom about what: URL, account and project of a command.

| URL from                    | credentials                                             |
|-----------------------------|---------------------------------------------------------|
| ``--url``, SPACE_CLOUD_URL  | the account for that URL, else this machine's password  |
| the selected account        | its own; when refused, this machine's password          |
| neither: this machine       | this machine's password                                 |

This machine's password is the one that its control plane made; only its owner can read it, and
it is sent to loopback addresses only.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from spacecloud.cli.accounts_file import Account, read_accounts
from spacecloud.client.client import Client
from spacecloud.errors import InvalidSpec, NotFound, Unauthorized
from spacecloud.model import defaults

P = ParamSpec("P")
R = TypeVar("R")

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Session:
    wanted_project: str = ""
    wanted_url: str = ""
    wanted_account: str = ""

    def client(self) -> Client:
        """Logged in, until the command is over. ``Unauthorized`` says how to."""
        url, account = self._account()
        client = Client(url)
        click.get_current_context().call_on_close(client.close)
        local = _local_password(client.host)
        if account is None and local is None:
            raise Unauthorized(
                f"there is no account for {client.url}: run `space-cli login`, or run as the "
                "owner of the control plane on its machine"
            )
        if account is not None:
            try:
                client.login(account.username, account.key)
            except Unauthorized as error:
                if local is None:
                    message = f"{client.url} refuses account {account.id}: {error}"
                    raise Unauthorized(f"{message}; run `space-cli login`") from None
            else:
                return client
        client.login(defaults.ADMIN, local or "")
        return client

    def project(self, client: Client) -> str:
        """Given, the account's, or the only one there is."""
        if self.wanted_project:
            return self.wanted_project
        _, account = self._account()
        if account is not None and account.default_project:
            return account.default_project
        ids = [str(project["id"]) for project in client.projects()]
        if len(ids) == 1:
            return ids[0]
        if not ids:
            raise NotFound("there is no project yet: apply a service, or name a project with -p")
        raise InvalidSpec(f"which project? Name one with -p: {', '.join(ids)}")

    def _account(self) -> tuple[str, Account | None]:
        accounts = read_accounts()
        if self.wanted_account:
            account = accounts.named(self.wanted_account)
            if account is None:
                raise NotFound(f"there is no account {self.wanted_account}: see `accounts view`")
            return self.wanted_url or account.serverurl, account
        if self.wanted_url:
            return self.wanted_url, accounts.at(self.wanted_url)
        current = accounts.current
        return (current.serverurl if current else default_url()), current


def default_url() -> str:
    return f"http://127.0.0.1:{os.environ.get('SPACE_CLOUD_HTTP_PORT') or defaults.HTTP_PORT}"


def _local_password(host: str) -> str | None:
    if host not in LOOPBACK:
        return None
    state = os.environ.get("SPACE_CLOUD_STATE") or defaults.STATE
    instance = os.environ.get("SPACE_CLOUD_INSTANCE") or defaults.INSTANCE
    try:
        return (Path(state) / instance / defaults.PASSWORD_FILE).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def session_options(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Options that every command has, before its name or after it; the nearer one wins."""

    @wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> R:
        context = click.get_current_context()
        given: dict[str, Any] = {
            f"wanted_{name}": value
            for name in ("project", "url", "account")
            if (value := kwargs.pop(f"wanted_{name}", None))
        }
        context.obj = replace(context.obj or _from_environment(), **given)
        return function(context.obj, *args, **kwargs)

    options = (
        click.option("-p", "--project", "wanted_project", metavar="ID", help="Project to act in."),
        click.option("--url", "wanted_url", metavar="URL", help="Where the API answers."),
        click.option("--account", "wanted_account", metavar="ID", help="Account to use."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _from_environment() -> Session:
    return Session(
        wanted_project=os.environ.get("SPACE_CLOUD_PROJECT", ""),
        wanted_url=os.environ.get("SPACE_CLOUD_URL", ""),
    )
