"""Several logs read at the same time, as one sequence of lines."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from spacecloud.errors import SpaceCloudError

MOST_WAITING = 1000
"""Lines that were read and not yet taken; more are not read."""


@dataclass(frozen=True, slots=True)
class Line:
    replica: str
    text: str


@dataclass(frozen=True, slots=True)
class Over:
    """The log of one replica has ended."""

    replica: str
    error: SpaceCloudError | None = None


class LogStreams:
    """
    ``open_log`` is given a replica and how many seconds ago its log ended, None at first: a task
    that starts again goes on with its log, and a new replica may have the id of an old one.
    """

    def __init__(self, open_log: Callable[[str, float | None], Iterable[str]]) -> None:
        self._open_log = open_log
        self._items: queue.Queue[Line | Over] = queue.Queue(MOST_WAITING)
        self._open: set[str] = set()
        self._ended_at: dict[str, float] = {}

    def add(self, replicas: Iterable[str]) -> None:
        """Read these too, but those that are being read."""
        for replica in replicas:
            if replica not in self._open:
                self._open.add(replica)
                # A daemon: Ctrl-C must not wait for a log that is silent.
                threading.Thread(target=self._read, args=(replica,), daemon=True).start()

    def until_all_end(self) -> Iterator[Line]:
        """Raises what ended the first log that did not end well."""
        while self._open:
            item = self._items.get()
            if isinstance(item, Line):
                yield item
                continue
            self._open.discard(item.replica)
            if item.error is not None:
                raise item.error

    def within(self, seconds: float) -> Iterator[Line | Over]:
        """What comes in this time."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            try:
                item = self._items.get(timeout=left)
            except queue.Empty:
                return
            if isinstance(item, Over):
                self._open.discard(item.replica)
            yield item

    def _read(self, replica: str) -> None:
        ended_at = self._ended_at.get(replica)
        over = Over(replica)
        try:
            ago = None if ended_at is None else time.monotonic() - ended_at
            for text in self._open_log(replica, ago):
                self._items.put(Line(replica, text))
        except SpaceCloudError as error:
            over = Over(replica, error)
        self._ended_at[replica] = time.monotonic()
        self._items.put(over)
