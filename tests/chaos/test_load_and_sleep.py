"""
Load that comes and goes, control planes that are restarted under it, and freezes that race calls.

The number of replicas is read from the engine: what the control plane says of itself is not asked.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path

import httpx
import pytest

from chaos import damage, results
from chaos.plane import Plane, a_plane
from chaos.sampling import Sampling
from chaos.scenario import COLD_SECONDS, SLEEPY
from docker_bench import open_bench
from e2e.installation import Installation
from eventually import BUSY
from freeze_race import First, Raced, race
from load import Load
from spacecloud.drivers.driver import WOKEN_SECONDS

pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]

PROJECT = "load"
CLIENTS, CALL_SECONDS, TARGET = 20, 1, 5
"""So many calls in flight of which a replica is to have so many at the most."""

SCALE = {"replicas": 1, "minReplicas": 1, "maxReplicas": 6, "mode": "parallel"}
RISES_SECONDS, FALLS_SECONDS = 10 * BUSY, 60 + 12 * BUSY
"""The panic window is 6 s long, the stable one 60 s."""

RACES, RACES_AT_ONCE, RACE_SECONDS = 10_000, 2, 1800
"""At once, each of a service of its own: most of a try is waiting for the engine."""

SLEEPERS, SLEEPERS_SECONDS = 20, 120


@pytest.fixture(scope="module")
def plane(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with a_plane(tmp_path_factory.mktemp("load"), 4, images) as plane:
        yield plane


def replicas(plane: Plane) -> int:
    return len(damage.containers(plane, PROJECT, "service=web", "task=main"))


class Watch:
    """How many replicas run, seen often, until the block ends."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._ended = threading.Event()
        self.seen: list[int] = []

    @contextmanager
    def looking(self) -> Iterator["Watch"]:
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join(60)

    def _look(self) -> None:
        while not self._ended.wait(0.2):
            self.seen.append(replicas(self._plane))


def is_served_by(plane: Plane, least: int, most: int) -> None:
    found = replicas(plane)
    assert least <= found <= most, found
    status = plane.is_ready(PROJECT, "web", found)
    assert status["readyReplicas"] == found


def test_replicas_follow_load_and_never_fall_because_a_control_plane_is_restarted(
    plane: Plane,
) -> None:
    scale = {**SCALE, "concurrency": TARGET}
    plane.user.apply(PROJECT, "web", scale=scale)
    plane.user.ingress(PROJECT, "web", f"/{PROJECT}", "web", rewrite="/")
    plane.until(lambda: is_served_by(plane, 1, 1))
    url = f"{plane.installation.url}/{PROJECT}/sleep?s={CALL_SECONDS}"
    load = Load(url, every_seconds=0, clients=CLIENTS)
    rest = Load(url, every_seconds=0, clients=1)

    least = CLIENTS // TARGET
    with load.running():
        rises = plane.until(lambda: is_served_by(plane, least, 6), within=RISES_SECONDS)
        plane.until(lambda: is_settled(plane))
        with Watch(plane).looking() as watch:
            before = replicas(plane)
            for _ in range(2):
                starts = plane.starts
                plane.restart()
                plane.until(lambda s=starts: has_started(plane, s))  # type: ignore[misc]
                time.sleep(3 * CALL_SECONDS)
        plane.until(lambda: is_served_by(plane, before, 6))
    with rest.running():
        falls = plane.until(lambda: is_served_by(plane, 1, 1), within=FALLS_SECONDS)

    results.write(
        "load",
        {"rises": round(rises, 1), "falls": round(falls, 1), "requests": len(load.answers)},
    )
    assert not load.losses, load.losses[:5]
    assert rest.answers
    assert not rest.losses, rest.losses[:5]
    assert watch.seen
    assert min(watch.seen) >= before, (before, watch.seen)


def is_settled(plane: Plane) -> None:
    """Nothing is on its way up: what falls from here on is scaled down."""
    status = plane.status(PROJECT, "web")
    assert status["state"] == "ready", status["message"]


def has_started(plane: Plane, starts: int) -> None:
    assert plane.starts > starts
    plane.statuses(PROJECT)
    is_settled(plane)


def test_ten_thousand_freezes_that_race_a_call_cost_it_nothing(
    tmp_path: Path, sampling: Sampling, not_run: list[str]
) -> None:
    """At the driver, as fast as it goes; of the whole product the test after this one."""

    ends_at = min(sampling.ends_at, time.monotonic() + RACE_SECONDS)

    async def race_of(number: int, subnet: IPv4Network) -> Raced:
        folder = tmp_path / str(number)
        folder.mkdir()
        async with open_bench(folder, woken_seconds=0, subnet=str(subnet)) as bench:
            await bench.workloads.execute(bench.op())
            await bench.ready()
            return await race(bench, RACES // RACES_AT_ONCE, f"chaos {number}", ends_at)

    async def run() -> None:
        subnets = islice(Installation(tmp_path, 8).pools[0].subnets(new_prefix=25), RACES_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(race_of(*each)) for each in enumerate(subnets)]
        raced = [task.result() for task in begun]
        tries = sum(each.tries for each in raced)
        first = sum((each.first for each in raced), Counter[First]())
        results.write("freeze race", {"tries": tries, "first": dict(first)})
        lost = [line for each in raced for line in each.lost]
        assert not lost, lost[:5]
        if tries < RACES:
            not_run.append(f"freeze race: {RACES - tries} of {RACES} tries")

    asyncio.run(run())


def test_calls_that_race_their_service_falling_asleep_are_all_answered(plane: Plane) -> None:
    """Many services in parallel: what was woken is not laid down again for seconds."""
    names = [f"s{number}" for number in range(SLEEPERS)]
    for name in names:
        plane.user.apply(PROJECT, name, scale=SLEEPY)
        plane.user.ingress(PROJECT, name, f"/{name}", name, rewrite="/")
    for name in names:
        plane.until(lambda n=name: plane.is_ready(PROJECT, n, 1), within=120)  # type: ignore[misc]
    ends_at = time.monotonic() + SLEEPERS_SECONDS

    with ThreadPoolExecutor(SLEEPERS) as callers:
        tries = list(callers.map(lambda name: doze(plane, name, ends_at), names))

    answered = [one for each in tries for one in each]
    held = sum(was_held for _, was_held in answered)
    results.write("falling asleep", {"tries": len(answered), "held": held})
    lost = [answer for answer, _ in answered if answer != "200"]
    assert not lost, lost[:5]
    assert 0 < held < len(answered)


def doze(plane: Plane, name: str, ends_at: float) -> list[tuple[str, bool]]:
    """It is sent to sleep and called, at any moment of that; what came of each, and was it held."""
    found, delays = [], random.Random(name)
    path = f"/v1/runner/{PROJECT}/scaling/{name}/v1"
    with httpx.Client(timeout=COLD_SECONDS) as client:
        while time.monotonic() < ends_at:
            plane.declare("POST", path, {"asleep": "frozen"})
            time.sleep(delays.uniform(0, 1.5 * WOKEN_SECONDS))
            try:
                answer = client.get(f"{plane.installation.url}/{name}")
                was_held = "space-cloud-wake-ms" in answer.headers
                found.append((str(answer.status_code), was_held))
            except httpx.HTTPError as error:
                found.append((repr(error), False))
    return found
