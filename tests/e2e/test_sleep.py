"""What sleeps and is called: once, by many, by one who leaves, or after it was killed."""

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from e2e.machine import output
from e2e.stage import Stage
from eventually import BUSY, next_line, wait_until

PROJECT, SERVICE = "rest", "api"
START_SECONDS = 2
"""Of the service: so long a call waits that wakes it from its deepest sleep."""

CALL_SECONDS = START_SECONDS * BUSY
NEVER = {"freezeAfter": "never", "stopAfter": "never"}
"""It sleeps when it is told to, and not because a test takes its time."""


@pytest.fixture(scope="module", autouse=True)
def service(stage: Stage) -> Iterator[None]:
    stage.user.apply(
        PROJECT,
        SERVICE,
        tasks=[stage.user.task(SERVICE, env={"START_SECONDS": str(START_SECONDS)})],
        autoScale={"minReplicas": 0, "sleep": NEVER},
    )
    stage.user.ingress(PROJECT, SERVICE, "/rest", SERVICE, rewrite="/")
    stage.user.wait_until_ready(PROJECT, SERVICE)
    wait_until(lambda: answered(stage))
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, SERVICE)


def call(stage: Stage, seconds: float = CALL_SECONDS) -> httpx.Response:
    return httpx.get(f"{stage.installation.url}/rest", timeout=seconds)


def answered(stage: Stage) -> None:
    answer = call(stage)
    assert (answer.status_code, answer.json()["name"]) == (200, SERVICE), answer.text


def falls_asleep(stage: Stage, depth: str, service: str = SERVICE) -> str:
    """Id of the container that sleeps."""
    path = f"/v1/runner/{PROJECT}/scaling/{service}/v1"
    told = stage.user.request("POST", path, {"asleep": depth})
    assert told.status_code == 200, told.text

    def check() -> None:
        status = stage.user.status(PROJECT, service)
        shown = (status["state"], [replica["asleep"] for replica in status["replicas"]])
        assert shown == ("asleep", [depth]), status["message"]

    wait_until(check, within=60)
    filters = [f"instance={stage.installation.instance}", f"service={service}", "task=main"]
    labels = [word for one in filters for word in ("-f", f"label=space-cloud.io/{one}")]
    return output("docker", "ps", "-aq", *labels).strip()


def scaling(stage: Stage) -> dict[str, Any]:
    answer = stage.user.request("GET", f"/v1/runner/{PROJECT}/scaling?serviceId={SERVICE}")
    (found,) = answer.json()["result"]
    return dict(found)


def test_two_first_calls_at_the_same_moment_share_one_wake(stage: Stage) -> None:
    before = scaling(stage)["wakes"]["count"]
    container = falls_asleep(stage, "stopped")
    at_once = threading.Barrier(2)

    def first() -> tuple[int, bool]:
        with httpx.Client(timeout=CALL_SECONDS) as client:
            at_once.wait(CALL_SECONDS)
            answer = client.get(f"{stage.installation.url}/rest")
            return answer.status_code, "space-cloud-wake-ms" in answer.headers

    with ThreadPoolExecutor(2) as callers:
        begun = [callers.submit(first) for _ in range(2)]
        answers = [caller.result(2 * CALL_SECONDS) for caller in begun]

    assert answers == [(200, True)] * 2
    wait_until(lambda: woken(stage, before + 1))
    starts = output("docker", "logs", container).splitlines().count(f"{SERVICE} listens")
    answered(stage)
    assert scaling(stage)["wakes"]["count"] == before + 1
    assert starts == 2, "it was started for the first time, and once by the wake"


def woken(stage: Stage, times: int) -> None:
    assert scaling(stage)["wakes"]["count"] == times


@pytest.mark.parametrize(("depth", "run"), [("frozen", "thaw"), ("stopped", "start")])
def test_a_wake_is_told_in_its_parts(stage: Stage, depth: str, run: str) -> None:
    count = scaling(stage)["wakes"]["count"]
    falls_asleep(stage, depth)

    answer = call(stage)
    held = int(answer.headers["space-cloud-wake-ms"])
    wait_until(lambda: woken(stage, count + 1))

    last = scaling(stage)["wakes"]["last"]
    parts = {part["name"]: part["milliseconds"] for part in last["parts"]}
    assert answer.status_code == 200
    assert list(parts) == ["gate", run, "ready"]
    assert sum(parts.values()) == pytest.approx(last["milliseconds"])
    assert last["milliseconds"] <= held + 1
    if depth == "stopped":
        # The engine says that it runs a little after it does.
        assert parts["ready"] > 1000 * START_SECONDS / 2


def test_a_client_that_hangs_up_while_it_is_held_leaves_the_wake_to_others(stage: Stage) -> None:
    falls_asleep(stage, "stopped")

    with pytest.raises(httpx.ReadTimeout):
        call(stage, seconds=START_SECONDS / 4)
    wait_until(lambda: held(stage, 0))
    woken_without_it = time.monotonic()
    answered(stage)

    assert time.monotonic() - woken_without_it < CALL_SECONDS
    assert scaling(stage)["asleep"] is None
    wait_until(lambda: held(stage, 0))


def held(stage: Stage, calls: int) -> None:
    assert scaling(stage)["held"] == calls


def test_what_is_killed_while_it_is_frozen_is_woken_by_the_next_call(stage: Stage) -> None:
    container = falls_asleep(stage, "frozen")

    subprocess.run(
        ["docker", "kill", container], check=True, capture_output=True, timeout=10 * BUSY
    )
    answer = call(stage)

    assert answer.status_code == 200, answer.text
    stage.user.wait_until_ready(PROJECT, SERVICE)


POOL = """
import socket, time
connection = socket.create_connection(("db", 5002), 60)
connection.sendall(b"hello")
print(connection.recv(100), flush=True)
time.sleep(600)
"""


def test_a_callee_sleeps_whose_connections_are_those_of_callers_that_sleep(stage: Stage) -> None:
    for service in ("db", "web"):
        stage.user.apply(PROJECT, service, autoScale={"minReplicas": 0, "sleep": NEVER})
        stage.user.wait_until_ready(PROJECT, service)
    caller = stage.machine.task_container(PROJECT, "web")
    command = ["docker", "exec", caller, "/usr/bin/python3", "-c", POOL]

    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as pool:
        try:
            assert "hello" in next_line(pool)
            falls_asleep(stage, "frozen", "web")
            falls_asleep(stage, "frozen", "db")
        finally:
            pool.kill()
