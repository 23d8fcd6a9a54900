"""``space-cli logs``: what a service writes, all its replicas together."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from spacecloud.cli.log_streams import Line, LogStreams
from spacecloud.cli.references import Reference, located
from spacecloud.cli.session import Session, session_options
from spacecloud.client.client import Client
from spacecloud.errors import NotFound

LOOK_SECONDS = 1.0
"""While following: how often new replicas are looked for."""


@dataclass(frozen=True, slots=True)
class Query:
    task: str
    follow: bool
    tail: int | None
    since: str

    def as_api(self) -> dict[str, Any]:
        wanted = {"taskId": self.task, "tail": self.tail, "since": self.since}
        return {**wanted, "follow": "true"} if self.follow else wanted


@click.command()
@click.argument("service")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("--task", "--task-id", "task", default="", help="Default: the first of the service.")
@click.option("--replica", default="", help="Default: all of the service.")
@click.option("--tail", type=int, metavar="N", help="The last N lines only.")
@click.option("--since", default="", metavar="SPAN", help="As in 10m or 1h30m.")
@session_options
def logs(
    session: Session,
    service: str,
    follow: bool,
    task: str,
    replica: str,
    tail: int | None,
    since: str,
) -> None:
    """
    Print what a service writes: shop/api, shop/api@v1, or the id of one replica.

    Of several replicas each line begins with its replica.
    """
    client = session.client()
    ref, replicas = _named(service, replica, session, client)
    query = Query(task, follow, tail, since)
    if len(replicas) == 1 and (replica or not follow):
        for line in client.logs(ref.project, replicas[0], **query.as_api()):
            _print(line)
        return
    for each in _together(client, ref, replicas, query):
        _print(f"{click.style(each.replica, fg='cyan')} | {each.text}")


def _print(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _named(
    text: str, replica: str, session: Session, client: Client
) -> tuple[Reference, list[str]]:
    """A service's replicas, or the one that is meant by its own id."""
    ref = located(text, "", session, client)
    replicas = _replicas(client, ref)
    if replica or replicas:
        return ref, [replica] if replica else replicas
    if client.status(ref.project, ref.service, ref.version or None):
        raise NotFound(f"{ref} has no replica: `space-cli status {ref}` says why")
    everything = client.status(ref.project)
    if any(each["id"] == ref.service for status in everything for each in status["replicas"]):
        return ref, [ref.service]
    raise NotFound(f"there is no service and no replica {ref}")


def _replicas(client: Client, ref: Reference) -> list[str]:
    statuses = client.status(ref.project, ref.service, ref.version or None)
    return [replica["id"] for status in statuses for replica in status["replicas"]]


def _together(client: Client, ref: Reference, replicas: list[str], query: Query) -> Iterator[Line]:
    """Lines as they come; while following also of replicas that come later."""
    streams = LogStreams(lambda replica: client.logs(ref.project, replica, **query.as_api()))
    streams.add(replicas)
    if not query.follow:
        yield from streams.until_all_end()
        return
    while True:
        for item in streams.within(LOOK_SECONDS):
            if isinstance(item, Line):
                yield item
            elif item.error is not None:
                click.echo(f"{item.replica}: {item.error}", err=True)
        replicas = _replicas(client, ref)
        if not replicas:
            return
        streams.add(replicas)
