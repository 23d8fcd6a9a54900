"""
Every effect of the control plane on the world, hurt in every way: the world becomes as declared.

A scenario (see ``scenario.py``) is lived through once unhurt, and the control plane writes down
each point it passes: engine calls, store writes, pushes to Envoy, files of names. Each chapter's
points are then hurt one by one, with every fault of ``faults.py``; of equal points of a chapter,
that is of one operation's equal calls, the first. Rules, gateway, resolver and ingress
are no service's: their points are in ``test_sweep_ground.py``.

After each fault: the API says so; containers, networks, rules, links, names and the gateway's
endpoints are those of the unhurt run, line by line; no request to the service, nor to one beside
it, was lost.
"""

import contextlib
import math
import threading
import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import pytest

from chaos import results, world
from chaos.extent import Extent
from chaos.faults import FAULTS, KILLS, Armed, Fault, Point
from chaos.local_registry import in_a_registry
from chaos.plane import Plane, WrongRequest, a_plane
from chaos.results import say
from chaos.scenario import (
    CHAPTERS,
    OPERATIONS,
    OPTIONAL,
    RECORD_SCALING,
    ROUND,
    WARM,
    Chapter,
    Scenario,
)
from chaos.sweep import Attempt, GivenUp, Sweep, Tried, cases_of, first_of_each, sampled, wrong
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
AT_ONCE, AT_ONCE_WHEN_KILLED = 8, 4

FIRING_SECONDS = 1.5
"""What is done behind the work's back, as events are written, comes this much later."""

LOAD_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Recording:
    plane: Plane
    image: str
    reference: dict[Chapter, World]
    points: dict[Chapter, list[Point]]
    executed: set[str]


@pytest.fixture(scope="module")
def recording(
    images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recording]:
    with (
        in_a_registry(images["echo"]) as image,
        a_plane(tmp_path_factory.mktemp("sweep"), 7, images) as plane,
    ):
        beside = Scenario(plane, "beside", image)
        beside.tell("create")
        beside.settle("create", None)
        yield record(plane, image)


def record(plane: Plane, image: str) -> Recording:
    """Twice: the second time shows whether two unhurt runs look the same."""
    reference: dict[Chapter, World] = {}
    points: dict[Chapter, list[Point]] = {}
    for project in ("recorded", "again"):
        scenario = Scenario(plane, project, image)
        for chapter in CHAPTERS:
            since = plane.board.now()
            scenario.tell(chapter)
            wanted = () if chapter == "delete" else reference.get(chapter)
            reference[chapter] = scenario.settle(chapter, wanted)
            found = first_of_each(plane.board.points(project, since))
            points.setdefault(chapter, [p for p in found if is_hurt(chapter, p)])
        assert not scenario.refused, scenario.refused
    executed = plane.board.executed("recorded")
    say(f"{sum(map(len, points.values()))} points in {len(CHAPTERS)} chapters")
    return Recording(plane, image, reference, points, executed)


def is_hurt(chapter: Chapter, point: Point) -> bool:
    operations = OPERATIONS.get(chapter)
    if operations is None or point.operation in operations:
        return True
    return chapter == "sleep" and point.name == RECORD_SCALING


def test_every_operation_of_a_plan_has_a_point_where_it_can_be_hurt(recording: Recording) -> None:
    found = {point.operation for points in recording.points.values() for point in points}

    assert recording.executed == {op.__name__ for op in CARRIED_OUT}
    assert recording.executed <= found, recording.executed - found
    assert {"wake", RECORD_SCALING} <= found | {p.name for p in recording.points["sleep"]}


def test_a_control_plane_that_forgets_to_remove_a_replica_is_caught(
    recording: Recording,
    images: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    extent: Extent,
) -> None:
    point = next(p for p in recording.points["roll"] if p.operation == "CreateReplica")
    folder = tmp_path_factory.mktemp("planted")
    with a_plane(folder, 5, images, program="chaos.planted") as plane:
        swept = Sweep("planted", cases_of([("roll", point)], ("fail",)), extent.ends_at)
        lives = Lives(replace(recording, plane=plane), swept)
        (found,) = swept.run([lives.work])

    assert found.outcome == "failed", found
    assert "replicas" in found.error or "too much: container" in found.error, found.error


@pytest.mark.sweep
def test_an_effect_that_fails_hangs_or_is_late_changes_nothing_in_the_end(
    recording: Recording, extent: Extent, not_run: list[str]
) -> None:
    sweep(recording, "hurt", FAILURES, AT_ONCE, extent, not_run)


