"""
Many stories at once, each hurt once a chapter, until every fault has been done at every point.

Faults that do not kill concern one story alone. A kill of the control plane concerns all that
go on at that moment: theirs is then a harder case than the one that is noted for them.
"""

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaos.faults import Armed, Fault, Point
from chaos.plane import Plane
from chaos.results import say
from chaos.scenario import ROUND, WARM, Chapter, Scenario
from chaos.world import World
from load import Load

TRIES = 4
"""A point that another's fault has made unnecessary is tried again."""

FIRING_SECONDS = 1.5
"""What is done behind the work's back, as events are written, comes this much later."""

LOAD_EVERY_SECONDS = 0.05


@dataclass
class Case:
    chapter: Chapter
    point: Point
    fault: Fault
    tries: int = 0
    seconds: float = 0.0
    """From the declaration to the world being so."""

    requests: int = 0
    outcome: str = ""
    """Empty: not yet. ``converged``, ``not reached``, or what went wrong."""

    def __str__(self) -> str:
        return f"{self.chapter}: {self.fault} at {self.point.name}"


@dataclass
class Sweep:
    plane: Plane
    image: str
    reference: Mapping[Chapter, World]
    letter: str
    """What its projects' names begin with."""

    cases: tuple[Case, ...]
    _open: dict[Chapter, deque[Case]] = field(default_factory=dict)
    _armed: dict[str, Armed] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stories: int = 0
    _rounds: int = 1

    def run(self, workers: int) -> None:
        for case in self.cases:
            self._open.setdefault(case.chapter, deque()).append(case)
        ends = max(len(self._open.get(c, ())) for c in ("create", "delete"))
        rounds = max(len(self._open.get(c, ())) for c in ROUND)
        self._rounds = max(1, math.ceil(rounds / max(ends, 1)))
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            threads[0].join(15)
            self._tell_progress()
            for thread in threads:
                thread.join(0.1)

    def _tell_progress(self) -> None:
        done = [case for case in self.cases if case.outcome]
        bad = sum(case.outcome != "converged" for case in done)
        say(f"{self.letter}: {len(done)} of {len(self.cases)} done, {bad} not converged")

    def _work(self) -> None:
        while (project := self._next_project()) is not None:
            story = Scenario(self.plane, project, self.image)
            try:
                self._live(story)
            except Exception as error:  # noqa: BLE001 - its case has it, and others go on
                say(f"{project} is given up: {error!r}"[:600])
                self._give_up(story)

    def _next_project(self) -> str | None:
        with self._lock:
            if not any(self._open.values()):
                return None
            self._stories += 1
            return f"{self.letter}{self._stories}"

    def _live(self, story: Scenario) -> None:
        self._hurt("create", story)
        for _ in range(self._rounds):
            with self._lock:
                wanted = any(self._open.get(chapter) for chapter in ROUND)
            if not wanted:
                break
            for chapter in ROUND:
                self._hurt(chapter, story)
        self._hurt("delete", story)

    def _hurt(self, chapter: Chapter, story: Scenario) -> None:
        with self._lock:
            waiting = self._open.get(chapter)
            case = waiting.popleft() if waiting else None
        if case is None:
            self._tell(chapter, story)
            return
        case.tries += 1
        armed = Armed(
            f"{story.project}-{chapter}-{case.tries}-{id(case)}",
            story.project,
            case.point.name,
            case.point.ordinal,
            case.fault,
            self.plane.board.now(),
        )
        self._arm(armed)
        began = time.monotonic()
        try:
            case.requests += self._tell(chapter, story, armed)
        except Exception as error:
            case.outcome = traceback.format_exc(limit=-4)
            say(f"{story.project} {case}: {case.outcome}"[:1500])
            raise AssertionError(str(error)) from error
        else:
            case.seconds = round(time.monotonic() - began, 2)
            self._judge(case, armed)
        finally:
            self._disarm(armed)

    def _judge(self, case: Case, armed: Armed) -> None:
        if armed.id in self.plane.board.fired():
            case.outcome = "converged"
        elif case.tries < TRIES:
            with self._lock:
                self._open[case.chapter].append(case)
        else:
            case.outcome = "not reached"
            say(f"{case}: not reached in {TRIES} tries")

    def _tell(self, chapter: Chapter, story: Scenario, armed: Armed | None = None) -> int:
        """How many requests were answered meanwhile: all of them."""
        if chapter not in WARM:
            self._settle(chapter, story, armed)
            return 0
        load = Load(story.url, every_seconds=LOAD_EVERY_SECONDS, clients=1)
        with load.running():
            self._settle(chapter, story, armed)
        assert not load.losses, f"{len(load.losses)} requests were lost: {load.losses[:3]}"
        assert load.answers
        return len(load.answers)

    def _settle(self, chapter: Chapter, story: Scenario, armed: Armed | None) -> None:
        story.tell(chapter)
        story.settle(chapter, self.reference[chapter])
        if armed is None or armed.id in self.plane.board.fired():
            return
        deadline = time.monotonic() + FIRING_SECONDS
        while time.monotonic() < deadline:
            if armed.id in self.plane.board.fired():
                story.settle(chapter, self.reference[chapter])
                return
            time.sleep(0.05)

    def _give_up(self, story: Scenario) -> None:
        """Others go on: what one case broke must not be counted as theirs."""
        try:
            self.plane.declare("DELETE", f"/v1/config/projects/{story.project}")
        except (AssertionError, RuntimeError) as error:
            say(f"{story.project} cannot be deleted: {error}"[:600])

    def _arm(self, armed: Armed) -> None:
        with self._lock:
            self._armed[armed.id] = armed
            self.plane.board.arm(self._armed.values())

    def _disarm(self, armed: Armed) -> None:
        with self._lock:
            self._armed.pop(armed.id, None)
            self.plane.board.arm(self._armed.values())


def first_of_each(points: Iterable[Point]) -> list[Point]:
    """One of each name, that is of each (operation, call)."""
    return [point for point in points if point.ordinal == 1]
