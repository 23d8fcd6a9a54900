"""
Parts die, and somebody's hand is in what is ours: repaired by itself, and said in the events.

How long each took is in ``build/chaos.json``. An event is found by the words that a person
would look for.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from chaos import damage, results, world
from chaos.plane import Plane, a_plane
from eventually import wait_until
from load import Load

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

PROJECT = "parts"
KILLS = 20
GATEWAY_PROMISE_SECONDS = 1.0
HOUR = 3600
took: dict[str, object] = {}


@pytest.fixture(scope="module")
def plane(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with a_plane(tmp_path_factory.mktemp("parts"), 8, images) as plane:
        for service in ("web", "api"):
            probe = {"type": "http", "path": "/health", "intervalSeconds": 1, "failures": 2}
            task = plane.user.task(service, probe=probe)
            plane.user.apply(PROJECT, service, tasks=[task])
        plane.user.ingress(PROJECT, "web", f"/{PROJECT}", "web", rewrite="/")
        plane.until(lambda: is_whole(plane))
        yield plane
    results.write("parts die", took)


@pytest.fixture(autouse=True)
def whole_and_alone(plane: Plane) -> Iterator[None]:
    """What one test broke is not the next one's concern; nothing more and nothing less is there."""
    plane.until(lambda: is_whole(plane))
    before = world.of_project(plane, PROJECT, ["web", "api"]), world.of_instance(plane)
    yield

    def check() -> None:
        is_whole(plane)
        after = world.of_project(plane, PROJECT, ["web", "api"]), world.of_instance(plane)
        for wanted, found in zip(before, after, strict=True):
            assert not (difference := world.difference(wanted, found)), difference

    plane.until(check)


def is_whole(plane: Plane) -> None:
    """By name from a pod, from outside, and by what the API says."""
    for service in ("web", "api"):
        plane.is_ready(PROJECT, service, 1)
    answers(plane)
    reaches(plane)


def answers(plane: Plane) -> httpx.Response:
    try:
        answer = httpx.get(f"{plane.installation.url}/{PROJECT}", timeout=2)
    except httpx.HTTPError as error:
        raise AssertionError(repr(error)) from error
    assert answer.status_code == 200, answer.text
    return answer


def reaches(plane: Plane) -> None:
    answer = plane.machine.call(PROJECT, "web", "http", "http://api:8080/", "--timeout", "2")
    assert answer["ok"], answer


@contextmanager
def recorded(plane: Plane, *patterns: str) -> Iterator[None]:
    """Whatever the block does, an event of each of these patterns is recorded."""
    before = known(plane)
    yield

    def check() -> None:
        news = list(known(plane) - before)
        for pattern in patterns:
            assert any(re.search(pattern, text) for text in news), (pattern, news)

    plane.until(check)


def known(plane: Plane) -> set[str]:
    return {
        f"{event['at']} {event['count']} {event['project']}/{event['service']} "
        f"{event['kind']}: {event['message']}"
        for event in plane.events()
    }


def mended(plane: Plane, what: str, check: Callable[[Plane], None] = is_whole) -> None:
    seconds = plane.until(lambda: check(plane))
    took[what] = round(seconds, 2)
    results.say(f"{what}: mended after {seconds:.2f} s")


# ---------------------------------------------------------------------- processes


def test_a_gateway_that_is_killed_twenty_times_in_a_row_serves_again(
    plane: Plane,
) -> None:
    seconds = []
    with recorded(plane, "space-cloud/platform Repaired: the gateway"):
        for _ in range(KILLS):
            died = damage.kill_process(damage.part(plane, "gateway"))
            wait_until(lambda: answers(plane), within=10 * GATEWAY_PROMISE_SECONDS, every=0.01)
            seconds.append(time.monotonic() - died)

    took["gateway killed"] = {**results.spread(seconds), "promise": GATEWAY_PROMISE_SECONDS}
    results.say(f"gateway killed: {took['gateway killed']}")


def test_a_resolver_that_is_killed_answers_again(plane: Plane) -> None:
    with recorded(plane, "space-cloud/platform Repaired: the resolver .* started"):
        damage.kill_process(damage.part(plane, "resolver"))
        mended(plane, "resolver killed")


def test_a_pod_whose_sandbox_is_killed_is_made_anew(plane: Plane) -> None:
    with recorded(plane, f"{PROJECT}/api ReplicaRemoved: .*sandbox"):
        damage.kill_process(sandbox_of(plane, "api"))
        mended(plane, "sandbox killed")


def test_a_task_that_is_killed_is_started_again(plane: Plane) -> None:
    with recorded(plane, f"{PROJECT}/api TaskExited: .*137", f"{PROJECT}/api TaskRestarted"):
        damage.kill_process(task_of(plane, "api"))
        mended(plane, "task killed")


def test_control_plane_and_gateway_are_both_back_without_a_command(plane: Plane) -> None:
    plane.kill()
    damage.kill_process(damage.part(plane, "gateway"))
    mended(plane, "control plane and gateway killed")


# ---------------------------------------------------------------------- hands


