"""What a declared service lives through: changes, kills, crashes of the control plane."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from e2e.stage import BIN, Stage, in_container
from registry import a_registry

PROJECT = "life"


@pytest.fixture(scope="module", autouse=True)
def project(stage: Stage) -> Iterator[None]:
    stage.apply(PROJECT, "api")
    stage.apply(PROJECT, "web")
    stage.ingress(PROJECT, "web", "/life", "web", rewrite="/")
    stage.settle(PROJECT, "api", "web")
    yield
    stage.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.gone(PROJECT, "api", "web")


class Load:
    """Requests one after the other, from outside through web's ingress; every loss is kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self.answers = 0
        self.losses: list[str] = []

    @contextmanager
    def running(self) -> Iterator["Load"]:
        threads = [threading.Thread(target=self._run) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self._ended.is_set():
                try:
                    answer = client.get(self._url)
                    if answer.status_code != 200:
                        self.losses.append(f"{answer.status_code} {answer.text[:200]}")
                    self.answers += 1
                except httpx.HTTPError as error:
                    self.losses.append(repr(error))
                time.sleep(0.005)


@pytest.fixture
def load(stage: Stage) -> Load:
    def reached() -> None:
        assert httpx.get(f"{stage.url}/life").status_code == 200

    stage.wait_until(reached)
    return Load(f"{stage.url}/life")


def _revisions(stage: Stage, service: str) -> set[str]:
    return {replica["revision"] for replica in stage.status(PROJECT, service)["replicas"]}


def _changed(stage: Stage, service: str, before: set[str]) -> Callable[[], None]:
    def check() -> None:
        after = _revisions(stage, service)
        assert after
        assert not after & before

    return check


def test_a_changed_version_is_replaced_without_a_lost_request(stage: Stage, load: Load) -> None:
    before = _revisions(stage, "web")

    with load.running():
        stage.apply(PROJECT, "web", tasks=[stage.task("web", env={"RELEASE": "2"})])
        stage.settle(PROJECT, "web")
        stage.wait_until(_changed(stage, "web", before))

    assert load.losses == []
    assert load.answers > 20


def test_a_new_revision_that_never_gets_ready_leaves_the_old_one_serving(
    stage: Stage, load: Load
) -> None:
    broken = {**stage.task("web"), "docker": {"image": stage.images["echo"], "cmd": ["-c", "1/0"]}}

    with load.running():
        stage.apply(PROJECT, "web", tasks=[broken])
        (status,) = stage.settle(PROJECT, "web", state="failed")

    assert "exited with code 1" in status["message"]
    assert "ZeroDivisionError" in status["message"]
    assert load.losses == []
    stage.apply(PROJECT, "web")
    stage.settle(PROJECT, "web")


def test_a_request_in_flight_is_finished_before_its_replica_is_stopped(stage: Stage) -> None:
    before = _revisions(stage, "web")
    slow = threading.Thread(target=lambda: answers.append(_slow(stage)))
    answers: list[int] = []
    slow.start()
    time.sleep(0.3)

    stage.apply(PROJECT, "web", tasks=[stage.task("web", env={"RELEASE": "3"})])
    stage.wait_until(_changed(stage, "web", before))
    slow.join()

    assert answers == [200]


def _slow(stage: Stage) -> int:
    return httpx.get(f"{stage.url}/life/sleep?s=4", timeout=20).status_code


def test_a_rebuilt_tag_runs_after_the_next_apply_and_not_before(stage: Stage) -> None:
    tag = "space-cloud-test/moving:1"
    _tag(stage.images["echo"], tag)
    task = {**stage.task("moving"), "docker": {"image": tag}}
    stage.apply(PROJECT, "moving", tasks=[task])
    stage.settle(PROJECT, "moving")
    before = _revisions(stage, "moving")
    _rebuild(stage.images["echo"], tag)

    stage.apply(PROJECT, "moving", tasks=[task])

    stage.wait_until(_changed(stage, "moving", before))
    stage.delete(PROJECT, "moving")
    stage.gone(PROJECT, "moving")
    subprocess.run(["docker", "rmi", "-f", tag], check=True, capture_output=True)


def _tag(image: str, tag: str) -> None:
    subprocess.run(["docker", "tag", image, tag], check=True)


def _rebuild(image: str, tag: str) -> None:
    dockerfile = f"FROM {image}\nLABEL rebuilt=1\n"
    command = ["docker", "build", "-q", "-t", tag, "-"]
    subprocess.run(command, input=dockerfile, text=True, check=True, capture_output=True)


def test_a_removed_task_container_is_replaced(stage: Stage) -> None:
    container = stage.task_container(PROJECT, "api")
    subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)

    def another() -> None:
        assert stage.task_container(PROJECT, "api") != container

    stage.wait_until(another)
    stage.settle(PROJECT, "api")
    assert stage.call(PROJECT, "web", "http", "http://api:8080/")["ok"]


