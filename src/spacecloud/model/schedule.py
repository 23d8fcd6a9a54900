"""
Hours that come again, written as two cron expressions: open from each start to the next end. Pure.

As KEDA's cron trigger has it. Where clocks are put forward or back, a time that is skipped or comes
twice is what Debian's cron makes of it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

LONGEST_EXPRESSION = 100
FIELDS = 5
"""Minute, hour, day of the month, month, day of the week."""


@dataclass(frozen=True, slots=True)
class Schedule:
    start: str
    end: str
    timezone: str = "UTC"

    def is_open(self, at: datetime) -> bool:
        """From the minute that starts it to the one that ends it, the latter excluded."""
        starts, ends = self._next(at)
        return starts is not None and ends is not None and ends < starts

    def next_change(self, at: datetime) -> datetime | None:
        """When it opens or closes next; None: never, as of one that cannot be read."""
        starts, ends = self._next(at)
        return min(starts, ends) if starts is not None and ends is not None else None

    def _next(self, at: datetime) -> tuple[datetime | None, datetime | None]:
        minute = at.astimezone(UTC).replace(second=0, microsecond=0)
        return (
            _next_time(self.start, self.timezone, minute),
            _next_time(self.end, self.timezone, minute),
        )


def expression_mistake(expression: str) -> str | None:
    """Why it is no time that cron knows; None where it is one."""
    as_in = 'minute, hour, day, month and day of the week, as in "0 8 * * 1-5"'
    if len(expression) > LONGEST_EXPRESSION or len(expression.split()) != FIELDS:
        return f"a time as cron has it: {as_in}"
    try:
        next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, ValueError) as error:
        return f"a time as cron has it ({str(error).lower()}): {as_in}"
    except StopIteration:
        return "a time that comes: this one does not in fifty years"
    return None


def timezone_mistake(name: str) -> str | None:
    """Why it is no time zone; None where it is one."""
    if _zone(name) is None:
        return "a time zone, as in Europe/Berlin"
    return None


@lru_cache(1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


@lru_cache(4096)
def _next_time(expression: str, timezone: str, minute: datetime) -> datetime | None:
    """After that minute; None: never, or it is written in a way that an earlier release let by."""
    zone = _zone(timezone)
    if zone is None or expression_mistake(expression) is not None:
        return None
    found = next(CronSim(expression, minute.astimezone(zone)), None)
    return found.astimezone(UTC) if found is not None else None
