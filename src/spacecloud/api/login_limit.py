"""Slows down whoever guesses passwords, without locking out the owner at the machine itself."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from spacecloud.api.client_address import SOCKET
from spacecloud.errors import TooManyRequests

WINDOW = timedelta(minutes=1)
FAILURES_PER_SOURCE = 10
FAILURES_IN_ALL = 100
SOURCES = 10_000
"""Remembered at most; the one that failed longest ago is forgotten first."""

LOOPBACK = frozenset({"127.0.0.1", "::1"})
PACE = timedelta(seconds=1)
"""Between two logins from the machine itself while guesses come from there."""

LONGEST_WAIT = timedelta(seconds=10)


class LoginLimited(TooManyRequests):
    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many failed logins: try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class LoginLimit:
    """
    | failures of this source | of all remote sources | source   | login is |
    |---|---|---|---|
    | any          | any          | socket   | checked |
    | at the limit | any          | loopback | checked in turn, one per ``PACE`` |
    | below        | any          | loopback | checked |
    | at the limit | any          | remote   | refused |
    | below        | at the limit | remote   | refused |
    | below        | below        | remote   | checked |

    All of loopback is one source: refused, a script with an old password would lock out the
    owner, who comes from there too.
    """

    def __init__(self) -> None:
        self._by_source: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._remote: deque[datetime] = deque(maxlen=FAILURES_IN_ALL)
        self._last_turn: datetime | None = None

    def wait(self, source: str, now: datetime) -> timedelta:
        """How long to wait before the password is looked at. Raises ``LoginLimited``."""
        # Whoever can open the socket can read the password beside it.
        if source == SOCKET:
            return timedelta(0)
        failures = self._by_source.get(source, deque())
        reached = _until_below(failures, FAILURES_PER_SOURCE, now)
        if source in LOOPBACK:
            return self._turn(now) if reached else timedelta(0)
        for left in (reached, _until_below(self._remote, FAILURES_IN_ALL, now)):
            if left:
                raise LoginLimited(max(1, round(left.total_seconds())))
        return timedelta(0)

    def _turn(self, now: datetime) -> timedelta:
        last = self._last_turn
        if last is None or abs(last - now) > LONGEST_WAIT:
            last = now - PACE  # also after the clock was set
        turn = max(now, last + PACE)
        if turn - now > LONGEST_WAIT:
            raise LoginLimited(round(LONGEST_WAIT.total_seconds()))
        self._last_turn = turn
        return turn - now

    def failed(self, source: str, now: datetime) -> None:
        if source == SOCKET:
            return
        failures = self._by_source.setdefault(source, deque(maxlen=FAILURES_PER_SOURCE))
        failures.append(now)
        self._by_source.move_to_end(source)
        if len(self._by_source) > SOURCES:
            self._by_source.popitem(last=False)
        if source not in LOOPBACK:
            self._remote.append(now)


def _until_below(failures: deque[datetime], limit: int, now: datetime) -> timedelta:
    """Zero unless there were as many failures as the limit, all within the window."""
    if len(failures) < limit or abs(now - failures[0]) >= WINDOW:
        return timedelta(0)
    return min(failures[0] + WINDOW - now, WINDOW)
