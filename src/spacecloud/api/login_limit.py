"""Slows down whoever guesses passwords, without locking out the owner at the machine itself."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from spacecloud.errors import TooManyRequests

WINDOW = timedelta(minutes=1)
FAILURES_PER_SOURCE = 10
FAILURES_IN_ALL = 100
SOURCES = 10_000
"""Remembered at most; the one that failed longest ago is forgotten first."""

LOCAL = frozenset({"local", "127.0.0.1", "::1"})


class LoginLimited(TooManyRequests):
    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many failed logins: try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class LoginLimit:
    """
    | failures of this source | of all remote sources | source | login is |
    |---|---|---|---|
    | at the limit | any          | any    | refused |
    | below        | at the limit | remote | refused |
    | below        | at the limit | local  | checked |
    | below        | below        | any    | checked |
    """

    def __init__(self) -> None:
        self._by_source: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._remote: deque[datetime] = deque(maxlen=FAILURES_IN_ALL)

    def check(self, source: str, now: datetime) -> None:
        """Raises ``LoginLimited``."""
        failures = self._by_source.get(source, deque())
        _refuse_when(failures, FAILURES_PER_SOURCE, now)
        if source not in LOCAL:
            _refuse_when(self._remote, FAILURES_IN_ALL, now)

    def failed(self, source: str, now: datetime) -> None:
        failures = self._by_source.setdefault(source, deque(maxlen=FAILURES_PER_SOURCE))
        failures.append(now)
        self._by_source.move_to_end(source)
        if len(self._by_source) > SOURCES:
            self._by_source.popitem(last=False)
        if source not in LOCAL:
            self._remote.append(now)


def _refuse_when(failures: deque[datetime], limit: int, now: datetime) -> None:
    """As many failures as the limit, all within the window."""
    if len(failures) == limit and now - failures[0] < WINDOW:
        raise LoginLimited(max(1, round((failures[0] + WINDOW - now).total_seconds())))
