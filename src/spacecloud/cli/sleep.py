"""``space-cli sleep``: a version sleeps until somebody calls it."""

import time

import click

from spacecloud.cli.exit_codes import TIMED_OUT, CommandEnd
from spacecloud.cli.output import output_option, span, structured
from spacecloud.cli.progress import progress
from spacecloud.cli.references import Reference, located, one_version
from spacecloud.cli.session import Session, session_options
from spacecloud.client.client import Client, Document

LOOK_SECONDS = 0.2
DEEP_ENOUGH = {"frozen": ("frozen", "stopped"), "stopped": ("stopped",)}
"""What is stopped already is not started to be frozen."""


@click.command()
@click.argument("service")
@click.option("--stop", is_flag=True, help="Give its memory back: it wakes by a start.")
@click.option(
    "--timeout", default="60s", metavar="SPAN", help="To wait until it sleeps. Default: 60s."
)
@output_option("json", "yaml")
@session_options
def sleep(session: Session, service: str, stop: bool, timeout: str, form: str | None) -> None:
    """
    Put a version (shop/api, or shop/api@v1) to sleep until somebody calls it.

    It is frozen, and keeps its memory and connections; with --stop its processes end. Calls in
    flight are waited for.
    """
    seconds = span(timeout)
    client = session.client()
    ref = one_version(located(service, "", session, client), client)
    depth = "stopped" if stop else "frozen"
    client.sleep(ref.project, ref.service, ref.version, depth)
    with progress(f"{ref} falls asleep"):
        seen = _asleep(client, ref, depth, seconds)
    if form:
        click.echo(structured(seen, form))
    is_there = seen.get("state") in DEEP_ENOUGH[depth]
    if is_there and not form:
        click.echo(f"{ref} is {seen['state']}: the next call wakes it")
    if not is_there:
        click.echo(f"error: {ref} is not {depth} after {seconds:g} s{_why(seen)}", err=True)
        raise CommandEnd(TIMED_OUT)


def _asleep(client: Client, ref: Reference, depth: str, seconds: float) -> Document:
    """As it was seen last: asleep, woken meanwhile, gone (empty), or still on its way."""
    ends_at = time.monotonic() + seconds
    while True:
        found = client.scaling(ref.project, ref.service, ref.version)
        seen = found[0] if found else {}
        is_over = seen.get("state") in DEEP_ENOUGH[depth] or not seen.get("asleep")
        if is_over or time.monotonic() >= ends_at:
            return seen
        time.sleep(LOOK_SECONDS)


def _why(seen: Document) -> str:
    if not seen:
        return ": it was deleted meanwhile"
    if not seen["asleep"]:
        return ": it was woken meanwhile"
    return (
        ": something of it is in flight, or its revision is not confirmed yet; it sleeps as soon "
        "as it can"
    )
