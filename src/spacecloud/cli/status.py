"""``space-cli status``: all that is known of a service, for the one who asks why."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from spacecloud.cli.output import (
    asleep_for,
    count,
    event_rows,
    joined,
    moment,
    output_option,
    state,
    structured,
)
from spacecloud.cli.references import located
from spacecloud.cli.scaling_page import is_scaled, summary
from spacecloud.cli.session import Session, session_options
from spacecloud.cli.table import table
from spacecloud.errors import NotFound

Status = dict[str, Any]
LABEL_WIDTH = 11


@click.command()
@click.argument("service")
@click.argument("version", required=False)
@output_option("json", "yaml")
@session_options
def status(session: Session, service: str, version: str | None, form: str | None) -> None:
    """Replicas, addresses, policy both ways, last events and last error of a service."""
    client = session.client()
    ref = located(service, version or "", session, client)
    statuses = client.status(ref.project, ref.service, ref.version or None)
    if not statuses:
        raise NotFound(f"there is no service {ref}")
    if form:
        click.echo(structured(statuses, form))
        return
    scalings = client.scaling(ref.project, ref.service, ref.version or None)
    known = {each["version"]: each for each in scalings}
    now = datetime.now(UTC)
    pages = (lines_of(each, known.get(each["version"]), now) for each in statuses)
    click.echo("\n\n".join(map("\n".join, pages)))


def lines_of(status: Status, scaling: Status | None, now: datetime) -> Iterator[str]:
    yield _headline(status, now)
    if scaling is not None and is_scaled(scaling):
        yield f"  {'scaling':{LABEL_WIDTH}}{summary(scaling, now)}"
    for label, value in _facts(status):
        yield f"  {label:{LABEL_WIDTH}}{value}"
    for refusal in status["refusals"]:
        times = count(refusal["count"], "call")
        yield (
            f"  {'refused':{LABEL_WIDTH}}{refusal['caller']} on port {refusal['port']}: {times}, "
            f"last {moment(refusal['last'])}: {refusal['message']}"
        )
    for notice in status["notices"]:
        yield f"  {'note':{LABEL_WIDTH}}{notice}"
    yield from _section("replicas", _replicas(status))
    yield from _section("events", _events(status))


def _headline(status: Status, now: datetime) -> str:
    version = f"@{status['version']}" if status["version"] else ""
    name = f"{status['project']}/{status['serviceId']}{version}"
    ready, desired = status["readyReplicas"], status["desiredReplicas"]
    if sleeps := asleep_for(status, now):
        return f"{name}  {state(status['state'])}  {sleeps}"
    return f"{name}  {state(status['state'])}  {ready} of {count(desired, 'replica')} ready"


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    if status["message"] and not status["asleep"]:
        is_bad = status["state"] in ("failed", "degraded")
        yield (
            ("error" if is_bad else "message"),
            click.style(status["message"], fg="red" if is_bad else None),
        )
    if status["nextStep"]:
        yield "next", status["nextStep"]
    if status["generation"] > status["observedGeneration"]:
        yield "apply", f"{status['generation']} is accepted and not looked at yet"
    if status["revision"]:
        yield "revision", f"{status['revision']} ({status['revisionHash']})"
    for url in status["urls"]:
        yield "url", url
    for sentence in status.get("notServed", ()):
        yield "error", click.style(sentence, fg="red")
    domains = [status["domain"]] if status["defaultVersion"] else []
    yield "domain", joined([*domains, status["versionDomain"]])
    yield "ports", joined(status["ports"], "none")
    yield "called by", joined(status["admits"], "nobody")
    yield "calls", joined(status["calls"], "nobody")


def _replicas(status: Status) -> list[str]:
    rows = [
        (
            replica["id"],
            _replica_state(replica),
            replica["address"] or "-",
            joined(_task(task) for task in replica["tasks"]),
        )
        for replica in status["replicas"]
    ]
    lines = table(("REPLICA", "STATE", "ADDRESS", "TASKS"), rows).splitlines() if rows else []
    tasks = {f"{r['id']}/{t['id']}": t for r in status["replicas"] for t in r["tasks"]}
    shown = tasks.get(status["subject"], {}).get("message")
    reasons: dict[str, list[str]] = {}
    for name, task in tasks.items():
        if task["message"] and task["message"] != shown:
            reasons.setdefault(task["message"], []).append(name)
    return lines + [f"{joined(names)}: {message}" for message, names in reasons.items()]


def _replica_state(replica: dict[str, Any]) -> str:
    if replica["draining"]:
        return "draining"
    if replica["asleep"]:
        return str(replica["asleep"])
    if replica["status"] == "SUCCEEDED":
        return "completed"
    return "ready" if replica["ready"] else "not ready"


def _task(task: dict[str, Any]) -> str:
    restarts = f" ({count(task['restarts'], 'restart')})" if task["restarts"] else ""
    is_running = task["state"] == "running"
    return f"{task['id']} {(is_running and task['health']) or task['state']}{restarts}"


def _events(status: Status) -> list[str]:
    rows = [(at, kind, message) for at, _, kind, message in event_rows(_merged(status["events"]))]
    return table(("TIME", "EVENT", "MESSAGE"), rows).splitlines() if rows else []


def _merged(events: list[Status]) -> list[Status]:
    """Newest first, each said once: ``space-cli events`` tells them one by one."""
    merged: dict[tuple[str, str], Status] = {}
    for event in events:
        said = event["kind"], event["message"]
        known = merged.setdefault(said, {**event, "count": 0})
        known["count"] += event["count"]
    return list(merged.values())


def _section(name: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"  {name}"
        yield from (f"    {line}" for line in lines)