@pytest.mark.sweep
def test_a_control_plane_that_is_killed_anywhere_goes_on_where_it_was(
    recording: Recording, extent: Extent, not_run: list[str]
) -> None:
    sweep(recording, "killed", KILLS, AT_ONCE_WHEN_KILLED, extent, not_run)


def sweep(
    recording: Recording,
    name: str,
    faults: tuple[Fault, ...],
    at_once: int,
    extent: Extent,
    not_run: list[str],
) -> None:
    plane = recording.plane
    points = [
        (chapter, point) for chapter in recording.points for point in recording.points[chapter]
    ]
    cases = sampled(cases_of(points, faults), extent.share(name), f"{extent.seed} {name}")
    before, starts = world.of_instance(plane), plane.starts
    beside = Load(f"{plane.installation.url}/beside")
    swept = Sweep(name, cases, extent.ends_at)
    with beside.running():
        lives = Lives(recording, swept)
        found = swept.run([lives.work] * min(at_once, len(cases)))
    results.write(
        f"sweep: {', '.join(faults)}",
        {
            "cases": [{**asdict(result), "case": str(result.case)} for result in found],
            "seconds": results.spread(r.seconds for r in found if r.outcome == "converged"),
            "requests": sum(result.requests for result in found) + len(beside.answers),
            "restarts": plane.starts - starts,
        },
    )
    not_run += [f"{name}: {result.case}" for result in found if result.outcome == "not run"]

    assert not wrong(found), "\n".join(wrong(found))
    assert not beside.losses, beside.losses[:5]
    plane.until(lambda: _is_as(plane, before))


def _is_as(plane: Plane, before: World) -> None:
    difference = world.difference(before, world.of_instance(plane))
    assert not difference, difference


class Lives:
    """
    Many scenarios at once, each hurt once a chapter.

    Faults that do not kill concern one scenario alone. A kill of the control plane concerns all
    that go on at that moment: theirs is then a harder case than the one that is noted for them.

    What leads back to where it began is lived through where a case of it waits. A task that hangs
    is mended by a control plane that lives for longer than the task's grace: while such a case goes
    on, nobody else kills it.
    """

    def __init__(self, recording: Recording, swept: Sweep) -> None:
        self._recording, self._sweep = recording, swept
        self._plane = recording.plane
        self._undisturbed = threading.Lock()
        self._numbers = iter(range(1, 1_000_000))
        ends = max(swept.count(chapter) for chapter in ("create", "delete"))
        rounds = max(swept.count(chapter) for chapter in ROUND)
        self._rounds = max(1, math.ceil(rounds / max(ends, 1)))

    def work(self) -> None:
        while self._sweep.is_waiting():
            project = f"{self._sweep.name}{next(self._numbers)}"
            scenario = Scenario(self._plane, project, self._recording.image)
            try:
                self._live(scenario)
            except (GivenUp, AssertionError, WrongRequest) as error:
                say(f"{project} is given up: {error!r}"[:600])
                self._give_up(scenario)

    def _live(self, scenario: Scenario) -> None:
        self._chapter("create", scenario)
        for _ in range(self._rounds):
            if not self._sweep.is_waiting(*ROUND):
                break
            for chapter in ROUND:
                if chapter not in OPTIONAL or self._sweep.is_waiting(chapter):
                    self._chapter(chapter, scenario)
        self._chapter("delete", scenario)

    def _chapter(self, chapter: Chapter, scenario: Scenario) -> None:
        attempt = self._sweep.take(chapter)
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
        with self._undisturbed:
            if chapter == "mend":
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
        if chapter not in WARM:
            self._settle(chapter, scenario, attempt, armed)
            return 0
        load = Load(scenario.url, every_seconds=LOAD_EVERY_SECONDS, clients=1)
        with load.running():
            self._settle(chapter, scenario, attempt, armed)
        assert not load.losses, f"{len(load.losses)} requests were lost: {load.losses[:3]}"
        assert load.answers
        return len(load.answers)

    def _settle(
        self, chapter: Chapter, scenario: Scenario, attempt: Attempt | None, armed: Armed | None
    ) -> None:
        wanted = self._recording.reference[chapter]
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
        except (AssertionError, WrongRequest) as error:
            say(f"{scenario.project} cannot be deleted: {error}"[:600])
