"""
Every case of a sweep is tried by one of several workers until its fault was done, or given up.

A case is a fault at a point, at a place: a chapter of a scenario, or a kind of damage. What became
of it is noted under one lock, as a value; the cases themselves never change. A point that another's
fault has made unnecessary is not reached, and its case is tried again, with more time to be reached
each time. What is still waiting when the time is over was not run, and is told apart.
"""

import random
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from chaos.faults import KILLS, Armed, Board, Fault, Point
from chaos.results import say
from eventually import holds_within

TRIES = 4
END_SECONDS = 300
"""That is how long one case may take; whoever is at one when the time is over ends it."""

PROGRESS_SECONDS = 15

Outcome = Literal["converged", "failed", "not reached", "not run"]


@dataclass(frozen=True, slots=True)
class Case:
    number: int
    """Its own in its sweep."""

    place: str
    point: Point
    fault: Fault

    def __str__(self) -> str:
        return f"{self.place}: {self.fault} at {self.point.name}"


@dataclass(frozen=True, slots=True)
class Attempt:
    case: Case
    number: int

    def armed(self, project: str, offset: int) -> Armed:
        """``offset``: of the board's ``passed``; what came before does not count."""
        case = self.case
        id = f"{project}-{case.number}-{self.number}"
        return Armed(id, project, case.point.name, case.point.ordinal, case.fault, offset)

    def fires(self, board: Board, armed: Armed, seconds: float) -> bool:
        """In that time; twice as long each time that it is tried."""
        return holds_within(lambda: board.has_fired(armed), seconds * 2 ** (self.number - 1))


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt's end, where nothing went wrong."""

    fired: bool
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    case: Case
    outcome: Outcome
    tries: int = 0
    seconds: float = 0.0
    """Of the last attempt, from what was done to the world being as it should."""

    requests: int = 0
    error: str = ""

    def __str__(self) -> str:
        return f"{self.case}: {self.error or self.outcome}"


class GivenUp(Exception):
    """The attempt went wrong: nothing of what it was made with is to be used again."""


@dataclass
class Sweep:
    name: str
    cases: Sequence[Case]
    ends_at: float
    """On the monotonic clock."""

    _waiting: dict[str, deque[Attempt]] = field(default_factory=dict)
    _results: dict[int, Result] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for case in self.cases:
            self._waiting.setdefault(case.place, deque()).append(Attempt(case, 1))

    def run(self, workers: Sequence[Callable[[], None]]) -> tuple[Result, ...]:
        """One result for each case, in their order."""
        threads = [threading.Thread(target=work, daemon=True) for work in workers]
        for thread in threads:
            thread.start()
        last = self.ends_at + END_SECONDS
        while alive := [thread for thread in threads if thread.is_alive()]:
            if time.monotonic() > last:
                break
            alive[0].join(PROGRESS_SECONDS)
            say(self.progress())
        return self.results()

    def results(self) -> tuple[Result, ...]:
        with self._lock:
            return tuple(
                self._results.get(case.number, Result(case, "not run")) for case in self.cases
            )

    def progress(self) -> str:
        done = [result for result in self.results() if result.outcome != "not run"]
        bad = sum(result.outcome != "converged" for result in done)
        return f"{self.name}: {len(done)} of {len(self.cases)} done, {bad} not converged"

    def is_waiting(self, *places: str) -> bool:
        """At one of them; at any where none is named."""
        with self._lock:
            return self._has_time() and any(self._waiting.get(p) for p in places or self._waiting)

    def count(self, place: str) -> int:
        with self._lock:
            return len(self._waiting.get(place, ()))

    def take(self, *places: str) -> Attempt | None:
        """The next, at one of them; None where nothing waits there, or the time is over."""
        with self._lock:
            if self._has_time():
                for place in places or tuple(self._waiting):
                    if self._waiting.get(place):
                        return self._waiting[place].popleft()
        return None

    def attempt(self, attempt: Attempt, run_with: Callable[[Attempt], Tried]) -> None:
        """``GivenUp`` when it went wrong, which is the case's end."""
        began = time.monotonic()
        case, number = attempt.case, attempt.number
        try:
            tried = run_with(attempt)
        except Exception as error:
            text = traceback.format_exc(limit=-4)
            self._note(Result(case, "failed", number, _since(began), 0, text))
            raise GivenUp(str(case)) from error
        if tried.fired:
            self._note(Result(case, "converged", number, _since(began), tried.requests))
        elif number < TRIES:
            with self._lock:
                self._waiting[case.place].append(Attempt(case, number + 1))
        else:
            self._note(Result(case, "not reached", number, _since(began), tried.requests))

    def _note(self, result: Result) -> None:
        with self._lock:
            self._results[result.case.number] = result
        if result.outcome != "converged":
            say(f"{self.name}: {result}"[:1500])

    def _has_time(self) -> bool:
        return time.monotonic() < self.ends_at


def _since(began: float) -> float:
    return round(time.monotonic() - began, 2)


def cases_of(points: Iterable[tuple[str, Point]], faults: Sequence[Fault]) -> tuple[Case, ...]:
    """
    Every fault at every point, once where two are the same to the world.

    | at a call that reads | is the same as                                |
    |----------------------|-----------------------------------------------|
    | late                 | hang                                          |
    | kill-after           | kill-before                                   |
    | kill-before          | that at the operation's first read, if it has |
    """
    chosen: list[tuple[str, Point, Fault]] = []
    looked: set[tuple[str, str]] = set()
    for place, point in points:
        at = (place, point.operation)
        same = _SAME_AT_READS.union(KILLS if at in looked else ()) if point.reads else frozenset()
        chosen += [(place, point, fault) for fault in faults if fault not in same]
        if point.reads:
            looked.add(at)
    return tuple(Case(number, *one) for number, one in enumerate(chosen))


_SAME_AT_READS: frozenset[Fault] = frozenset({"late", "kill-after"})


def sampled(cases: Sequence[Case], count: int | None, seed: str) -> tuple[Case, ...]:
    """As many of them, the same for the same seed; all of them where ``count`` is None."""
    if count is None:
        return tuple(cases)
    chosen = random.Random(seed).sample(range(len(cases)), min(count, len(cases)))
    return tuple(cases[index] for index in sorted(chosen))


def wrong(results: Iterable[Result]) -> list[str]:
    return [str(result) for result in results if result.outcome in ("failed", "not reached")]


def first_of_each(points: Iterable[Point]) -> list[Point]:
    """One of each name, that is of each (operation, call)."""
    return [point for point in points if point.ordinal == 1]
