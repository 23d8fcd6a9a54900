"""
The same sweep of what is no service's: rules, route, gateway, resolver, ingress, host doors.

The ground is wounded (or declared anew), and what the control plane does to mend it is hurt in
every way: of the calls with equal names, whichever wound they mend, the first. Several platforms
beside each other share the work. Afterwards the machine is as before, a pod reaches its service
by name, and ingress answers. The service beside loses no request where the wound itself leaves
its way open.
"""

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import httpx
import pytest

from chaos import damage, results, world
from chaos.faults import FAULTS, GROUND, Armed, Fault, Point
from chaos.local_registry import in_a_registry
from chaos.plane import Plane, a_plane
from chaos.results import say
from chaos.scenario import SERVICE, Scenario
from chaos.sweep import first_of_each
from chaos.world import World
from load import Load

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]

PROJECT = "calm"
OTHER_HOST, DOOR = "other.example", 9
PLATFORMS = 5
TRIES = 4
"""What a wound needs to be mended differs a little with when it is noticed."""

FIRING_SECONDS = 8
"""A look at the ground is due every five."""

Damage = Callable[["Ground"], None]


@dataclass
class Ground:
    """One platform with one service on it."""

    plane: Plane
    image: str
    before: World = ()
    other: bool = False
    """Is the route of the other host declared?"""

    door: bool = False

    def settle(self) -> None:
        service = Scenario(self.plane, PROJECT, self.image)
        service.tell("create")
        service.settle("create", None)
        self.plane.until(self.serves)
        self.before = world.of_instance(self.plane)

    def is_as_before(self) -> None:
        said = world.difference(self.before, world.of_instance(self.plane))
        assert not said, said
        self.serves()

    def serves(self) -> None:
        self.plane.is_ready(PROJECT, SERVICE, 1)
        assert self._answered(f"/{PROJECT}", "localhost") == 200
        assert self._answered("/", OTHER_HOST) == (200 if self.other else 404)
        assert world.doors(self.plane) == ([DOOR] if self.door else [])
        called = self.plane.machine.call(PROJECT, SERVICE, "http", f"http://{SERVICE}:8080/")
        assert called["ok"], called

    def _answered(self, path: str, host: str) -> int:
        try:
            url = f"{self.plane.installation.url}{path}"
            return httpx.get(url, headers={"Host": host}, timeout=5).status_code
        except httpx.HTTPError as error:
            raise AssertionError(repr(error)) from error


def flush_rules(ground: Ground) -> None:
    damage.flush_rules(ground.plane)


def remove_route(ground: Ground) -> None:
    damage.remove_route(ground.plane)


def remove_gateway(ground: Ground) -> None:
    damage.docker("rm", "-f", damage.part(ground.plane, "gateway"))


def remove_resolver(ground: Ground) -> None:
    damage.docker("rm", "-f", damage.part(ground.plane, "resolver"))


def stop_gateway(ground: Ground) -> None:
    """By hand: the engine does not start it again."""
    damage.docker("stop", "-t", "0", damage.part(ground.plane, "gateway"))


def freeze_resolver(ground: Ground) -> None:
    damage.docker("pause", damage.part(ground.plane, "resolver"))


def declare_ingress(ground: Ground) -> None:
    """On another host: a virtual host that comes, and goes the next time."""
    path = f"/v1/config/projects/{PROJECT}/routing/ingress/other"
    ground.other = not ground.other
    if not ground.other:
        ground.plane.declare("DELETE", path)
        return
    body = {
        "source": {"hosts": [OTHER_HOST], "url": "/", "type": "prefix"},
        "targets": [{"host": f"{SERVICE}.{PROJECT}.svc.cluster.local", "port": 8080}],
    }
    ground.plane.declare("POST", path, body)


def declare_doors(ground: Ground) -> None:
    ground.door = not ground.door
    doors = [{"port": DOOR}] if ground.door else []
    ground.plane.declare("POST", f"/v1/config/projects/{PROJECT}", {"egress": doors})


def restart(ground: Ground) -> None:
    ground.plane.may_end = True
    starts = ground.plane.starts
    ground.plane.restart()
    while ground.plane.starts == starts:
        time.sleep(0.05)


DAMAGES: tuple[Damage, ...] = (
    restart,
    declare_ingress,
    declare_doors,
    flush_rules,
    remove_route,
    stop_gateway,
    freeze_resolver,
    remove_resolver,
    remove_gateway,
)
"""What happens every time before what happens sometimes: the first of a call is what is hurt."""

CLOSES_THE_WAY: tuple[Damage, ...] = (stop_gateway, remove_gateway)
"""From outside to the service, while it is a wound."""

