"""
Every effect of the control plane on the world, with every fault: the world becomes as declared.

A scenario (see ``scenario.py``) is lived through once without a fault, and the control plane
writes down each point it passes: engine calls, store writes, pushes to Envoy, files of names. Each
chapter's points are then failed one by one, with every fault of ``faults.py``; of equal points of a chapter,
that is of one operation's equal calls, the first, and of faults that leave the same world, one
(``sweep.cases_of``). Rules, gateway, resolver and ingress are no service's: their points are in
``test_sweep_host.py``.

Faults that do not kill are done at one platform, many at once. A kill concerns all that go on at
its platform: there are three of them beside each other, each with two scenarios.

After each fault: the API says so; containers, networks, rules, links, names and the gateway's
endpoints are those of the run without, line by line; no request to the service, nor to one beside
it, was lost.
"""

import contextlib
import math
import threading
import time
import typing
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pytest

from chaos import results, world
from chaos.faults import FAULTS, KILLS, Armed, Fault, Point
from chaos.local_registry import in_a_registry
from chaos.plane import NOT_YET, Plane, WrongRequest, a_plane
from chaos.results import say
from chaos.sampling import Sampling
from chaos.scenario import (
    CREATE,
    DELETE,
    DELETE_DOZING,
    DOZE,
    FREEZE,
    MEND,
    RECORD_SCALING,
    ROLL,
    ROUND,
    SHORT,
    WHOLE,
    Chapter,
    Scenario,
)
from chaos.sweep import (
    Attempt,
    Case,
    GivenUp,
    Sweep,
    Tried,
    cases_of,
    first_of_each,
    sampled,
    wrong,
)
from chaos.world import World
from load import Load
from spacecloud.workloads import operations

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

CARRIED_OUT = {
    *typing.get_args(operations.WorkloadOp),
    *typing.get_args(operations.StoreOp),
    *typing.get_args(operations.TrafficOp),
    operations.PublishNames,
} - {operations.CancelPull}
"""
Every operation but those that only wait, and the one that ends a wait of the driver's: these touch
nothing.
"""

FAILURES: tuple[Fault, ...] = tuple(fault for fault in FAULTS if fault not in KILLS)
AT_ONCE = 8
PLATFORMS_WHEN_KILLED, AT_ONCE_WHEN_KILLED = (7, 8, 9), 2
"""A kill concerns all that go on at its platform: several beside each other, each with few."""

FIRING_SECONDS = 1.5
"""What is done behind the work's back, as events are written, comes this much later."""

LOAD_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Recording:
    reference: dict[str, World]
    """By chapter."""

    points: dict[str, list[Point]]
    executed: set[str]


@dataclass(frozen=True)
class Platform:
    """With a service beside what fails, which nothing may happen to."""

    plane: Plane
    image: str


@pytest.fixture(scope="module")
def image(images: dict[str, str]) -> Iterator[str]:
    with in_a_registry(images["echo"]) as image:
        yield image


