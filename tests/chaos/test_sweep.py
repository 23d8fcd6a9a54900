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

import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pytest

from chaos import results, world
from chaos.faults import FAULTS, KILLS, Fault, Point
from chaos.local_registry import in_a_registry
from chaos.plane import Plane, a_plane
from chaos.results import say
from chaos.scenario import CHAPTERS, Chapter, Scenario
from chaos.sweep import Case, Sweep, first_of_each
from chaos.world import World
from load import Load
from spacecloud.workloads import operations

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]

CARRIED_OUT = {
    *typing.get_args(operations.WorkloadOp),
    *typing.get_args(operations.StoreOp),
    *typing.get_args(operations.TrafficOp),
    operations.PublishNames,
}
"""Every operation but those that only wait: these touch nothing."""

HURT: tuple[Fault, ...] = tuple(fault for fault in FAULTS if fault not in KILLS)
AT_ONCE, AT_ONCE_WHEN_KILLED = 8, 4


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
        story = Scenario(plane, project, image)
        for chapter in CHAPTERS:
            since = plane.board.now()
            story.tell(chapter)
            wanted = () if chapter == "delete" else reference.get(chapter)
            reference[chapter] = story.settle(chapter, wanted)
            points.setdefault(chapter, first_of_each(plane.board.points(project, since)))
    executed = plane.board.executed("recorded")
    say(f"{sum(map(len, points.values()))} points in {len(CHAPTERS)} chapters")
    return Recording(plane, image, reference, points, executed)


def test_every_operation_of_a_plan_has_a_point_where_it_can_be_hurt(recording: Recording) -> None:
    found = {point.operation for points in recording.points.values() for point in points}

    assert recording.executed == {op.__name__ for op in CARRIED_OUT}
    assert recording.executed <= found, recording.executed - found


def test_an_effect_that_fails_hangs_or_is_late_changes_nothing_in_the_end(
    recording: Recording,
) -> None:
    sweep(recording, "h", HURT, AT_ONCE)


def test_a_control_plane_that_is_killed_anywhere_goes_on_where_it_was(
    recording: Recording,
) -> None:
    sweep(recording, "k", KILLS, AT_ONCE_WHEN_KILLED)


def sweep(recording: Recording, letter: str, faults: tuple[Fault, ...], at_once: int) -> None:
    plane = recording.plane
    cases = tuple(
        Case(chapter, point, fault)
        for chapter, points in recording.points.items()
        for point in points
        for fault in faults
    )
    before, starts = world.of_instance(plane), plane.starts
    beside = Load(f"{plane.installation.url}/beside")
    with beside.running():
        Sweep(plane, recording.image, recording.reference, letter, cases).run(at_once)
    results.write(
        f"sweep: {', '.join(faults)}",
        {
            "cases": [{**asdict(case), "point": case.point.name} for case in cases],
            "seconds": results.spread(case.seconds for case in cases),
            "requests": sum(case.requests for case in cases) + len(beside.answers),
            "restarts": plane.starts - starts,
        },
    )

    wrong = [f"{case}: {case.outcome}" for case in cases if case.outcome != "converged"]
    assert not wrong, "\n".join(wrong)
    assert not beside.losses, beside.losses[:5]
    plane.until(lambda: _is_as(plane, before))


def _is_as(plane: Plane, before: World) -> None:
    said = world.difference(before, world.of_instance(plane))
    assert not said, said
