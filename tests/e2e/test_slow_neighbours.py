"""
Registries and probes that hang cost their own services alone.

How many: fifty services whose registry says nothing, and as many whose probe hangs as a small
machine bears beside them.
"""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from e2e.machine import end
from e2e.stage import Stage
from eventually import BUSY, wait_until
from registry import Registry, a_registry

PROJECT, SLOW = "quick", "slow"
PULLING, HANGING = 50, 12
HANGS = ["/usr/bin/python3", "-c", "import time; time.sleep(1000)"]


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with a_registry() as registry:
        registry.silent.set()
        yield registry
        registry.silent.clear()


@pytest.fixture(scope="module")
def idle_seconds(stage: Stage) -> float:
    """From apply to the first good answer, while nothing else is there: the median of three."""
    return sorted(first_answer(stage, f"idle{n}") for n in range(3))[1]


@pytest.fixture(scope="module", autouse=True)
def neighbours(stage: Stage, registry: Registry, idle_seconds: float) -> Iterator[None]:
    for service in ("callee", "friend", "stranger"):
        stage.user.apply(PROJECT, service)
    stage.user.wait_until_ready(PROJECT, "callee", "friend", "stranger")
    for n in range(HANGING):
        probe = {"type": "exec", "command": HANGS, "timeoutSeconds": 60, "graceSeconds": 900}
        stage.user.apply(SLOW, f"hangs{n}", tasks=[stage.user.task(f"hangs{n}", probe=probe)])
    for n in range(PULLING):
        stage.user.apply(SLOW, f"pulls{n}", tasks=[pulling(stage, registry, n)])
    stage.user.apply(PROJECT, "callee", tasks=[pulling(stage, registry, PULLING)])

    def pulls() -> None:
        assert "pull" in stage.user.status(PROJECT, "callee")["nextStep"]
        assert len(registry.asked) >= 4

    wait_until(pulls)
    yield
    for project in (PROJECT, SLOW):
        stage.user.request("DELETE", f"/v1/config/projects/{project}")
    services = [f"hangs{n}" for n in range(HANGING)] + [f"pulls{n}" for n in range(PULLING)]
    stage.user.wait_until_gone(SLOW, *services)
    stage.user.wait_until_gone(PROJECT, "callee", "friend", "stranger")


def pulling(stage: Stage, registry: Registry, number: int) -> dict[str, Any]:
    image = f"127.0.0.1:{registry.port}/never{number}:1"
    return stage.user.task("pulls", docker={"image": image})


def first_answer(stage: Stage, service: str) -> float:
    stage.user.ingress(PROJECT, service, f"/{service}", service, rewrite="/")
    began = time.monotonic()
    stage.user.apply(PROJECT, service)

    def answers() -> None:
        assert httpx.get(f"{stage.installation.url}/{service}", timeout=5).status_code == 200

    wait_until(answers, within=60, every=0.02)
    seconds = time.monotonic() - began
    stage.user.delete(PROJECT, service)
    stage.user.wait_until_gone(PROJECT, service)
    return seconds


def test_another_service_is_there_as_soon_as_on_an_idle_machine(
    stage: Stage, idle_seconds: float
) -> None:
    seconds = sorted(first_answer(stage, f"busy{n}") for n in range(3))[1]

    print(f"apply to first answer: {seconds:.2f} s, {seconds / idle_seconds:.2f} x idle")
    assert seconds < BUSY * idle_seconds


def test_a_quick_probe_command_is_asked_beside_those_that_hang(stage: Stage) -> None:
    probe = {"type": "exec", "command": ["/usr/bin/python3", "-c", ""], "timeoutSeconds": 5}

    stage.user.apply(PROJECT, "asked", tasks=[stage.user.task("asked", probe=probe)])

    stage.user.wait_until_ready(PROJECT, "asked", within=60)
    stage.user.delete(PROJECT, "asked")
    stage.user.wait_until_gone(PROJECT, "asked")


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_a_caller_is_revoked_while_the_callee_pulls(
    stage: Stage, registry: Registry, side: str
) -> None:
    def calls(status: int) -> None:
        assert (
            stage.machine.call(PROJECT, "friend", "http", "http://callee:8080/")["status"] == status
        )

    def change(**policy: Any) -> None:
        if side == "caller":
            stage.user.apply(PROJECT, "friend", **policy)
        else:
            stage.user.apply(PROJECT, "callee", tasks=[pulling(stage, registry, PULLING)], **policy)

    calls(200)
    held = stage.machine.calling(PROJECT, "friend", "hold", "callee", "5002", "--seconds", "60")

    began = time.monotonic()
    change(**{"upstreams" if side == "caller" else "whitelists": []})
    wait_until(lambda: calls(403), within=30, every=0.01)
    refused = time.monotonic() - began
    end(held, within=50)
    gone = time.monotonic() - began

    print(f"revoked by the {side}: refused after {refused:.2f} s, out after {gone:.2f} s")
    assert refused < 1 * BUSY
    assert gone < 5 * BUSY
    assert "pull" in stage.user.status(PROJECT, "callee")["nextStep"]
    change()
    wait_until(lambda: calls(200), within=30)


def test_a_task_that_dies_while_its_service_pulls_is_restarted_in_its_back_off(
    stage: Stage,
) -> None:
    container = stage.machine.task_container(PROJECT, "callee")
    subprocess.run(["docker", "kill", container], check=True, capture_output=True, timeout=30)

    def runs() -> None:
        assert stage.machine.task_container(PROJECT, "callee") == container

    wait_until(runs, within=30)
    assert "pull" in stage.user.status(PROJECT, "callee")["nextStep"]


def test_what_hangs_can_be_deleted(stage: Stage) -> None:
    began = time.monotonic()
    stage.user.delete(SLOW, "hangs0")
    stage.user.delete(SLOW, "pulls0")

    stage.user.wait_until_gone(SLOW, "hangs0", "pulls0", within=60)

    assert not stage.machine.containers(f"project={SLOW}", "service=hangs0")
    print(f"deleted after {time.monotonic() - began:.2f} s")


def test_no_look_held_its_key_for_long(stage: Stage) -> None:
    """Promised is a second; on a machine that does other work too, a look may wait for its turn."""
    longest = stage.installation.metric("space_cloud_longest_hold_seconds")

    print(f"a key was held for {longest:.3f} s at most")
    assert 0 < longest < 1 * BUSY
