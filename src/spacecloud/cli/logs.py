"""``space-cli logs``: what a service writes, all its replicas together."""

import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from spacecloud.cli.references import Reference, located
from spacecloud.cli.session import Session, session_options
from spacecloud.client.client import Client
from spacecloud.errors import NotFound, SpaceCloudError, Unavailable

LOOK_SECONDS = 1.0
"""While following: how often new replicas are looked for."""

MOST_WAITING = 1000
"""Lines that were read and not yet printed; more are not read."""


@dataclass(frozen=True, slots=True)
class Query:
    task: str
    follow: bool
    tail: int | None
    since: str

    def as_api(self) -> dict[str, Any]:
        wanted = {"taskId": self.task, "tail": self.tail, "since": self.since}
        return {**wanted, "follow": "true"} if self.follow else wanted


@dataclass(frozen=True, slots=True)
class Line:
    replica: str
    text: str


@dataclass(frozen=True, slots=True)
class Over:
    """The log of one replica has ended."""

    replica: str
    error: SpaceCloudError | None = None


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
    items: queue.Queue[Line | Over] = queue.Queue(MOST_WAITING)
    known: set[str] = set()
    reading = 0
    looked_at = time.monotonic()
    while True:
        for each in replicas:
            if each not in known:
                known.add(each)
                reading += 1
                _start(client, ref.project, each, query, items)
        if not reading and not query.follow:
            return
        try:
            item = items.get(timeout=LOOK_SECONDS if query.follow else None)
        except queue.Empty:
            item = None
        match item:
            case Line():
                yield item
            case Over():
                reading -= 1
                _tell_end(item, query)
            case None:
                pass
        if query.follow and time.monotonic() - looked_at >= LOOK_SECONDS:
            looked_at = time.monotonic()
            replicas = _replicas(client, ref)
            if not replicas and not reading:
                return


def _start(
    client: Client, project: str, replica: str, query: Query, items: "queue.Queue[Line | Over]"
) -> None:
    def read() -> None:
        try:
            for text in client.logs(project, replica, **query.as_api()):
                items.put(Line(replica, text))
        except SpaceCloudError as error:
            items.put(Over(replica, error))
        else:
            items.put(Over(replica))

    # Ctrl-C must not wait for a log that is silent.
    threading.Thread(target=read, name=f"log of {replica}", daemon=True).start()


def _tell_end(over: Over, query: Query) -> None:
    if over.error is None:
        return
    if query.follow and isinstance(over.error, NotFound | Unavailable):
        click.echo(f"{over.replica}: {over.error}", err=True)
        return
    raise over.error