TURNS: tuple[Damage, ...] = (declare_ingress, declare_doors)
"""Declared the first time, taken back the next: what is called differs."""


@dataclass
class Case:
    kind_of_damage: str
    point: Point
    fault: Fault
    outcome: str = ""
    seconds: float = 0.0
    tries: int = 0

    def __str__(self) -> str:
        return f"{self.kind_of_damage}: {self.fault} at {self.point.name}"


@pytest.fixture(scope="module")
def grounds(
    images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Ground]]:
    with ExitStack() as opened:
        image = opened.enter_context(in_a_registry(images["echo"]))
        grounds = []
        for number in range(1, 1 + PLATFORMS):
            folder = tmp_path_factory.mktemp(f"ground{number}")
            plane = opened.enter_context(a_plane(folder, number, images))
            grounds.append(Ground(plane, image))
        for ground in grounds:
            ground.settle()
        yield grounds


def points_of(ground: Ground) -> dict[str, list[Point]]:
    """By the wound that passes them first."""
    known: set[str] = set()
    found: dict[str, list[Point]] = {}
    for kind_of_damage in DAMAGES:
        for _ in range(rounds(kind_of_damage)):
            since = ground.plane.board.now()
            kind_of_damage(ground)
            ground.plane.until(ground.serves)
            time.sleep(FIRING_SECONDS)
            first = first_of_each(ground.plane.board.points(GROUND, since))
            news = [point for point in first if point.name not in known]
            found.setdefault(kind_of_damage.__name__, []).extend(news)
            known |= {point.name for point in news}
        ground.plane.until(ground.is_as_before)
    return found


def test_the_ground_is_mended_whatever_happens_to_the_mending(grounds: list[Ground]) -> None:
    points = points_of(grounds[0])
    kinds = {point.kind for found in points.values() for point in found}
    cases = [
        Case(kind_of_damage, point, fault)
        for kind_of_damage, found in points.items()
        for point in found
        for fault in FAULTS
    ]
    say(f"ground: {sum(map(len, points.values()))} points, {len(cases)} cases")
    waiting = deque(cases)
    threads = [threading.Thread(target=work, args=(g, waiting), daemon=True) for g in grounds]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    results.write(
        "sweep: ground",
        {
            "cases": [{**asdict(case), "point": case.point.name} for case in cases],
            "seconds": results.spread(case.seconds for case in cases),
        },
    )
    assert kinds >= {"engine", "rules", "xds", "store"}
    wrong = [f"{case}: {case.outcome}" for case in cases if case.outcome != "converged"]
    assert not wrong, "\n".join(wrong)


def work(ground: Ground, waiting: deque[Case]) -> None:
    while waiting:
        try:
            case = waiting.popleft()
        except IndexError:
            return
        began = time.monotonic()
        case.tries += 1
        try:
            fired = hurt(ground, case)
        except Exception:  # noqa: BLE001 - the case has it, and others go on
            case.outcome = traceback.format_exc(limit=-4)
        else:
            case.outcome = "converged" if fired else "not reached"
        case.seconds = round(time.monotonic() - began, 2)
        if case.outcome == "not reached" and case.tries < TRIES:
            waiting.append(case)
        say(f"ground: {case}: {case.outcome}, {case.seconds} s, {len(waiting)} left"[:800])


def hurt(ground: Ground, case: Case) -> bool:
    """Was the fault done? Raises where the ground is not mended after it."""
    plane = ground.plane
    (kind_of_damage,) = [w for w in DAMAGES if w.__name__ == case.kind_of_damage]
    id = f"{case.kind_of_damage}-{case.point.name}-{case.fault}-{case.tries}"
    armed = Armed(id, GROUND, case.point.name, case.point.ordinal, case.fault, plane.board.now())
    load = Load(f"{plane.installation.url}/{PROJECT}", every_seconds=0.05, clients=1)
    with load.running():
        plane.board.arm([armed])
        for _ in range(rounds(kind_of_damage)):
            kind_of_damage(ground)
            if fires(plane, id):
                break
        plane.until(ground.is_as_before)
        plane.board.arm(())
        plane.may_end = False
    if kind_of_damage not in CLOSES_THE_WAY:
        assert not load.losses, f"{len(load.losses)} requests were lost: {load.losses[:3]}"
    return id in plane.board.fired()


def rounds(kind_of_damage: Damage) -> int:
    """Declared and taken back: it is as before, and every call has been made."""
    return 2 if kind_of_damage in TURNS else 1


def fires(plane: Plane, id: str) -> bool:
    deadline = time.monotonic() + FIRING_SECONDS
    while id not in plane.board.fired():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
