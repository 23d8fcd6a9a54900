"""
The engine restarts, with and without live-restore: same services, same addresses, serving again.

The engine is one of the test's own, in a network namespace of its own, as everything here is.
The replicas are made in another order than their addresses are in, since an engine that starts
containers again as it likes must not mix them up.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chaos import damage, results
from chaos.engine import Engine, an_engine
from chaos.plane import Plane, a_plane
from chaos.scenario import COLD_SECONDS, SLEEPY
from container_state import state_of
from lanes import lane
from load import Load
from spacecloud.model.scaling import Depth

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PROJECT = "engine"
REPLICAS = 3
SERVICES = {"web": REPLICAS, "api": 1}
SLEEPERS: dict[str, Depth] = {"cold": "stopped", "cool": "frozen"}


@contextmanager
def a_place(images: dict[str, str], *flags: str) -> Iterator[tuple[Engine, Plane]]:
    folder = Path(tempfile.mkdtemp(prefix="sce"))
    try:
        with an_engine(folder, f"sc-chaos-{lane()}", *flags) as engine:
            stage = folder / "s"
            stage.mkdir()
            with a_plane(stage, 6, images, SPACE_CLOUD_DOCKER_HOST=engine.host) as plane:
                deploy(plane)
                yield engine, plane
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def deploy(plane: Plane) -> None:
    for service, replicas in SERVICES.items():
        scale = {"replicas": replicas, "minReplicas": replicas, "maxReplicas": replicas}
        plane.user.apply(PROJECT, service, scale=scale)
    plane.user.ingress(PROJECT, "web", f"/{PROJECT}", "web", rewrite="/")
    plane.until(lambda: is_whole(plane))
    # The first is made last: the order of their making is no more that of their addresses.
    for slot in ("0", "1"):
        damage.docker("rm", "-f", *damage.containers(plane, PROJECT, "service=web", f"slot={slot}"))
        plane.until(lambda: is_whole(plane))


def is_whole(plane: Plane) -> None:
    for service, replicas in SERVICES.items():
        plane.is_ready(PROJECT, service, replicas)
    try:
        answer = httpx.get(f"{plane.installation.url}/{PROJECT}", timeout=2)
    except httpx.HTTPError as error:
        raise AssertionError(repr(error)) from error
    assert answer.status_code == 200, answer.text
    called = plane.machine.call(PROJECT, "web", "http", "http://api:8080/", "--timeout", "2")
    assert called["ok"], called


def addresses(plane: Plane) -> dict[str, str]:
    """Of each replica, as the engine has it, and of each name, as a pod has it."""
    found = {}
    for service in SERVICES:
        for name in damage.containers(plane, PROJECT, f"service={service}"):
            template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
            if address := damage.docker("inspect", "-f", template, name):
                found[name] = address
        resolved = plane.machine.call(PROJECT, "web", "resolve", service)
        found[service] = str(resolved["addresses"])
    return found


def was_restarted(plane: Plane, what: str, before: dict[str, str]) -> None:
    seconds = plane.until(lambda: is_whole(plane), within=120)
    results.say(f"{what}: whole after {seconds:.1f} s")
    results.write(what, {"seconds until whole": round(seconds, 2)})
    assert addresses(plane) == before


def test_without_live_restore_all_comes_back_where_it_was(images: dict[str, str]) -> None:
    with a_place(images) as (engine, plane):
        before = addresses(plane)
        assert len(before) == REPLICAS + 1 + len(SERVICES)

        engine.stop()
        engine.start()
        was_restarted(plane, "engine restarted", before)

        engine.kill()
        engine.start()
        was_restarted(plane, "engine killed", before)


def test_what_sleeps_when_the_engine_is_restarted_sleeps_on_and_wakes(
    images: dict[str, str],
) -> None:
    with a_place(images) as (engine, plane):
        for service, depth in SLEEPERS.items():
            plane.user.apply(PROJECT, service, scale=SLEEPY)
            plane.user.ingress(PROJECT, service, f"/{service}", service, rewrite="/")
            plane.until(lambda s=service: plane.is_ready(PROJECT, s, 1))  # type: ignore[misc]
            path = f"/v1/runner/{PROJECT}/scaling/{service}/v1"
            plane.declare("POST", path, {"asleep": depth})
        plane.until(lambda: all_sleep(plane))

        engine.stop()
        engine.start()
        plane.until(lambda: is_whole(plane), within=120)
        all_sleep(plane)

        for service in SLEEPERS:
            answer = httpx.get(f"{plane.installation.url}/{service}", timeout=COLD_SECONDS)
            assert answer.status_code == 200, answer.text
            assert answer.json()["name"] == service
            plane.until(lambda s=service: plane.is_ready(PROJECT, s, 1))  # type: ignore[misc]


def all_sleep(plane: Plane) -> None:
    """A stopped one is started by nobody, and a frozen one that has ended is not either."""
    for service, depth in SLEEPERS.items():
        (status,) = [s for s in plane.statuses(PROJECT) if s["serviceId"] == service]
        shown = (status["state"], status["message"])
        assert status["observedGeneration"] == status["generation"], shown
        assert status["state"] == "asleep", shown
        running = damage.containers(plane, PROJECT, f"service={service}", "task=main")
        states = {state_of(name) for name in running}
        assert states <= ({"frozen"} if depth == "frozen" else set()), states


def test_with_live_restore_no_request_is_lost(images: dict[str, str]) -> None:
    with a_place(images, "--live-restore") as (engine, plane):
        before = addresses(plane)
        load = Load(f"{plane.installation.url}/{PROJECT}")

        with load.running():
            engine.stop()
            engine.start()
            was_restarted(plane, "engine restarted with live-restore", before)

        assert not load.losses, load.losses[:5]


def test_control_plane_and_engine_restarted_together_come_back(images: dict[str, str]) -> None:
    with a_place(images) as (engine, plane):
        before = addresses(plane)

        plane.may_end = True
        plane.kill()
        engine.stop()
        engine.start()
        was_restarted(plane, "engine and control plane restarted", before)
