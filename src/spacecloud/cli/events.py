"""``space-cli events``: what happened, newest last."""

import sys
import time
from typing import Any

import click

from spacecloud.cli.output import EVENT_HEADINGS, event_rows, output_option, structured
from spacecloud.cli.references import located
from spacecloud.cli.session import Session, session_options
from spacecloud.cli.table import table
from spacecloud.errors import Unavailable

LOOK_SECONDS = 1.0


@click.command()
@click.argument("service", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@output_option("json", "yaml")
@session_options
def events(
    session: Session, service: str | None, follow: bool, limit: int, form: str | None
) -> None:
    """What happened: in all projects, in one (-p), or to one service (shop/api)."""
    client = session.client()
    project, id = session.wanted_project or None, None
    if service is not None:
        ref = located(service, "", session, client)
        project, id = ref.project, ref.service
    events = client.events(project, id, limit)[::-1]
    if form:
        click.echo(structured(events, form))
        return
    if events:
        click.echo(table(EVENT_HEADINGS, event_rows(events)))
    else:
        click.echo("nothing has happened yet", err=True)
    seen = {_name(event) for event in events}
    while follow:
        sys.stdout.flush()
        time.sleep(LOOK_SECONDS)
        try:
            latest = client.events(project, id, limit)[::-1]
        except Unavailable as error:
            click.echo(f"{error}", err=True)
            continue
        fresh = [event for event in latest if _name(event) not in seen]
        for row in event_rows(fresh):
            click.echo("  ".join(row))
        seen = {_name(event) for event in latest}


def _name(event: dict[str, Any]) -> tuple[Any, ...]:
    """An event that is said again has a larger count and a later time."""
    return tuple(event[field] for field in ("at", "project", "service", "kind", "message"))
