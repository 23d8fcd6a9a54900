"""``space-cli events``: what happened, newest last."""

import sys
import time
from typing import Any

import click

from spacecloud.cli.output import EVENT_HEADINGS, event_rows, output_option, structured
from spacecloud.cli.references import check_project, located
from spacecloud.cli.session import Session, session_options
from spacecloud.cli.table import table
from spacecloud.client.client import Client
from spacecloud.errors import InvalidSpec, Unavailable

LOOK_SECONDS = 1.0
SHOWN = 50
MOST_PER_LOOK = 200


@click.command()
@click.argument("service", required=False)
@click.option("-f", "--follow", is_flag=True, help="What happens from now on, as it happens.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    help=f"The last N. Default: {SHOWN}, and with -f none.",
    metavar="N",
)
@output_option("json", "yaml")
@session_options
def events(
    session: Session, service: str | None, follow: bool, limit: int | None, form: str | None
) -> None:
    """What happened: in all projects, in one (-p), or to one service (shop/api)."""
    if form and follow:
        raise InvalidSpec("-f prints lines for people: choose it or -o")
    client = session.client()
    project, id = session.wanted_project or None, None
    if service is not None:
        ref = located(service, "", session, client)
        project, id = ref.project, ref.service
    if follow:
        _follow(client, project, id, limit or 0)
        return
    found = client.events(project, id, limit or SHOWN)[::-1]
    if not found and project:
        check_project(client, project)
    if form:
        click.echo(structured(found, form))
    elif found:
        click.echo(table(EVENT_HEADINGS, event_rows(found)))
    else:
        click.echo("nothing has happened yet", err=True)


def _follow(client: Client, project: str | None, id: str | None, limit: int) -> None:
    """Until Ctrl-C. A control plane that is away is waited for."""
    found = client.events(project, id, max(limit, MOST_PER_LOOK))[::-1]
    if not found and project:
        check_project(client, project)
    for row in event_rows(found[max(len(found) - limit, 0) :] if limit else []):
        click.echo("  ".join(row))
    seen = {_name(event) for event in found}
    while True:
        sys.stdout.flush()
        time.sleep(LOOK_SECONDS)
        try:
            latest = client.events(project, id, MOST_PER_LOOK)[::-1]
        except Unavailable as error:
            click.echo(f"{error}", err=True)
            continue
        for row in event_rows([event for event in latest if _name(event) not in seen]):
            click.echo("  ".join(row))
        seen = {_name(event) for event in latest}


def _name(event: dict[str, Any]) -> tuple[Any, ...]:
    """An event that is said again has a larger count and a later time."""
    return tuple(event[field] for field in ("at", "project", "service", "kind", "message"))
