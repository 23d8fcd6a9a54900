"""
The same sweep of what is no service's: rules, route, gateway, resolver, ingress, host ports.

The host is damaged (or declared anew), and what the control plane does to mend it fails in
every way: of the calls with equal names, whatever damage they mend, the first. Several platforms
beside each other share the work. Afterwards the machine is as before, a pod reaches its service
by name, and ingress answers. The service beside loses no request where the damage itself leaves
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
from chaos.faults import FAULTS, HOST, Point
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
"""A look at the host is due every five."""

Damage = Callable[["Host"], None]


@dataclass
class Host:
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


def flush_rules(host: Host) -> None:
    damage.flush_rules(host.plane)


def remove_route(host: Host) -> None:
    damage.remove_route(host.plane)


def remove_gateway(host: Host) -> None:
    damage.docker("rm", "-f", damage.part(host.plane, "gateway"))


def remove_resolver(host: Host) -> None:
    damage.docker("rm", "-f", damage.part(host.plane, "resolver"))


def stop_gateway(host: Host) -> None:
    """By hand: the engine does not start it again."""
    damage.docker("stop", "-t", "0", damage.part(host.plane, "gateway"))


def freeze_resolver(host: Host) -> None:
    damage.docker("pause", damage.part(host.plane, "resolver"))


def declare_ingress(host: Host) -> None:
    """On another host: a virtual host that comes, and goes the next time."""
    path = f"/v1/config/projects/{PROJECT}/routing/ingress/other"
    host.other = not host.other
    if not host.other:
        host.plane.declare("DELETE", path)
        return
    body = {
        "source": {"hosts": [OTHER_HOST], "url": "/", "type": "prefix"},
        "targets": [{"host": f"{SERVICE}.{PROJECT}.svc.cluster.local", "port": 8080}],
    }
    host.plane.declare("POST", path, body)


def declare_host_ports(host: Host) -> None:
    host.has_host_port = not host.has_host_port
    egress = [{"port": HOST_PORT}] if host.has_host_port else []
    host.plane.declare("POST", f"/v1/config/projects/{PROJECT}", {"egress": egress})


def restart(host: Host) -> None:
    host.plane.may_end = True
    starts = host.plane.starts
    host.plane.restart()
    assert holds_within(lambda: host.plane.starts > starts, 30), "it does not end"


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
"""What happens every time before what happens sometimes: the first of a call is what fails."""

CLOSES_THE_WAY: tuple[Damage, ...] = (stop_gateway, remove_gateway)
"""From outside to the service, while the damage lasts."""

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
def hosts(
    images: dict[str, str], tmp_path_factory: pytest.TempPathFactory, sampling: Sampling
) -> Iterator[list[Host]]:
    with ExitStack() as opened:
        image = opened.enter_context(in_a_registry(images["echo"]))
        hosts = []
        for number in range(1, 1 + (PLATFORMS if sampling.sample is None else 1)):
            folder = tmp_path_factory.mktemp(f"host{number}")
            plane = opened.enter_context(a_plane(folder, number, images))
            hosts.append(Host(plane, image))
        for host in hosts:
            host.settle()
        yield hosts


def points_of(host: Host, kinds: Sequence[Damage]) -> list[tuple[str, Point]]:
    """Each with the damage that passes it first."""
    known: set[str] = set()
    found: list[tuple[str, Point]] = []
    for kind in kinds:
        for _ in range(rounds(kind)):
            since = host.plane.board.now()
            kind(host)
            host.plane.until(host.serves)
            time.sleep(FIRING_SECONDS)
            first = first_of_each(host.plane.board.points(HOST, since))
            news = [p for p in first if p.name not in known and not is_by_chance(p, kind)]
            found += [(kind.__name__, point) for point in news]
            known |= {point.name for point in news}
        host.plane.until(host.is_as_before)
    return found


def is_by_chance(point: Point, kind: Damage) -> bool:
    return point.kind == "rules" and kind in LEAVES_THE_RULES


def kinds_of(sampling: Sampling) -> tuple[Damage, ...]:
    """Of a sample, as many as there are cases: each has to be seen without a fault first."""
    if (count := sampling.share("host")) is None:
        return DAMAGES
    chosen = random.Random(f"{sampling.seed} damage").sample(DAMAGES, min(count, len(DAMAGES)))
    return tuple(kind for kind in DAMAGES if kind in chosen)


@pytest.mark.sweep
def test_the_host_is_mended_whatever_happens_to_the_mending(
    hosts: list[Host], sampling: Sampling, not_run: list[str]
) -> None:
    points = points_of(hosts[0], kinds_of(sampling))
    cases = sampled(cases_of(points, FAULTS), sampling.share("host"), f"{sampling.seed} host")
    say(f"host: {len(points)} points, {len(cases)} cases")
    swept = Sweep("host", cases, sampling.ends_at)

    found = swept.run([partial(work, host, swept) for host in hosts])

    results.write(
        "sweep: host",
        {
            "cases": [{**asdict(result), "case": str(result.case)} for result in found],
            "seconds": results.spread(r.seconds for r in found if r.outcome == "converged"),
        },
    )
    not_run += [f"host: {result.case}" for result in found if result.outcome == "not run"]
    if sampling.sample is None:
        assert {point.kind for _, point in points} >= {"engine", "rules", "xds", "store"}
    assert not wrong(found), "\n".join(wrong(found))


def work(host: Host, swept: Sweep) -> None:
    while (attempt := swept.take()) is not None:
        try:
            swept.attempt(attempt, partial(with_fault, host))
        except GivenUp as error:
            say(f"host: {error} went wrong")


def with_fault(host: Host, attempt: Attempt) -> Tried:
    """Raises where the host is not mended after it."""
    plane = host.plane
    (kind,) = [damage for damage in DAMAGES if damage.__name__ == attempt.case.place]
    armed = attempt.armed(HOST, plane.board.now())
    load = Load(f"{plane.installation.url}/{PROJECT}", every_seconds=0.05, clients=1)
    with load.running(), plane.board.armed(armed):
        for _ in range(rounds(kind)):
            kind(host)
            if attempt.fires(plane.board, armed, FIRING_SECONDS):
                break
        plane.until(host.is_as_before)
        plane.may_end = False
    if kind not in CLOSES_THE_WAY:
        assert not load.losses, f"{len(load.losses)} requests were lost: {load.losses[:3]}"
    return Tried(plane.board.has_fired(armed), len(load.answers))


def rounds(kind: Damage) -> int:
    """Declared and taken back: it is as before, and every call has been made."""
    return 2 if kind in TURNS else 1
