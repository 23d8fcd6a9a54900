"""Warm traffic from outside, through the gateway; every loss is kept with its time."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

REQUEST_SECONDS = 10
END_SECONDS = 2 * REQUEST_SECONDS


class Load:
    """Requests one after the other over kept connections, until the block ends."""

    def __init__(self, url: str, *, every_seconds: float = 0.02, clients: int = 2) -> None:
        self._url, self._every, self._clients = url, every_seconds, clients
        self._ended = threading.Event()
        self.answers: list[float] = []
        """When each good one came, on the monotonic clock."""

        self.losses: list[tuple[float, str]] = []
        """When each that was lost was sent, and what came instead."""

    @contextmanager
    def running(self) -> Iterator["Load"]:
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self._clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join(END_SECONDS)
        assert not any(thread.is_alive() for thread in threads), "a request does not end"

    def outages(self) -> list[float]:
        """Seconds from the last good answer before each row of losses to the first after it."""
        return outages(self.answers, [when for when, _ in self.losses])

    def _run(self) -> None:
        with httpx.Client(timeout=REQUEST_SECONDS) as client:
            while not self._ended.is_set():
                began = time.monotonic()
                try:
                    answer = client.get(self._url)
                    if answer.status_code == 200:
                        self.answers.append(time.monotonic())
                    else:
                        self.losses.append((began, f"{answer.status_code} {answer.text[:200]}"))
                except httpx.HTTPError as error:
                    self.losses.append((began, repr(error)))
                self._ended.wait(self._every)


def outages(answers: Sequence[float], losses: Sequence[float]) -> list[float]:
    """A row of losses with no good answer before or after it is none: nobody knows how long."""
    found: list[float] = []
    good, until = sorted(answers), float("-inf")
    for lost in sorted(losses):
        if lost <= until:
            continue
        before = [when for when in good if when < lost]
        after = [when for when in good if when > lost]
        if before and after:
            found.append(after[0] - before[-1])
            until = after[0]
    return found
