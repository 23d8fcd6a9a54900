"""Warm traffic from outside, through the gateway; every loss is kept with its time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx


class Load:
    """Requests one after the other over kept connections, until the block ends."""

    def __init__(self, url: str, *, every_seconds: float = 0.02, clients: int = 2) -> None:
        self._url, self._every, self._clients = url, every_seconds, clients
        self._ended = threading.Event()
        self.answers: list[float] = []
        """When each good one came, on the monotonic clock."""

        self.losses: list[tuple[float, str]] = []

    @contextmanager
    def running(self) -> Iterator["Load"]:
        threads = [threading.Thread(target=self._run) for _ in range(self._clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def outages(self) -> list[float]:
        """Seconds from the last good answer before each row of losses to the first after it."""
        found: list[float] = []
        lost = sorted(when for when, _ in self.losses)
        answers = sorted(self.answers)
        position = 0
        while position < len(lost):
            earlier = [a for a in answers if a < lost[position]]
            later = [a for a in answers if a > lost[position]]
            if not earlier or not later:
                break
            found.append(later[0] - earlier[-1])
            while position < len(lost) and lost[position] <= later[0]:
                position += 1
        return found

    def _run(self) -> None:
        with httpx.Client(timeout=10) as client:
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
