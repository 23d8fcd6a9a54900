"""Answers in the form that was asked for, and the small words that tables share."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from spacecloud.errors import InvalidSpec

F = TypeVar("F", bound=Callable[..., Any])

COLOURS = {
    "ready": "green",
    "completed": "green",
    "progressing": "yellow",
    "degraded": "yellow",
    "removing": "yellow",
    "failed": "red",
    "asleep": "blue",
    "awake": "green",
    "frozen": "blue",
    "stopped": "blue",
}


def output_option(*forms: str) -> Callable[[F], F]:
    return click.option(
        "-o", "--output", "form", type=click.Choice(forms), help="Default: for people."
    )


def structured(values: Any, form: str) -> str:
    """As JSON, or as YAML: one document per value of a list."""
    if form == "json":
        return json.dumps(values, indent=2, ensure_ascii=False)
    from spacecloud.documents.write import write

    return write(values if isinstance(values, list) else [values]).rstrip("\n")


def state(name: str) -> str:
    """Coloured where the output is a terminal; click takes the colour away elsewhere."""
    return click.style(name, fg=COLOURS.get(name))


def domain_of(status: dict[str, Any]) -> str:
    """The one that leads to this version: the service's own leads to the oldest."""
    is_default = status["defaultVersion"]
    return str(status["domain"] if is_default else status["versionDomain"])


def replicas_of(status: dict[str, Any]) -> str:
    """``1/2`` ready; ``2 → 4`` where the number is moved and nothing is wrong; ``0`` asleep."""
    ready, desired = status["readyReplicas"], status["desiredReplicas"]
    if status["state"] == "asleep":
        return "0"
    is_confirmed = 0 < status["revision"] == status["confirmedRevision"]
    is_moved = status["state"] in ("ready", "progressing") and 0 != ready != desired
    return f"{ready} → {desired}" if is_confirmed and is_moved else f"{ready}/{desired}"


def asleep_for(status: dict[str, Any], now: datetime) -> str:
    """As in ``frozen 3 min``; empty where it is awake, or none is wanted at all."""
    if not status["asleep"]:
        return ""
    since = status["asleepSince"]
    return f"{status['asleep']} {elapsed(now - datetime.fromisoformat(since))}" if since else ""


def count(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def moment(text: str) -> str:
    """A time of the API as the reader's clock has it: an output is kept, and read another day."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def elapsed(time: timedelta) -> str:
    """In the largest unit that it has one of, as in ``34 s``, ``3 min``, ``2 h`` or ``5 d``."""
    seconds = max(0, round(time.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_SPAN_SECONDS = 24 * 3600.0


def span(text: str) -> float:
    """Seconds of ``500ms``, ``2s`` or ``1m30s``; ``0`` is none."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    is_whole = "".join(number + unit for number, unit in parts) == text
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if text != "0" and (not parts or not is_whole or seconds > LONGEST_SPAN_SECONDS):
        raise InvalidSpec(f"a time span such as 500ms, 2s or 1m30s is expected (got {text[:40]!r})")
    return seconds


def joined(items: Iterable[Any], nothing: str = "-") -> str:
    return ", ".join(str(item) for item in items) or nothing


def event_rows(events: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            moment(each["at"]),
            f"{each['project']}/{each['service']}",
            each["kind"],
            each["message"] + (f" ({each['count']} times)" if each["count"] > 1 else ""),
        )
        for each in events
    ]


EVENT_HEADINGS = ("TIME", "SERVICE", "EVENT", "MESSAGE")