@pytest.fixture(scope="module")
def platform(
    image: str, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    with a_platform(
        tmp_path_factory.mktemp("sweep"), PLATFORMS_WHEN_KILLED[0], images, image
    ) as it:
        yield it


@contextlib.contextmanager
def a_platform(folder: Path, number: int, images: dict[str, str], image: str) -> Iterator[Platform]:
    with a_plane(folder, number, images) as plane:
        beside = Scenario(plane, "beside", image)
        beside.tell(CREATE)
        beside.settle(CREATE, None)
        yield Platform(plane, image)


@pytest.fixture(scope="module")
def recording(platform: Platform) -> Recording:
    return record(platform)


def record(platform: Platform) -> Recording:
    """
    The whole twice: the second time shows whether two such runs look the same. What a chapter
    passes for what was told before it, as the removal of a gate, is no point of it.
    """
    board = platform.plane.board
    reference: dict[str, World] = {}
    points: dict[str, list[Point]] = {}
    took: dict[str, list[float]] = {}
    for number, life in enumerate((WHOLE, WHOLE, *SHORT)):
        scenario = Scenario(platform.plane, f"recorded{number}", platform.image)
        for chapter in life:
            since, began = board.now(), time.monotonic()
            scenario.tell(chapter)
            wanted = () if chapter.is_told is Scenario.is_gone else reference.get(chapter.name)
            reference[chapter.name] = scenario.settle(chapter, wanted)
            took.setdefault(chapter.name, []).append(round(time.monotonic() - began, 1))
            found = first_of_each(board.points(scenario.project, since))
            if chapter.name not in points:
                points[chapter.name] = [point for point in found if is_hurt(chapter, point)]
            elif life is not WHOLE:
                points[chapter.name] = [p for p in points[chapter.name] if p in found]
        assert not scenario.refused, scenario.refused
    say(f"{sum(map(len, points.values()))} points in {len(points)} chapters")
    results.write(
        "recording",
        {name: {"points": [p.name for p in points[name]], "seconds": took[name]} for name in took},
    )
    return Recording(reference, points, board.executed("recorded0"))


def is_hurt(chapter: Chapter, point: Point) -> bool:
    return chapter.only is None or not chapter.only.isdisjoint({point.operation, point.name})


def test_every_operation_of_a_plan_has_a_point_where_it_can_be_hurt(recording: Recording) -> None:
    found = {point.operation for points in recording.points.values() for point in points}

    assert recording.executed == {op.__name__ for op in CARRIED_OUT}
    assert recording.executed <= found, recording.executed - found
    assert {"wake", RECORD_SCALING} <= found | {p.name for p in recording.points[FREEZE.name]}


def test_a_control_plane_that_forgets_to_remove_a_replica_is_caught(
    recording: Recording,
    image: str,
    images: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    sampling: Sampling,
) -> None:
    point = next(p for p in recording.points[ROLL.name] if p.operation == "CreateReplica")
    folder = tmp_path_factory.mktemp("planted")
    with a_plane(folder, 5, images, program="chaos.planted") as plane:
        swept = Sweep("planted", cases_of([(ROLL.name, point)], ("fail",)), sampling.ends_at)
        lives = Lives(recording, Platform(plane, image), swept)
        (found,) = swept.run([lives.work])

    assert found.outcome == "failed", found
    assert "replicas" in found.error or "too much: container" in found.error, found.error


@pytest.mark.sweep
def test_an_effect_that_fails_hangs_or_is_late_changes_nothing_in_the_end(
    recording: Recording, platform: Platform, sampling: Sampling, not_run: list[str]
) -> None:
    cases = chosen(recording, "failed", FAILURES, sampling)
    sweep(recording, Sweep("failed", cases, sampling.ends_at), [platform], AT_ONCE, not_run)


@pytest.mark.sweep
def test_a_control_plane_that_is_killed_anywhere_goes_on_where_it_was(
    recording: Recording,
    platform: Platform,
    images: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    sampling: Sampling,
    not_run: list[str],
) -> None:
    cases = chosen(recording, "killed", KILLS, sampling)
    with ExitStack() as opened:
        platforms = [platform]
        for number in PLATFORMS_WHEN_KILLED[1:]:
            if len(cases) > AT_ONCE_WHEN_KILLED * len(platforms):
                folder = tmp_path_factory.mktemp(f"sweep{number}")
                another = a_platform(folder, number, images, platform.image)
                platforms.append(opened.enter_context(another))
        swept = Sweep("killed", cases, sampling.ends_at)
        sweep(recording, swept, platforms, AT_ONCE_WHEN_KILLED, not_run)


def chosen(
    recording: Recording, name: str, faults: tuple[Fault, ...], sampling: Sampling
) -> tuple[Case, ...]:
    points = [(chapter, point) for chapter, found in recording.points.items() for point in found]
    return sampled(cases_of(points, faults), sampling.share(name), f"{sampling.seed} {name}")


def sweep(
    recording: Recording,
    swept: Sweep,
    platforms: Sequence[Platform],
    at_once: int,
    not_run: list[str],
) -> None:
    """``at_once``: at each platform."""
    planes = [platform.plane for platform in platforms]
    before = [world.of_instance(plane) for plane in planes]
    starts = sum(plane.starts for plane in planes)
    besides = [light_load(f"{plane.installation.url}/beside") for plane in planes]
    workers = [Lives(recording, platform, swept).work for platform in platforms] * at_once
    with ExitStack() as loaded:
        for beside in besides:
            loaded.enter_context(beside.running())
        found = swept.run(workers[: len(swept.cases)])
    results.write(
        f"sweep: {swept.name}",
        {
            "cases": [{**asdict(result), "case": str(result.case)} for result in found],
            "seconds": results.spread(r.seconds for r in found if r.outcome == "converged"),
            "requests": sum(result.requests for result in found)
            + sum(len(beside.answers) for beside in besides),
            "restarts": sum(plane.starts for plane in planes) - starts,
        },
    )
    not_run += [f"{swept.name}: {result.case}" for result in found if result.outcome == "not run"]

    assert not wrong(found), "\n".join(wrong(found))
    for plane, beside, its in zip(planes, besides, before, strict=True):
        assert not beside.losses, beside.losses[:5]
        plane.until(partial(_is_as, plane, its))


def _is_as(plane: Plane, before: World) -> None:
    difference = world.difference(before, world.of_instance(plane))
    assert not difference, difference


def light_load(url: str) -> Load:
    """A process that is killed needs the processors to begin again."""
    return Load(url, every_seconds=LOAD_EVERY_SECONDS, clients=1)


class Lives:
    """
    Many scenarios at once at one platform, each with a fault once a chapter.

    Faults that do not kill concern one scenario alone. A kill of the control plane concerns all
    that go on at that moment: theirs is then a harder case than the one that is noted for them.

    A path of a round is lived through where a case of it waits, and of it what leads back to where
    it began only where its own does. A task that hangs
    is mended by a control plane that lives for longer than the task's grace: while such a case goes
    on, nobody else kills it.
    """

    def __init__(self, recording: Recording, platform: Platform, swept: Sweep) -> None:
        self._recording, self._sweep = recording, swept
        self._plane, self._image = platform.plane, platform.image
        self._calm = threading.Lock()
        self._numbers = iter(range(1, 1_000_000))
        ends = max(swept.count(chapter.name) for chapter in (CREATE, DELETE))
        rounds = max(swept.count(chapter.name) for path in ROUND for chapter in path)
        self._rounds = max(1, math.ceil(rounds / max(ends, 1)))

    def work(self) -> None:
        while self._sweep.is_waiting():
            project = f"{self._sweep.name}{next(self._numbers)}"
            scenario = Scenario(self._plane, project, self._image)
            try:
                self._live(scenario)
            except (GivenUp, *NOT_YET, WrongRequest) as error:
                say(f"{project} is given up: {error!r}"[:600])
                self._give_up(scenario)

    def _live(self, scenario: Scenario) -> None:
        self._chapter(CREATE, scenario)
        for _ in range(self._rounds):
            for path in ROUND:
                if self._is_waiting(*path):
                    self._path(path, scenario)
        if self._is_waiting(DELETE_DOZING):
            self._chapter(DOZE, scenario)
            self._chapter(DELETE_DOZING, scenario)
        else:
            self._chapter(DELETE, scenario)

    def _path(self, path: Sequence[Chapter], scenario: Scenario) -> None:
        for chapter in path:
            if not chapter.leads_back or self._is_waiting(chapter):
                self._chapter(chapter, scenario)

    def _is_waiting(self, *chapters: Chapter) -> bool:
        return self._sweep.is_waiting(*(chapter.name for chapter in chapters))

    def _chapter(self, chapter: Chapter, scenario: Scenario) -> None:
        attempt = self._sweep.take(chapter.name)
        if attempt is None:
            self._tell(chapter, scenario)
        elif attempt.case.fault in KILLS:
            with self._kills(chapter):
                self._sweep.attempt(attempt, lambda a: self._hurt(a, chapter, scenario))
        else:
            self._sweep.attempt(attempt, lambda a: self._hurt(a, chapter, scenario))

    @contextlib.contextmanager
    def _kills(self, chapter: Chapter) -> Iterator[None]:
        """``mend`` begins when no other does, and others when none of it goes on."""
        with self._calm:
            if chapter is MEND:
                yield
                return
        yield

    def _hurt(self, attempt: Attempt, chapter: Chapter, scenario: Scenario) -> Tried:
        board = self._plane.board
        armed = attempt.armed(scenario.project, board.now())
        with board.armed(armed):
            requests = self._tell(chapter, scenario, attempt, armed)
        return Tried(board.has_fired(armed), requests)

    def _tell(
        self,
        chapter: Chapter,
        scenario: Scenario,
        attempt: Attempt | None = None,
        armed: Armed | None = None,
    ) -> int:
        """How many requests were answered meanwhile: all of them."""
        if not chapter.warm:
            self._settle(chapter, scenario, attempt, armed)
            return 0
        load = light_load(scenario.url)
        with load.running():
            self._settle(chapter, scenario, attempt, armed)
        assert not load.losses, f"{len(load.losses)} requests were lost: {load.losses[:3]}"
        assert load.answers
        return len(load.answers)

    def _settle(
        self, chapter: Chapter, scenario: Scenario, attempt: Attempt | None, armed: Armed | None
    ) -> None:
        wanted = self._recording.reference[chapter.name]
        scenario.tell(chapter)
        scenario.settle(chapter, wanted)
        board = self._plane.board
        if attempt is None or armed is None or board.has_fired(armed):
            return
        if attempt.fires(board, armed, FIRING_SECONDS):
            scenario.settle(chapter, wanted)

    def _give_up(self, scenario: Scenario) -> None:
        """Others go on: what one case broke must not be counted as theirs."""
        try:
            self._plane.declare("DELETE", f"/v1/config/projects/{scenario.project}")
        except (*NOT_YET, WrongRequest) as error:
            say(f"{scenario.project} cannot be deleted: {error}"[:600])