def test_a_killed_pause_means_a_pod_that_is_reachable_again(stage: Stage) -> None:
    pods = set(stage.containers(f"project={PROJECT}", "service=api"))
    (pause,) = pods - {stage.task_container(PROJECT, "api")}
    subprocess.run(["docker", "kill", pause], check=True, capture_output=True)

    def reached() -> None:
        assert stage.call(PROJECT, "web", "http", "http://api:8080/")["ok"]

    stage.wait_until(reached)
    stage.settle(PROJECT, "api")


def test_a_crashed_task_is_started_again_and_status_says_why(stage: Stage) -> None:
    subprocess.run(
        ["docker", "exec", stage.task_container(PROJECT, "api"), "call", "http",
         "http://127.0.0.1:8080/crash?code=3"],
        capture_output=True,
    )  # fmt: skip

    def told() -> None:
        events = stage.events(PROJECT, "api")
        exits = [e["message"] for e in events if e["kind"] == "TaskExited"]
        assert any("code 3" in message for message in exits), exits

    stage.wait_until(told)
    stage.settle(PROJECT, "api")


def test_a_killed_control_plane_costs_no_request_and_no_name(stage: Stage, load: Load) -> None:
    with load.running():
        stage.kill()
        for _ in range(10):
            assert stage.call(PROJECT, "web", "http", "http://api:8080/")["ok"]
            assert stage.call(PROJECT, "web", "resolve", "api")["ok"]
        stage.start()
        stage.settle(PROJECT, "web", "api")

    assert load.losses == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_a_control_plane_that_is_killed_in_the_middle_of_an_apply_finishes_it_later(
    stage: Stage, load: Load, seconds: float
) -> None:
    before = _revisions(stage, "web")

    with load.running():
        stage.apply(PROJECT, "web", tasks=[stage.task("web", env={"K": f"{seconds}"})])
        time.sleep(seconds)
        stage.kill()
        stage.start()
        stage.settle(PROJECT, "web")
        stage.wait_until(_changed(stage, "web", before))

    assert load.losses == []
    assert len(stage.containers(f"project={PROJECT}", "service=web")) == 2


