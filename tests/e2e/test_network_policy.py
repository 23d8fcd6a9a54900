"""Policy that changes while connections are open: who may stays, who may not goes."""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.machine import end
from e2e.stage import Stage
from eventually import BUSY, wait_until

PROJECT = "edits"
FRIENDS = [{"projectId": PROJECT, "service": "friend"}]


@pytest.fixture(scope="module", autouse=True)
def services(stage: Stage) -> Iterator[None]:
    for service in ("callee", "friend", "bystander"):
        stage.user.apply(PROJECT, service)
    stage.user.wait_until_ready(PROJECT, "callee", "friend", "bystander")
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, "callee", "friend", "bystander")


def held(stage: Stage) -> dict[str, "subprocess.Popen[str]"]:
    """A WebSocket and a TCP connection that go on until they break."""
    return {
        "websocket": stage.machine.calling(
            PROJECT, "friend", "ws", "http://callee:8080/ws", "--every", "0.1", "--seconds", "90"
        ),
        "tcp": stage.machine.calling(
            PROJECT, "friend", "hold", "callee", "5002", "--every", "0.1", "--seconds", "90"
        ),
    }


def allowed(stage: Stage, **policy: Any) -> None:
    stage.user.apply(PROJECT, "callee", **policy)
    stage.user.wait_until_ready(PROJECT, "callee")


def test_open_connections_survive_a_hundred_edits_of_other_policies(stage: Stage) -> None:
    """The listeners' drain time is 2 s here: a rewritten filter chain would close them."""
    connections = held(stage)
    try:
        for n in range(100):
            edit = [] if n % 2 else [{"projectId": PROJECT, "service": f"nobody-{n}"}]
            stage.user.apply(PROJECT, "bystander", whitelists=edit)
            if n % 10 == 0:
                mine = [*FRIENDS, {"projectId": PROJECT, "service": f"other-{n}"}]
                stage.user.apply(PROJECT, "callee", whitelists=mine)
        stage.user.wait_until_ready(PROJECT, "bystander", "callee")
        began = time.monotonic()

        def outlived() -> None:
            assert time.monotonic() - began > 5

        wait_until(outlived)
        assert {name: c.poll() for name, c in connections.items()} == {
            "websocket": None,
            "tcp": None,
        }
    finally:
        for process in connections.values():
            process.kill()
            process.communicate(timeout=60)
        subprocess.run(
            ["docker", "restart", "-t", "0", stage.machine.task_container(PROJECT, "friend")],
            check=True,
            capture_output=True,
            timeout=60,
        )
        allowed(stage)
        stage.user.apply(PROJECT, "bystander")
        stage.user.wait_until_ready(PROJECT, "bystander", "friend")


def test_a_revoked_caller_is_out_and_may_come_back(stage: Stage) -> None:
    connections = held(stage)

    began = time.monotonic()
    stage.user.apply(PROJECT, "callee", whitelists=[])
    for process in connections.values():
        end(process, within=80)
    gone = time.monotonic() - began

    assert gone < 5 * BUSY
    assert stage.machine.call(PROJECT, "friend", "http", "http://callee:8080/")["status"] == 403
    assert not stage.machine.call(PROJECT, "friend", "tcp", "callee", "5001")["ok"]
    allowed(stage, whitelists=FRIENDS)
    assert stage.machine.call(PROJECT, "friend", "http", "http://callee:8080/")["status"] == 200
    assert stage.machine.call(PROJECT, "friend", "tcp", "callee", "5001")["ok"]
    assert stage.machine.call(PROJECT, "bystander", "http", "http://callee:8080/")["status"] == 403
    allowed(stage)


def test_a_caller_that_no_longer_names_its_upstream_is_out_too(stage: Stage) -> None:
    stage.user.apply(PROJECT, "friend", upstreams=[])
    stage.user.wait_until_ready(PROJECT, "friend")

    def refused() -> None:
        assert stage.machine.call(PROJECT, "friend", "http", "http://callee:8080/")["status"] == 403

    wait_until(refused, within=30)
    assert stage.machine.call(PROJECT, "friend", "http", "http://friend:8080/")["status"] == 200
    stage.user.apply(PROJECT, "friend")
    stage.user.wait_until_ready(PROJECT, "friend")


def test_grpc_and_http2_pass_the_mesh(stage: Stage) -> None:
    docker = {"image": stage.user.images["grpc"]}
    for service in ("caller", "answerer"):
        task = {"id": "main", "docker": docker, "ports": [{"name": "grpc", "port": 50051}]}
        stage.user.apply(PROJECT, service, tasks=[task])
    stage.user.wait_until_ready(PROJECT, "caller", "answerer")
    container = stage.machine.task_container(PROJECT, "caller")

    for way, *texts in (("say", "hello"), ("count", "5"), ("chat", "one", "two")):
        done = subprocess.run(
            ["docker", "exec", container, "call-grpc", "answerer:50051", way, *texts],
            text=True,
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0, (way, done.stdout, done.stderr)

    for service in ("caller", "answerer"):
        stage.user.delete(PROJECT, service)
    stage.user.wait_until_gone(PROJECT, "caller", "answerer")


def test_a_stream_comes_as_it_is_written(stage: Stage) -> None:
    answer = stage.machine.call(
        PROJECT, "friend", "http", "http://callee:8080/stream?n=3", "--timeout", "9"
    )

    assert answer["status"] == 200
