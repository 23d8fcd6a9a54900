"""The things that can be listed: their names, their documents, their columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from spacecloud.cli.output import (
    EVENT_HEADINGS,
    asleep_for,
    domain_of,
    event_rows,
    joined,
    replicas_of,
)
from spacecloud.cli.table import shorten
from spacecloud.client.client import Client, Document
from spacecloud.errors import InvalidSpec, NotFound
from spacecloud.model.listings_as_documents import envelopes

LONGEST_MESSAGE = 70
SHOWN_EVENTS = 50

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Selection:
    client: Client
    project: str
    """Empty for things that belong to none."""

    id: str | None
    more: str | None
    """A service's version, a role's id."""

    is_wide: bool
    filters: Mapping[str, str] = field(default_factory=dict)
    """Of ingress routes."""


@dataclass(frozen=True, slots=True)
class Listing:
    names: tuple[str, ...]
    """The first is the one that is shown; all are understood."""

    documents: Callable[[Selection], list[Document]]
    """For programs."""

    listing: Callable[[Selection], tuple[tuple[str, ...], Rows]]
    """For people: headings and rows."""

    has_project: bool = True


def _service_documents(wanted: Selection) -> list[Document]:
    try:
        listed = wanted.client.services(wanted.project, wanted.id, wanted.more)
    except NotFound:
        # In the words that the original's client knows; the command has better ones.
        return []
    return envelopes("service", wanted.project, listed)


def _statuses(wanted: Selection) -> list[Document]:
    return wanted.client.status(wanted.project, wanted.id, wanted.more)


def _service_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    statuses, now = _statuses(wanted), datetime.now(UTC)
    headings: tuple[str, ...] = ("SERVICE", "VERSION", "STATE", "REPLICAS", "PORTS", "URL")
    headings += ("REVISION", "DOMAIN", "IMAGES", "MESSAGE") if wanted.is_wide else ("MESSAGE",)
    rows: Rows = []
    images = _images(wanted) if wanted.is_wide else {}
    for each in statuses:
        message = asleep_for(each, now) or each["message"] or each["nextStep"]
        row: tuple[Any, ...] = (
            each["serviceId"],
            each["version"] or "-",
            each["state"],
            replicas_of(each),
            joined(each["ports"]),
            joined(each["urls"]) if wanted.is_wide else next(iter(each["urls"]), "-"),
            message if wanted.is_wide else shorten(message, LONGEST_MESSAGE),
        )
        if wanted.is_wide:
            named = images.get((each["serviceId"], each["version"]), ())
            row = (*row[:-1], each["revision"] or "-", domain_of(each), joined(named), row[-1])
        rows.append(row)
    return headings, rows


def _images(wanted: Selection) -> dict[tuple[str, str], list[str]]:
    """As they are declared, by service and version; what runs is told by its digest only."""
    return {
        (each["id"], each["version"]): [task["docker"]["image"] for task in each["tasks"]]
        for each in wanted.client.services(wanted.project, wanted.id)
    }


def _replica_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    headings: tuple[str, ...] = ("REPLICA", "SERVICE", "VERSION", "STATE", "READY", "RESTARTS")
    headings += ("ADDRESS", "TASKS") if wanted.is_wide else ()
    rows: Rows = []
    for status in _statuses(wanted):
        for each in status["replicas"]:
            restarts = sum(task["restarts"] for task in each["tasks"])
            is_ready = "yes" if each["ready"] else each["asleep"] or "no"
            is_ready = "draining" if each["draining"] else is_ready
            row = (each["id"], status["serviceId"], status["version"], each["status"], is_ready)
            tasks = joined(f"{t['id']} {t['health'] or t['state']}" for t in each["tasks"])
            wide = (each["address"] or "-", tasks) if wanted.is_wide else ()
            rows.append((*row, restarts, *wide))
    return headings, rows


def _replica_documents(wanted: Selection) -> list[Document]:
    return [
        {"project": wanted.project, "service": s["serviceId"], "version": s["version"], **replica}
        for s in _statuses(wanted)
        for replica in s["replicas"]
    ]


def _projects(wanted: Selection) -> list[Document]:
    return wanted.client.projects(wanted.id or "*")


def _project_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (each["id"], each.get("name") or "-", joined(p["port"] for p in each.get("egress") or ()))
        for each in _projects(wanted)
    ]
    return ("PROJECT", "NAME", "HOST PORTS"), rows


def _secrets(wanted: Selection) -> list[Document]:
    return wanted.client.secrets(wanted.project, wanted.id)


def _secret_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (each["id"], each["type"], joined(each["data"]), each["rootPath"] or "-")
        for each in _secrets(wanted)
    ]
    return ("SECRET", "TYPE", "KEYS", "FOLDER"), rows


FILTERS: Mapping[str, Callable[[Document, str], bool]] = {
    "url": lambda route, value: value in route["source"]["url"],
    "request-host": lambda route, value: not {value, "*"}.isdisjoint(route["source"]["hosts"]),
    "target-host": lambda route, value: any(t["host"] == value for t in route["targets"]),
    "service": lambda route, value: any(
        t["host"] == f"{value}.{route['project']}.svc.cluster.local" for t in route["targets"]
    ),
}
"""
Of an ingress route, by the name of the filter: with the text in its URL, for requests to the
host, with that target, to a service of its project.
"""


def parsed_filters(thing: "Listing", given: tuple[str, ...]) -> dict[str, str]:
    if thing.names[0] != "ingress-routes":
        raise InvalidSpec(f"--filter is for ingress-routes, not for {thing.names[0]}")
    filters = dict(each.partition("=")[::2] for each in given)
    for name, value in filters.items():
        if name not in FILTERS or not value:
            raise InvalidSpec(f"--filter is one of {', '.join(f'{n}=…' for n in FILTERS)}")
    return filters


def _ingress_routes(wanted: Selection) -> list[Document]:
    return [
        route
        for route in wanted.client.ingress_routes(wanted.project, wanted.id)
        if all(FILTERS[name](route, value) for name, value in wanted.filters.items())
    ]


def _ingress_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = []
    for each in _ingress_routes(wanted):
        source = each.get("source", {})
        targets = (
            f"{t['host']}:{t['port']}" + (f" {t['weight']}%" if "weight" in t else "")
            for t in each["targets"]
        )
        row = (
            each["id"],
            joined(source.get("hosts", ["*"])),
            joined(source.get("methods") or ["*"]),
            f"{source.get('url', '/')} ({source.get('type', 'prefix')})",
            source.get("rewrite") or "-",
            joined(targets),
        )
        rows.append(row)
    return ("ROUTE", "HOSTS", "METHODS", "URL", "REWRITE", "TARGETS"), rows


def _ingress_global(wanted: Selection) -> list[Document]:
    return envelopes("ingress-global", wanted.project, wanted.client.ingress_global(wanted.project))


def _ingress_global_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (direction, each["key"], each.get("op") or "set", each.get("value", ""))
        for settings in wanted.client.ingress_global(wanted.project)
        for direction, name in (("request", "headers"), ("response", "resHeaders"))
        for each in settings.get(name, ())
    ]
    return ("DIRECTION", "HEADER", "CHANGE", "VALUE"), rows


def _routes(wanted: Selection) -> list[Document]:
    return wanted.client.service_routes(wanted.project, wanted.id)


def _route_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (
            each["id"],
            each["source"]["port"],
            len(each.get("matchers", ())) or "all",
            joined(f"{t.get('version') or t.get('host')} {t['weight']}%" for t in each["targets"]),
        )
        for each in _routes(wanted)
    ]
    return ("SERVICE", "PORT", "MATCHERS", "TARGETS"), rows


def _roles(wanted: Selection) -> list[Document]:
    return wanted.client.service_roles(wanted.project, wanted.id, wanted.more)


def _role_rows(wanted: Selection) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (each["id"], each["service"], each["type"], len(each.get("rules", ())))
        for each in _roles(wanted)
    ]
    return ("ROLE", "SERVICE", "TYPE", "RULES"), rows


def _events(wanted: Selection) -> list[Document]:
    events = wanted.client.events(wanted.project, wanted.id, SHOWN_EVENTS)
    return events[::-1]


THINGS = (
    Listing(("services", "service", "svc"), _service_documents, _service_rows),
    Listing(
        ("projects", "project"),
        lambda wanted: envelopes("project", "", _projects(wanted)),
        _project_rows,
        has_project=False,
    ),
    Listing(("replicas", "replica"), _replica_documents, _replica_rows),
    Listing(
        ("secrets", "secret"),
        lambda wanted: envelopes("secret", wanted.project, _secrets(wanted)),
        _secret_rows,
    ),
    Listing(
        ("ingress-routes", "ingress-route", "ingress"),
        lambda wanted: envelopes("ingress-routes", wanted.project, _ingress_routes(wanted)),
        _ingress_rows,
    ),
    Listing(("ingress-global", "ingress-global"), _ingress_global, _ingress_global_rows),
    Listing(
        ("events", "event"),
        _events,
        lambda wanted: (EVENT_HEADINGS, list(event_rows(_events(wanted)))),
    ),
    Listing(
        ("service-routes", "service-route", "routes", "route"),
        lambda wanted: envelopes("service-route", wanted.project, _routes(wanted)),
        _route_rows,
    ),
    Listing(
        ("service-roles", "service-role", "roles", "role"),
        lambda wanted: envelopes("service-role", wanted.project, _roles(wanted)),
        _role_rows,
    ),
)


def singular(name: str) -> str | None:
    """Of a thing under any of its names, the one that other commands know it by."""
    found = next((each for each in THINGS if name.lower() in each.names), None)
    return None if found is None else found.names[1]
