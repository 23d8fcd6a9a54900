"""
The same sweep of what is no service's: rules, route, gateway, resolver, ingress, host ports.

The ground is wounded (or declared anew), and what the control plane does to mend it is hurt in
every way: of the calls with equal names, whichever wound they mend, the first. Several platforms
beside each other share the work. Afterwards the machine is as before, a pod reaches its service
by name, and ingress answers. The service beside loses no request where the wound itself leaves
its way open.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial

import httpx
import pytest

from chaos import damage, results, world
from chaos.faults import FAULTS, GROUND, Point
from chaos.local_registry import in_a_registry
from chaos.plane import Plane, a_plane
from chaos.results import say
from chaos.sampling import Sampling
from chaos.scenario import CREATE, SERVICE, Scenario
from chaos.sweep import Attempt, GivenUp, Sweep, Tried, cases_of, first_of_each, sampled, wrong
from chaos.world import World
from eventually import holds_within
from load import Load

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

PROJECT = "calm"
OTHER_HOST, HOST_PORT = "other.example", 9
PLATFORMS = 5
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

    has_host_port: bool = False

    def settle(self) -> None:
        service = Scenario(self.plane, PROJECT, self.image)
        service.tell(CREATE)
        service.settle(CREATE, None)
        self.plane.until(self.serves)
        self.before = world.of_instance(self.plane)

    def is_as_before(self) -> None:
        difference = world.difference(self.before, world.of_instance(self.plane))
        assert not difference, difference
        self.serves()

    def serves(self) -> None:
        self.plane.is_ready(PROJECT, SERVICE, 1)
        assert self._answered(f"/{PROJECT}", "localhost") == 200
        assert self._answered("/", OTHER_HOST) == (200 if self.other else 404)
        assert world.host_ports(self.plane) == ([HOST_PORT] if self.has_host_port else [])
        called = self.plane.machine.call(PROJECT, SERVICE, "http", f"http://{SERVICE}:8080/")
        assert called["ok"], called

    def _answered(self, path: str, host: str) -> int:
        url = f"{self.plane.installation.url}{path}"
        return httpx.get(url, headers={"Host": host}, timeout=5).status_code


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


def declare_host_ports(ground: Ground) -> None:
    ground.has_host_port = not ground.has_host_port
    egress = [{"port": HOST_PORT}] if ground.has_host_port else []
    ground.plane.declare("POST", f"/v1/config/projects/{PROJECT}", {"egress": egress})


def restart(ground: Ground) -> None:
    ground.plane.may_end = True
    starts = ground.plane.starts
    ground.plane.restart()
    assert holds_within(lambda: ground.plane.starts > starts, 30), "it does not end"


DAMAGES: tuple[Damage, ...] = (
    restart,
    declare_ingress,
    declare_host_ports,
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

LEAVES_THE_RULES: tuple[Damage, ...] = (
    declare_ingress,
    stop_gateway,
    freeze_resolver,
    remove_resolver,
    remove_gateway,
)
"""Rules that are read meanwhile were written by somebody else on this machine, who may not come again."""

TURNS: tuple[Damage, ...] = (declare_ingress, declare_host_ports)
"""Declared the first time, taken back the next: what is called differs."""


@pytest.fixture(scope="module")
def grounds(
    images: dict[str, str], tmp_path_factory: pytest.TempPathFactory, sampling: Sampling
) -> Iterator[list[Ground]]:
    with ExitStack() as opened:
        image = opened.enter_context(in_a_registry(images["echo"]))
        grounds = []
        for number in range(1, 1 + (PLATFORMS if sampling.sample is None else 1)):
            folder = tmp_path_factory.mktemp(f"ground{number}")
            plane = opened.enter_context(a_plane(folder, number, images))
            grounds.append(Ground(plane, image))
        for ground in grounds:
            ground.settle()
        yield grounds


def points_of(ground: Ground, kinds: Sequence[Damage]) -> list[tuple[str, Point]]:
    """Each with the damage that passes it first."""
    known: set[str] = set()
    found: list[tuple[str, Point]] = []
    for kind in kinds:
        for _ in range(rounds(kind)):
            since = ground.plane.board.now()
            kind(ground)
            ground.plane.until(ground.serves)
            time.sleep(FIRING_SECONDS)
            first = first_of_each(ground.plane.board.points(GROUND, since))
            news = [p for p in first if p.name not in known and not is_by_chance(p, kind)]
            found += [(kind.__name__, point) for point in news]
            known |= {point.name for point in news}
        ground.plane.until(ground.is_as_before)
    return found


def is_by_chance(point: Point, kind: Damage) -> bool:
    return point.kind == "rules" and kind in LEAVES_THE_RULES


def kinds_of(sampling: Sampling) -> tuple[Damage, ...]:
    """Of a sample, as many as there are cases: each has to be seen unhurt first."""
    if (count := sampling.share("ground")) is None:
        return DAMAGES
    chosen = random.Random(f"{sampling.seed} damage").sample(DAMAGES, min(count, len(DAMAGES)))
    return tuple(kind for kind in DAMAGES if kind in chosen)


@pytest.mark.sweep
def test_the_ground_is_mended_whatever_happens_to_the_mending(
    grounds: list[Ground], sampling: Sampling, not_run: list[str]
) -> None:
    points = points_of(grounds[0], kinds_of(sampling))
    cases = sampled(cases_of(points, FAULTS), sampling.share("ground"), f"{sampling.seed} ground")
    say(f"ground: {len(points)} points, {len(cases)} cases")
    swept = Sweep("ground", cases, sampling.ends_at)

    found = swept.run([partial(work, ground, swept) for ground in grounds])

    results.write(
        "sweep: ground",
        {
            "cases": [{**asdict(result), "case": str(result.case)} for result in found],
            "seconds": results.spread(r.seconds for r in found if r.outcome == "converged"),
        },
    )
    not_run += [f"ground: {result.case}" for result in found if result.outcome == "not run"]
    if sampling.sample is None:
        assert {point.kind for _, point in points} >= {"engine", "rules", "xds", "store"}
    assert not wrong(found), "\n".join(wrong(found))


def work(ground: Ground, swept: Sweep) -> None:
    while (attempt := swept.take()) is not None:
        try:
            swept.attempt(attempt, partial(hurt, ground))
        except GivenUp as error:
            say(f"ground: {error} went wrong")


def hurt(ground: Ground, attempt: Attempt) -> Tried:
    """Raises where the ground is not mended after it."""
    plane = ground.plane
    (kind,) = [damage for damage in DAMAGES if damage.__name__ == attempt.case.place]
    armed = attempt.armed(GROUND, plane.board.now())
    load = Load(f"{plane.installation.url}/{PROJECT}", every_seconds=0.05, clients=1)
    with load.running(), plane.board.armed(armed):
        for _ in range(rounds(kind)):
            kind(ground)
            if attempt.fires(plane.board, armed, FIRING_SECONDS):
                break
        plane.until(ground.is_as_before)
        plane.may_end = False
    if kind not in CLOSES_THE_WAY:
        assert not load.losses, f"{len(load.losses)} requests were lost: {load.losses[:3]}"
    return Tried(plane.board.has_fired(armed), len(load.answers))


def rounds(kind: Damage) -> int:
    """Declared and taken back: it is as before, and every call has been made."""
    return 2 if kind in TURNS else 1