def test_rules_that_are_flushed_are_written_again(plane: Plane) -> None:
    with recorded(plane, "space-cloud/platform Repaired: the firewall chain .* missing"):
        damage.flush_rules(plane)
        mended(plane, "rules flushed", rules_stand)


def test_a_rule_that_is_put_above_ours_ends_up_below(plane: Plane) -> None:
    with recorded(plane, "space-cloud/platform Repaired: the jumps of filter INPUT .* not first"):
        damage.insert_rule_above(plane)
        try:
            mended(plane, "a rule above ours", rules_stand)
        finally:
            damage.remove_rule_above(plane)


def test_a_route_that_is_removed_is_set_again(plane: Plane) -> None:
    with recorded(plane, "space-cloud/platform Repaired: the route that closes"):
        damage.remove_route(plane)
        mended(plane, "route removed", rules_stand)


def rules_stand(plane: Plane) -> None:
    """Told by another process, which knows nothing of what this one did."""
    done = plane.installation.program("space-cloud", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_container_that_is_taken_off_its_network_is_put_back(plane: Plane) -> None:
    with recorded(plane, f"{PROJECT}/api ReplicaRemoved: .* off its network"):
        damage.docker(
            "network", "disconnect", "-f", network(plane, "api"), sandbox_of(plane, "api")
        )
        mended(plane, "network disconnected")


def test_a_network_that_is_removed_is_made_again(plane: Plane) -> None:
    with recorded(plane, f"{PROJECT}/api ReplicaRemoved: .* off its network"):
        damage.docker(
            "network", "disconnect", "-f", network(plane, "api"), sandbox_of(plane, "api")
        )
        damage.docker("network", "rm", network(plane, "api"))
        mended(plane, "network removed")


def network(plane: Plane, service: str) -> str:
    return f"space-cloud-{plane.installation.instance}-{PROJECT}--{service}"


def test_a_task_that_is_frozen_by_hand_is_thawed(plane: Plane) -> None:
    with recorded(plane, f"{PROJECT}/api ReplicaThawed: .* its version is awake"):
        damage.docker("pause", task_of(plane, "api"))
        mended(plane, "task frozen")


def test_a_task_that_is_stopped_by_hand_is_started_again(plane: Plane) -> None:
    with recorded(plane, f"{PROJECT}/api TaskExited", f"{PROJECT}/api TaskRestarted"):
        damage.docker("stop", "-t", "1", task_of(plane, "api"))
        mended(plane, "task stopped")


def test_a_task_that_is_removed_by_hand_is_made_again(plane: Plane) -> None:
    with recorded(plane, f"{PROJECT}/api ReplicaCreated"):
        damage.docker("rm", "-f", task_of(plane, "api"))
        mended(plane, "task removed")


def test_a_container_of_another_name_is_still_ours(plane: Plane) -> None:
    """It serves on, and goes with its service: the fixture finds no second one afterwards."""
    name = task_of(plane, "api")
    damage.docker("rename", name, f"{name}-by-hand")
    is_whole(plane)

    damage.kill_process(f"{name}-by-hand")
    mended(plane, "task renamed and killed")

    damage.docker("rm", "-f", task_of(plane, "api"))
    mended(plane, "renamed task removed")


def sandbox_of(plane: Plane, service: str) -> str:
    """The only container of a replica that carries no task's label."""
    tasks = damage.containers(plane, PROJECT, f"service={service}", "task")
    pod = damage.containers(plane, PROJECT, f"service={service}")
    return next(name for name in pod if name not in tasks)


def task_of(plane: Plane, service: str) -> str:
    return damage.containers(plane, PROJECT, f"service={service}", "task")[0]


# ---------------------------------------------------------------------- the clock


@pytest.mark.parametrize("hours", [1, -1], ids=["an hour on", "an hour back"])
def test_a_clock_that_jumps_while_a_version_changes_costs_nothing(plane: Plane, hours: int) -> None:
    load = Load(f"{plane.installation.url}/{PROJECT}")
    with load.running():
        for name in (f"before{hours}", f"after{hours}"):
            task = plane.user.task(
                "web",
                env={"NAME": name, "START_SECONDS": "1"},
                probe={"type": "http", "path": "/health", "intervalSeconds": 1, "failures": 2},
            )
            plane.user.apply(PROJECT, "web", tasks=[task])
            plane.until(lambda: changes(plane))
            plane.board.set_clock(hours * HOUR if name.startswith("before") else 0)
            mended(plane, f"clock moved, {name}", partial(runs, name=name))

    assert not load.losses, load.losses[:5]


def changes(plane: Plane) -> None:
    assert len(damage.containers(plane, PROJECT, "service=web", "task")) > 1


def runs(plane: Plane, name: str) -> None:
    is_whole(plane)
    assert answers(plane).json()["name"] == name


def test_what_dies_while_the_clock_is_wrong_is_mended(plane: Plane) -> None:
    for hours in (1, -1, 0):
        plane.board.set_clock(hours * HOUR)
        with recorded(plane, f"{PROJECT}/api TaskRestarted"):
            damage.kill_process(task_of(plane, "api"))
            mended(plane, f"task killed, clock wrong by {hours} h")
