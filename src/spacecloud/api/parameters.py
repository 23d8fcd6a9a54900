"""Parameters of paths and queries, in the original's spelling and in the lenient ones."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Depends, Path, Query

from spacecloud.errors import InvalidSpec, Mistake
from spacecloud.model.declared import Trial
from spacecloud.model.refs import DNS_LABEL, VERSION
from spacecloud.model.validation.wording import (
    LABEL_IN_WORDS,
    LOOSE_ID,
    LOOSE_IN_WORDS,
    VERSION_IN_WORDS,
)

IN_WORDS = {
    DNS_LABEL: LABEL_IN_WORDS,
    VERSION: VERSION_IN_WORDS,
    LOOSE_ID: LOOSE_IN_WORDS,
}
"""Pattern to what it asks for."""

ProjectId = Annotated[str, Path(alias="project", pattern=DNS_LABEL)]
ProjectOrAll = Annotated[str, Path(alias="project", pattern=rf"^\*$|{DNS_LABEL}")]
ServiceId = Annotated[str, Path(alias="serviceId", pattern=DNS_LABEL)]
VersionId = Annotated[str, Path(alias="version", pattern=VERSION)]
LooseId = Annotated[str, Path(alias="id", pattern=LOOSE_ID)]
RoleId = Annotated[str, Path(alias="roleId", pattern=LOOSE_ID)]
RoleOrAll = Annotated[str, Path(alias="roleId", pattern=rf"^\*$|{LOOSE_ID}")]
SecretKey = Annotated[str, Path(alias="key", pattern=r"^[^/\x00]{1,253}$")]

ServiceFilter = Annotated[str, Query(alias="serviceId", description="Empty or `*`: all.")]
ServiceFilterToo = Annotated[str, Query(alias="serviceID", include_in_schema=False)]
RoleFilter = Annotated[str, Query(alias="roleId", description="Empty or `*`: all.")]
RoleFilterToo = Annotated[str, Query(alias="roleID", include_in_schema=False)]
VersionFilter = Annotated[str, Query(alias="version", description="Empty or `*`: all.")]
IdFilter = Annotated[str, Query(alias="id", description="Empty or `*`: all.")]
ProjectFilter = Annotated[str, Query(alias="project", description="Empty or `*`: all.")]


VerifyQuery = Annotated[
    Literal["true", "false"],
    Query(
        alias="verify",
        description="`false`: of a version that sleeps nothing is started to try the new revision; "
        "the next wake makes it.",
    ),
]


def trial_of(verify: Literal["true", "false"]) -> Trial:
    return "once" if verify == "true" else "skipped"


def wanted(*spellings: str) -> str | None:
    """The first that is given; None for all."""
    return next((value for value in spellings if value not in ("", "*")), None)


@dataclass(frozen=True, slots=True)
class ServiceSelection:
    project: str
    service: str | None
    """None: all of the project."""

    version: str | None
    """None: all of those services."""


async def _selection(
    project: ProjectId,
    service: ServiceFilter = "",
    service_too: ServiceFilterToo = "",
    version: VersionFilter = "",
) -> ServiceSelection:
    return ServiceSelection(project, wanted(service, service_too), wanted(version))


ServiceQuery = Annotated[ServiceSelection, Depends(_selection)]


def moment(since: str, since_time: str, now: datetime) -> datetime | None:
    """From when on, given as a span (``1h30m``) or as a moment (RFC 3339)."""
    if since and since_time:
        raise _wrong("since", "give since or since-time, not both", since)
    if since:
        try:
            return now - duration(since)
        except OverflowError:
            raise _wrong("since", "that is before time began", since) from None
    return _instant(since_time) if since_time else None


LONGEST_SPAN = 100
"""Characters."""

UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}


def duration(text: str) -> timedelta:
    """``10m``, ``1h30m``, ``1.5h``, ``300ms``."""
    rest, seconds = text, 0.0
    if len(text) > LONGEST_SPAN:
        raise _wrong("since", "a time span such as 30s, 10m or 1h30m is expected", text)
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        unit = next((u for u in ("ns", "us", "µs", "ms", "s", "m", "h") if rest.startswith(u)), "")
        if not unit or not digits.isascii() or digits.count(".") > 1 or digits == ".":
            raise _wrong("since", "a time span such as 30s, 10m or 1h30m is expected", text)
        seconds += float(digits or "nan") * UNITS[unit]
        rest = rest[len(unit) :]
    if not 0 <= seconds < 1e11:
        raise _wrong("since", "a time span such as 30s, 10m or 1h30m is expected", text)
    return timedelta(seconds=seconds)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        message = "a moment such as 2030-01-31T12:00:00Z is expected"
        raise _wrong("since-time", message, text) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _wrong(path: str, message: str, value: str) -> InvalidSpec:
    mistake = Mistake(path, message, value[:80])
    return InvalidSpec(str(mistake), (mistake,))
