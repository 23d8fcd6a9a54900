"""``space-cli logs``: what a service writes, all its replicas together."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from spacecloud.cli.log_streams import Line, LogStreams
from spacecloud.cli.references import Reference, located
from spacecloud.cli.session import Session, session_options
from spacecloud.client.client import Client, Document
from spacecloud.errors import NotFound, SpaceCloudError, Unavailable
from spacecloud.model.lines import coloured

LOOK_SECONDS = 1.0
"""While following: how often new replicas are looked for."""


@dataclass(frozen=True, slots=True)
class Query:
    task: str
    follow: bool
    tail: int | None
    since: str

    def as_api(self, ended_seconds_ago: float | None = None) -> dict[str, Any]:
        """Of a log that has ended before, only what came after that."""
        wanted: dict[str, Any] = {"taskId": self.task, "tail": self.tail, "since": self.since}
        if ended_seconds_ago is not None:
            wanted |= {"tail": None, "since": f"{ended_seconds_ago:.3f}s"}
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

    Of several replicas each line begins with its replica. On a terminal, colours are all that is
    left of control sequences; in a pipe or a file, the bytes are as they were written. A line of
    more than 64 KiB is cut.
    """
    client = session.client()
    ref, replicas, is_service = _named(service, replica, session, client)
    query = Query(task, follow, tail, since)
    if len(replicas) == 1 and not (is_service and follow):
        for line in client.logs(ref.project, replicas[0], **query.as_api()):
            _print(line)
        return
    for each in _together(client, ref, replicas, query):
        is_seen = sys.stdout.isatty()
        name = click.style(each.replica, fg="cyan") if is_seen else each.replica
        _print(f"{name} | {each.text}")


def _print(line: str) -> None:
    """A terminal gets text and colours, and nothing else that it obeys; a pipe gets the bytes."""
    if sys.stdout.isatty():
        click.echo(coloured(line.encode(errors="surrogateescape").decode(errors="replace")))
    else:
        click.echo(line.encode(errors="surrogateescape"))
    sys.stdout.flush()


def _named(
    text: str, replica: str, session: Session, client: Client
) -> tuple[Reference, list[str], bool]:
    """A service and its replicas, or the one replica that is meant, and whether it is the first."""
    ref = located(text, "", session, client)
    if replica:
        return ref, [replica], False
    statuses = client.status(ref.project, ref.service, ref.version or None)
    if statuses:
        replicas = _replicas(statuses)
        if not replicas:
            raise NotFound(f"{ref} has no replica: `space-cli status {ref}` says why")
        return ref, replicas, True
    if ref.service in _replicas(client.status(ref.project)):
        return ref, [ref.service], False
    raise NotFound(f"there is no service and no replica {ref}")


def _replicas(statuses: list[Document]) -> list[str]:
    return [replica["id"] for status in statuses for replica in status["replicas"]]


def _together(client: Client, ref: Reference, replicas: list[str], query: Query) -> Iterator[Line]:
    """Lines as they come; while following also of replicas that come later or come back."""
    streams = LogStreams(lambda id, ago: client.logs(ref.project, id, **query.as_api(ago)))
    streams.add(replicas)
    if not query.follow:
        yield from streams.until_all_end()
        return
    reported: dict[str, str] = {}
    while True:
        for item in streams.within(LOOK_SECONDS):
            if isinstance(item, Line):
                yield item
            else:
                _tell(item.replica, item.error, reported)
        try:
            statuses = client.status(ref.project, ref.service, ref.version or None)
        except Unavailable as error:
            # It may be restarting, and what it was told to run goes on.
            _tell(ref.service, error, reported)
            continue
        if not statuses:
            return
        streams.add(_replicas(statuses))


def _tell(name: str, error: SpaceCloudError | None, reported: dict[str, str]) -> None:
    """Once: it is tried again every second."""
    if error is not None and reported.get(name) != str(error):
        click.echo(f"{name}: {error}", err=True)
        reported[name] = str(error)