def test_of_two_applies_at_once_the_last_acknowledged_wins_whole(stage: Stage) -> None:
    generations: dict[int, str] = {}
    env = {"A": "0", "B": "0"}

    def apply(value: str) -> None:
        task = stage.task("api", env={**env, "A": value, "B": value})
        generations[stage.apply(PROJECT, "api", tasks=[task])] = value

    threads = [threading.Thread(target=apply, args=(str(n),)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stage.settle(PROJECT, "api")

    winner = generations[max(generations)]

    def one() -> None:
        assert len(stage.containers(f"project={PROJECT}", "service=api")) == 2
        answer = in_container(
            stage.task_container(PROJECT, "api"), "call", "http", "http://127.0.0.1:8080/env"
        )
        seen: dict[str, Any] = answer["body"]
        assert (seen["A"], seen["B"]) == (winner, winner)

    stage.wait_until(one)


def test_an_apply_that_is_overtaken_is_told_so(stage: Stage) -> None:
    slow = {**stage.task("late", env={"START_SECONDS": "20"})}
    document = _yaml(stage, "late", slow)
    with subprocess.Popen(
        [str(BIN / "space-cli"), "apply", "-f", "-", "--wait"],
        env=stage.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(document)
        process.stdin.close()

        def accepted() -> None:
            assert stage.status(PROJECT, "late")

        stage.wait_until(accepted)
        stage.apply(PROJECT, "late")
        assert process.stdout is not None
        said = process.stdout.read()

    assert process.returncode != 0
    assert "superseded" in said
    stage.settle(PROJECT, "late")
    stage.delete(PROJECT, "late")
    stage.gone(PROJECT, "late")


def _yaml(stage: Stage, service: str, task: dict[str, Any]) -> str:
    return json.dumps(
        {
            "api": "/v1/runner/{project}/services/{serviceId}/{version}",
            "type": "service",
            "meta": {"project": PROJECT, "serviceId": service, "version": "v1"},
            "spec": {"tasks": [task]},
        }
    )


def test_an_image_that_does_not_exist_fails_clearly_and_hurts_nobody(stage: Stage) -> None:
    task = {"id": "main", "docker": {"image": "127.0.0.1:1/no/such:9"}}
    stage.apply(PROJECT, "ghost", tasks=[task])

    (status,) = stage.settle(PROJECT, "ghost", state="failed")

    assert "127.0.0.1:1/no/such:9" in status["message"]
    assert stage.status(PROJECT, "web")["state"] == "ready"
    stage.delete(PROJECT, "ghost")
    stage.gone(PROJECT, "ghost")


def test_a_newer_apply_does_not_wait_for_the_pull_of_an_older_one(stage: Stage) -> None:
    with a_registry() as registry:
        slow = registry.push("slow")
        registry.stuck.set()
        stage.apply(PROJECT, "hasty", tasks=[{"id": "main", "docker": {"image": slow}}])

        def pulling() -> None:
            assert stage.status(PROJECT, "hasty")["nextStep"].startswith(f"pulling {slow}")

        stage.wait_until(pulling)
        stage.apply(PROJECT, "hasty")
        stage.settle(PROJECT, "hasty", within=15)

    stage.delete(PROJECT, "hasty")
    stage.gone(PROJECT, "hasty")


def test_the_progress_of_a_pull_is_shown_to_the_one_who_waits_for_it(stage: Stage) -> None:
    meta = f"{{project: {PROJECT}, serviceId: heavy, version: v1}}"
    with a_registry() as registry:
        # Of its own name, so that no engine has its layers from an earlier run.
        image = registry.push(f"heavy-{registry.port}", size=30_000_000, layers=3)
        registry.bytes_per_second = 2_000_000
        spec = f"{{tasks: [{{id: main, docker: {{image: '{image}'}}}}]}}"
        (stage.folder / "heavy.yaml").write_text(f"type: service\nmeta: {meta}\nspec: {spec}\n")
        command = f"{BIN}/space-cli apply -f heavy.yaml --wait --timeout 15"
        with subprocess.Popen(
            command.split(),
            env=stage.environment,
            cwd=stage.folder,
            stdout=subprocess.PIPE,
            text=True,
        ) as waiting:
            progress = rf"pulling {re.escape(image)}: 0 of 3 layers, (\d+) of \d+ MB"

            def shown() -> None:
                said = stage.cli("status", f"{PROJECT}/heavy", check=True).stdout
                assert re.search(rf"next +{progress}", said), said

            stage.wait_until(shown)
            (pull,) = stage.status(PROJECT, "heavy")["pulls"]
            why = stage.cli("why", f"{PROJECT}/heavy").stdout
            lines, _ = waiting.communicate(timeout=60)

        told = [int(megabytes) for megabytes in re.findall(progress, lines)]
        assert (pull["layers"], pull["layersDone"], pull["image"]) == (3, 0, image)
        assert 0 < pull["bytesDone"] < pull["bytes"] <= sum(registry.layer_sizes())
        assert "pulling" in why
        assert len(told) >= 2
        assert told[0] < told[-1]
        stage.delete(PROJECT, "heavy")
        stage.gone(PROJECT, "heavy")
        # Where the deletion came before the end of the pull there is none.
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True)


def test_an_image_that_exits_at_once_is_failed_with_its_last_words(stage: Stage) -> None:
    docker = {"image": stage.images["echo"], "cmd": ["-c", "print('no database'); exit(4)"]}
    stage.apply(PROJECT, "brief", tasks=[{"id": "main", "docker": docker}])

    (status,) = stage.settle(PROJECT, "brief", state="failed", within=30)

    assert "code 4" in status["message"]
    assert "no database" in status["message"]
    stage.delete(PROJECT, "brief")
    stage.gone(PROJECT, "brief")


def test_an_app_on_loopback_only_is_told_so(stage: Stage) -> None:
    stage.apply(PROJECT, "shy", tasks=[stage.task("shy", env={"LISTEN": "127.0.0.1"})])

    def told() -> None:
        assert "listens on 127.0.0.1:8080 only" in stage.status(PROJECT, "shy")["message"]

    stage.wait_until(told)
    stage.delete(PROJECT, "shy")
    stage.gone(PROJECT, "shy")


def test_scaling_up_and_down_loses_no_request(stage: Stage, load: Load) -> None:
    with load.running():
        for replicas in (3, 1):
            stage.apply(PROJECT, "web", scale={"replicas": replicas, "minReplicas": replicas})
            stage.settle(PROJECT, "web")

            def counted(wanted: int = replicas) -> None:
                assert len(stage.status(PROJECT, "web")["replicas"]) == wanted

            stage.wait_until(counted)

    assert load.losses == []


def test_a_second_version_lives_beside_the_first_and_goes_without_a_trace(stage: Stage) -> None:
    stage.apply(PROJECT, "api", "v2", tasks=[stage.task("api-two")])
    stage.settle(PROJECT, "api", version="v2")

    general = stage.call(PROJECT, "web", "http", "http://api:8080/")
    second = stage.call(PROJECT, "web", "http", "http://api-v2-internal:8080/")

    assert general["body"]["name"] == "api"
    assert second["body"]["name"] == "api-two"
    stage.delete(PROJECT, "api", "v2")

    def gone() -> None:
        assert not stage.containers(f"project={PROJECT}", "service=api", "version=v2")
        assert not stage.call(PROJECT, "web", "resolve", "api-v2-internal")["ok"]

    stage.wait_until(gone)
