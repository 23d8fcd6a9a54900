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
    def __init__(self, open_log: Callable[[str], Iterable[str]]) -> None:
        self._open_log = open_log
        self._items: queue.Queue[Line | Over] = queue.Queue(MOST_WAITING)
        self._known: set[str] = set()
        self._open = 0

    def add(self, replicas: Iterable[str]) -> None:
        """Read these too; one that is read already, or was, is left as it is."""
        for replica in replicas:
            if replica not in self._known:
                self._known.add(replica)
                self._open += 1
                # A daemon: Ctrl-C must not wait for a log that is silent.
                threading.Thread(target=self._read, args=(replica,), daemon=True).start()

    def until_all_end(self) -> Iterator[Line]:
        """Raises what ended the first log that did not end well."""
        while self._open:
            item = self._items.get()
            if isinstance(item, Line):
                yield item
                continue
            self._open -= 1
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
                self._open -= 1
            yield item

    def _read(self, replica: str) -> None:
        try:
            for text in self._open_log(replica):
                self._items.put(Line(replica, text))
        except SpaceCloudError as error:
            self._items.put(Over(replica, error))
        else:
            self._items.put(Over(replica))
