"""What a declared service lives through: changes, kills, crashes of the control plane."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from container_state import state_of
from e2e.installation import BIN
from e2e.machine import in_container, output
from e2e.stage import Stage
from e2e.user import is_in_state
from eventually import wait_until
from load import Load
from registry import a_registry

PROJECT = "life"


@pytest.fixture(scope="module", autouse=True)
def project(stage: Stage) -> Iterator[None]:
    stage.user.apply(PROJECT, "api")
    stage.user.apply(PROJECT, "web")
    stage.user.ingress(PROJECT, "web", "/life", "web", rewrite="/")
    stage.user.wait_until_ready(PROJECT, "api", "web")
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, "api", "web")


@pytest.fixture
def load(stage: Stage) -> Load:
    def reached() -> None:
        assert httpx.get(f"{stage.installation.url}/life").status_code == 200

    wait_until(reached)
    return Load(f"{stage.installation.url}/life", every_seconds=0.005)


def _revisions(stage: Stage, service: str) -> set[str]:
    return {replica["revision"] for replica in stage.user.status(PROJECT, service)["replicas"]}


def _changed(stage: Stage, service: str, before: set[str]) -> Callable[[], None]:
    def check() -> None:
        after = _revisions(stage, service)
        assert after
        assert not after & before

    return check


def test_a_changed_version_is_replaced_without_a_lost_request(stage: Stage, load: Load) -> None:
    before = _revisions(stage, "web")

    with load.running():
        stage.user.apply(PROJECT, "web", tasks=[stage.user.task("web", env={"RELEASE": "2"})])
        stage.user.wait_until_ready(PROJECT, "web")
        wait_until(_changed(stage, "web", before))

    assert load.losses == []
    assert len(load.answers) > 20


def test_a_new_revision_that_never_gets_ready_leaves_the_old_one_serving(
    stage: Stage, load: Load
) -> None:
    broken = {
        **stage.user.task("web"),
        "docker": {"image": stage.user.images["echo"], "cmd": ["-c", "1/0"]},
    }

    with load.running():
        stage.user.apply(PROJECT, "web", tasks=[broken])
        message = stage.user.wait_until_failed(PROJECT, "web")

    assert "exited with code 1" in message
    assert "ZeroDivisionError" in message
    assert load.losses == []
    stage.user.apply(PROJECT, "web")
    stage.user.wait_until_ready(PROJECT, "web")


def test_a_new_revision_that_does_not_last_is_given_up_and_the_old_one_serves_on(
    stage: Stage, load: Load
) -> None:
    """It listens at once, takes requests, and ends after two seconds."""
    wait_until(lambda: _is_alone(stage, "ready"))
    before = _revisions(stage, "web")
    task = stage.user.task("web", env={"DIE_SECONDS": "2"})
    document = _yaml("web", task, rollout={"confirmSeconds": 5})

    with load.running():
        done = stage.user.cli("apply", "--wait", "-f", "-", given=document)
        wait_until(lambda: _is_alone(stage, "failed"))
        ended = time.monotonic()
        time.sleep(0.5)

    print(f"{len(load.answers)} requests, {len(load.losses)} lost")
    assert _revisions(stage, "web") == before
    assert done.returncode == 1, done.stdout
    assert re.search(r"serving after \d+\.\d s, confirming \d s", done.stdout), done.stdout
    assert "did not last, revision" in done.stderr
    assert "exited with code 3; last said: web listens | web gives up" in done.stderr
    # Those that met the dead one before the push may be lost, and none once the old one is back.
    assert [when for when, _ in load.losses if when > ended] == []
    assert max(load.outages(), default=0) < 10 * PUSH_SECONDS
    assert load.answers[-1] > ended
    assert [e["kind"] for e in stage.user.events(PROJECT, "web")].count("RevisionFailed") == 1
    stage.user.apply(PROJECT, "web")
    stage.user.wait_until_ready(PROJECT, "web")
    assert _revisions(stage, "web") == before


PUSH_SECONDS = 0.5
"""From the end of a task to endpoints without it."""


def _is_alone(stage: Stage, state: str) -> None:
    status = stage.user.status(PROJECT, "web")
    assert (status["state"], len(status["replicas"])) == (state, 1)


def test_a_service_without_ports_that_does_not_last_is_given_up_too(stage: Stage) -> None:
    def a_task(program: str) -> dict[str, Any]:
        docker = {"image": stage.user.images["echo"], "cmd": ["-c", program]}
        return {"id": "main", "docker": docker}

    stage.user.apply(PROJECT, "worker", tasks=[a_task("import time; time.sleep(3600)")])
    stage.user.wait_until_ready(PROJECT, "worker")
    before = _revisions(stage, "worker")

    brief = a_task("import time; time.sleep(3)")
    stage.user.apply(PROJECT, "worker", tasks=[brief], rollout={"confirmSeconds": 5})
    message = stage.user.wait_until_failed(PROJECT, "worker")

    assert "revision 2 did not last, revision 1 serves" in message
    assert "exited with code 0" in message

    def alone() -> None:
        assert _revisions(stage, "worker") == before

    wait_until(alone)
    stage.user.delete(PROJECT, "worker")
    stage.user.wait_until_gone(PROJECT, "worker")


def test_a_request_in_flight_is_finished_before_its_replica_is_stopped(stage: Stage) -> None:
    before = _revisions(stage, "web")
    slow = threading.Thread(target=lambda: answers.append(_slow(stage)), daemon=True)
    answers: list[int] = []
    slow.start()
    time.sleep(0.3)

    stage.user.apply(PROJECT, "web", tasks=[stage.user.task("web", env={"RELEASE": "3"})])
    wait_until(_changed(stage, "web", before))
    slow.join(20)

    assert answers == [200]


def _slow(stage: Stage) -> int:
    return httpx.get(f"{stage.installation.url}/life/sleep?s=4", timeout=20).status_code


def test_a_rebuilt_tag_runs_after_the_next_apply_and_not_before(stage: Stage) -> None:
    tag = "space-cloud-test/moving:1"
    _tag(stage.user.images["echo"], tag)
    task = {**stage.user.task("moving"), "docker": {"image": tag}}
    stage.user.apply(PROJECT, "moving", tasks=[task])
    stage.user.wait_until_ready(PROJECT, "moving")
    before = _revisions(stage, "moving")
    _rebuild(stage.user.images["echo"], tag)

    stage.user.apply(PROJECT, "moving", tasks=[task])

    wait_until(_changed(stage, "moving", before))
    stage.user.delete(PROJECT, "moving")
    stage.user.wait_until_gone(PROJECT, "moving")
    subprocess.run(["docker", "rmi", "-f", tag], check=True, capture_output=True, timeout=60)


def _tag(image: str, tag: str) -> None:
    subprocess.run(["docker", "tag", image, tag], check=True, timeout=60)


def _rebuild(image: str, tag: str) -> None:
    dockerfile = f"FROM {image}\nLABEL rebuilt=1\n"
    command = ["docker", "build", "-q", "-t", tag, "-"]
    subprocess.run(
        command, input=dockerfile, text=True, check=True, capture_output=True, timeout=60
    )


def test_a_removed_task_container_is_replaced(stage: Stage) -> None:
    container = stage.machine.task_container(PROJECT, "api")
    subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True, timeout=60)

    def another() -> None:
        assert stage.machine.task_container(PROJECT, "api") != container

    wait_until(another)
    stage.user.wait_until_ready(PROJECT, "api")
    assert stage.machine.call(PROJECT, "web", "http", "http://api:8080/")["ok"]


def test_a_killed_sandbox_means_a_pod_that_is_reachable_again(stage: Stage) -> None:
    pods = set(stage.machine.containers(f"project={PROJECT}", "service=api"))
    (sandbox,) = pods - {stage.machine.task_container(PROJECT, "api")}
    subprocess.run(["docker", "kill", sandbox], check=True, capture_output=True, timeout=60)

    def reached() -> None:
        assert stage.machine.call(PROJECT, "web", "http", "http://api:8080/")["ok"]

    wait_until(reached)
    stage.user.wait_until_ready(PROJECT, "api")


def test_a_crashed_task_is_started_again_and_status_says_why(stage: Stage) -> None:
    subprocess.run(
        ["docker", "exec", stage.machine.task_container(PROJECT, "api"), "call", "http",
         "http://127.0.0.1:8080/crash?code=3"],
        capture_output=True, timeout=60)  # fmt: skip

    def reported() -> None:
        events = stage.user.events(PROJECT, "api")
        exits = [e["message"] for e in events if e["kind"] == "TaskExited"]
        assert any("code 3" in message for message in exits), exits

    wait_until(reported)
    stage.user.wait_until_ready(PROJECT, "api")


def test_a_killed_control_plane_costs_no_request_and_no_name(stage: Stage, load: Load) -> None:
    with load.running():
        stage.installation.kill()
        for _ in range(10):
            assert stage.machine.call(PROJECT, "web", "http", "http://api:8080/")["ok"]
            assert stage.machine.call(PROJECT, "web", "resolve", "api")["ok"]
        stage.installation.start()
        stage.user.wait_until_ready(PROJECT, "web", "api")

    assert load.losses == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_a_control_plane_that_is_killed_in_the_middle_of_an_apply_finishes_it_later(
    stage: Stage, load: Load, seconds: float
) -> None:
    before = _revisions(stage, "web")

    with load.running():
        stage.user.apply(PROJECT, "web", tasks=[stage.user.task("web", env={"K": f"{seconds}"})])
        time.sleep(seconds)
        stage.installation.kill()
        stage.installation.start()
        stage.user.wait_until_ready(PROJECT, "web")
        wait_until(_changed(stage, "web", before))

    assert load.losses == []
    assert len(stage.machine.containers(f"project={PROJECT}", "service=web")) == 2


def test_of_two_applies_at_once_the_last_acknowledged_wins_whole(stage: Stage) -> None:
    generations: dict[int, str] = {}
    env = {"A": "0", "B": "0"}

    def apply(value: str) -> None:
        task = stage.user.task("api", env={**env, "A": value, "B": value})
        generations[stage.user.apply(PROJECT, "api", tasks=[task])] = value

    threads = [threading.Thread(target=apply, args=(str(n),), daemon=True) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    stage.user.wait_until_ready(PROJECT, "api")

    winner = generations[max(generations)]

    def one() -> None:
        assert len(stage.machine.containers(f"project={PROJECT}", "service=api")) == 2
        answer = in_container(
            stage.machine.task_container(PROJECT, "api"),
            "call",
            "http",
            "http://127.0.0.1:8080/env",
        )
        seen: dict[str, Any] = answer["body"]
        assert (seen["A"], seen["B"]) == (winner, winner)

    wait_until(one)


def test_an_apply_that_is_overtaken_is_told_so(stage: Stage) -> None:
    slow = {**stage.user.task("late", env={"START_SECONDS": "20"})}
    document = _yaml("late", slow)
    with subprocess.Popen(
        [str(BIN / "space-cli"), "apply", "-f", "-", "--wait"],
        env=stage.installation.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(document)
        process.stdin.close()

        def accepted() -> None:
            assert stage.user.status(PROJECT, "late")

        wait_until(accepted)
        stage.user.apply(PROJECT, "late")
        assert process.stdout is not None
        output = process.stdout.read()

    assert process.returncode != 0
    assert "superseded" in output
    stage.user.wait_until_ready(PROJECT, "late")
    stage.user.delete(PROJECT, "late")
    stage.user.wait_until_gone(PROJECT, "late")


def _yaml(service: str, task: dict[str, Any], **given: Any) -> str:
    return json.dumps(
        {
            "api": "/v1/runner/{project}/services/{serviceId}/{version}",
            "type": "service",
            "meta": {"project": PROJECT, "serviceId": service, "version": "v1"},
            "spec": {"tasks": [task], **given},
        }
    )


def test_an_image_that_does_not_exist_fails_clearly_and_hurts_nobody(stage: Stage) -> None:
    task = {"id": "main", "docker": {"image": "127.0.0.1:1/no/such:9"}}
    stage.user.apply(PROJECT, "ghost", tasks=[task])

    message = stage.user.wait_until_failed(PROJECT, "ghost")

    assert "127.0.0.1:1/no/such:9" in message
    assert stage.user.status(PROJECT, "web")["state"] == "ready"
    stage.user.delete(PROJECT, "ghost")
    stage.user.wait_until_gone(PROJECT, "ghost")


def test_a_newer_apply_does_not_wait_for_the_pull_of_an_older_one(stage: Stage) -> None:
    with a_registry() as registry:
        slow = registry.push("slow")
        registry.stuck.set()
        stage.user.apply(PROJECT, "hasty", tasks=[{"id": "main", "docker": {"image": slow}}])

        def pulling() -> None:
            assert stage.user.status(PROJECT, "hasty")["nextStep"].startswith(f"pulling {slow}")

        wait_until(pulling)
        stage.user.apply(PROJECT, "hasty")
        stage.user.wait_until_ready(PROJECT, "hasty", within=30)

    stage.user.delete(PROJECT, "hasty")
    stage.user.wait_until_gone(PROJECT, "hasty")


def test_the_progress_of_a_pull_is_shown_to_the_one_who_waits_for_it(stage: Stage) -> None:
    meta = f"{{project: {PROJECT}, serviceId: heavy, version: v1}}"
    with a_registry() as registry:
        # Of its own name, so that no engine has its layers from an earlier run.
        image = registry.push(f"heavy-{registry.port}", size=30_000_000, layers=3)
        registry.bytes_per_second = 2_000_000
        spec = f"{{tasks: [{{id: main, docker: {{image: '{image}'}}}}]}}"
        (stage.installation.folder / "heavy.yaml").write_text(
            f"type: service\nmeta: {meta}\nspec: {spec}\n"
        )
        command = f"{BIN}/space-cli apply -f heavy.yaml --wait --timeout 15"
        with subprocess.Popen(
            command.split(),
            env=stage.installation.environment,
            cwd=stage.installation.folder,
            stdout=subprocess.PIPE,
            text=True,
        ) as waiting:
            progress = rf"pulling {re.escape(image)}: 0 of 3 layers, (\d+) of \d+ MB"

            def shown() -> None:
                output = stage.user.cli("status", f"{PROJECT}/heavy", check=True).stdout
                assert re.search(rf"next +{progress}", output), output

            wait_until(shown)
            (pull,) = stage.user.status(PROJECT, "heavy")["pulls"]
            why = stage.user.cli("why", f"{PROJECT}/heavy").stdout
            lines, _ = waiting.communicate(timeout=60)

        progress_mb = [int(megabytes) for megabytes in re.findall(progress, lines)]
        assert (pull["layers"], pull["layersDone"], pull["image"]) == (3, 0, image)
        assert 0 < pull["bytesDone"] < pull["bytes"] <= sum(registry.layer_sizes())
        assert "pulling" in why
        assert len(progress_mb) >= 2
        assert progress_mb[0] < progress_mb[-1]
        stage.user.delete(PROJECT, "heavy")
        stage.user.wait_until_gone(PROJECT, "heavy")
        # Where the deletion came before the end of the pull there is none.
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, timeout=60)


def test_an_image_that_exits_at_once_is_failed_with_its_last_words(stage: Stage) -> None:
    docker = {"image": stage.user.images["echo"], "cmd": ["-c", "print('no database'); exit(4)"]}
    stage.user.apply(PROJECT, "brief", tasks=[{"id": "main", "docker": docker}])

    message = stage.user.wait_until_failed(PROJECT, "brief", within=30)

    assert "code 4" in message
    assert "no database" in message
    stage.user.delete(PROJECT, "brief")
    stage.user.wait_until_gone(PROJECT, "brief")


def _job_task(stage: Stage, restart: str, code: int, said: str = "once") -> dict[str, Any]:
    command = ["-c", f"print('{said}', flush=True); exit({code})"]
    docker = {"image": stage.user.images["echo"], "cmd": command}
    return {"id": "main", "docker": docker, "restart": restart}


def _a_job(stage: Stage, name: str, restart: str, code: int) -> str:
    """JSON is YAML too."""
    meta = {"project": PROJECT, "serviceId": name, "version": "v1"}
    spec = {"tasks": [_job_task(stage, restart, code)]}
    return json.dumps({"type": "service", "meta": meta, "spec": spec})


def test_a_job_that_is_done_is_run_again_by_a_new_revision_alone(stage: Stage) -> None:
    def runs() -> list[str]:
        events = stage.user.events(PROJECT, "once")
        return [e["message"] for e in events if e["kind"] == "TaskCompleted"]

    applied = stage.user.cli("apply", "-f", "-", "--wait", given=_a_job(stage, "once", "never", 0))
    assert applied.returncode == 0, applied
    assert "life/once@v1 completed" in applied.stdout
    wait_until(lambda: _counted(runs, 1))

    everything = f"label=space-cloud.io/instance={stage.installation.instance}"
    once = ["-f", everything, "-f", "label=space-cloud.io/service=once", "-f", "status=exited"]
    ended = output("docker", "ps", "-aq", *once).split()
    output("docker", "rm", *ended)
    stage.installation.kill()
    stage.installation.start()
    stage.user.apply(PROJECT, "once", tasks=[_job_task(stage, "never", 0, "once")])
    wait_until(lambda: is_in_state("completed", stage.user.status(PROJECT, "once")))
    assert output("docker", "ps", "-aq", *once).split() == []
    assert len(runs()) == 1

    stage.user.apply(PROJECT, "once", tasks=[_job_task(stage, "never", 0, "twice")])
    wait_until(lambda: _counted(runs, 2))
    assert "twice" in runs()[0]
    stage.user.delete(PROJECT, "once")
    stage.user.wait_until_gone(PROJECT, "once")


def _counted(runs: Callable[[], list[str]], number: int) -> None:
    assert len(runs()) == number, runs()


def test_a_task_that_is_never_started_again_fails_at_its_first_end(stage: Stage) -> None:
    applied = stage.user.cli("apply", "-f", "-", "--wait", given=_a_job(stage, "oops", "never", 3))

    assert applied.returncode == 1, applied
    assert "exited with code 3" in applied.stderr
    (replica,) = stage.user.status(PROJECT, "oops")["replicas"]
    assert replica["tasks"][0]["restarts"] == 0
    stage.user.delete(PROJECT, "oops")
    stage.user.wait_until_gone(PROJECT, "oops")


def test_an_app_on_loopback_only_is_told_so(stage: Stage) -> None:
    stage.user.apply(PROJECT, "shy", tasks=[stage.user.task("shy", env={"LISTEN": "127.0.0.1"})])

    def reported() -> None:
        assert "listens on 127.0.0.1:8080 only" in stage.user.status(PROJECT, "shy")["message"]

    wait_until(reported)
    stage.user.delete(PROJECT, "shy")
    stage.user.wait_until_gone(PROJECT, "shy")


def test_scaling_up_and_down_loses_no_request(stage: Stage, load: Load) -> None:
    with load.running():
        for replicas in (3, 1):
            stage.user.apply(PROJECT, "web", scale={"replicas": replicas})
            stage.user.wait_until_ready(PROJECT, "web")

            def counted(wanted: int = replicas) -> None:
                assert len(stage.user.status(PROJECT, "web")["replicas"]) == wanted

            wait_until(counted)

    assert load.losses == []


def test_a_second_version_lives_beside_the_first_and_goes_without_a_trace(stage: Stage) -> None:
    stage.user.apply(PROJECT, "api", "v2", tasks=[stage.user.task("api-two")])
    stage.user.wait_until_ready(PROJECT, "api", version="v2")

    general = stage.machine.call(PROJECT, "web", "http", "http://api:8080/")
    second = stage.machine.call(PROJECT, "web", "http", "http://api-v2-internal:8080/")

    assert general["body"]["name"] == "api"
    assert second["body"]["name"] == "api-two"
    stage.user.delete(PROJECT, "api", "v2")

    def gone() -> None:
        assert not stage.machine.containers(f"project={PROJECT}", "service=api", "version=v2")
        assert not stage.machine.call(PROJECT, "web", "resolve", "api-v2-internal")["ok"]

    wait_until(gone)


def test_a_service_sleeps_frozen_or_stopped_and_its_next_request_wakes_it(stage: Stage) -> None:
    stage.user.apply(PROJECT, "sleeper", autoScale={"minReplicas": 0})
    stage.user.ingress(PROJECT, "sleeper", "/sleeper", "sleeper", rewrite="/")
    stage.user.wait_until_ready(PROJECT, "sleeper")
    container = stage.machine.task_container(PROJECT, "sleeper")

    for depth, state in (("frozen", "frozen"), ("stopped", "exited")):
        order = {"asleep": depth}
        path = f"/v1/runner/{PROJECT}/scaling/sleeper/v1"
        assert stage.user.request("POST", path, order).status_code == 200

        def asleep(depth: str = depth) -> None:
            status = stage.user.status(PROJECT, "sleeper")
            is_in_state("asleep", status)
            assert status["message"].startswith(f"{depth} since"), status

        wait_until(asleep)
        shown = state_of(container)
        answer = httpx.get(f"{stage.installation.url}/sleeper", timeout=30)

        assert shown == state
        assert (answer.status_code, answer.json()["name"]) == (200, "sleeper")
        stage.user.wait_until_ready(PROJECT, "sleeper")
        assert stage.machine.task_container(PROJECT, "sleeper") == container

    told = {event["kind"] for event in stage.user.events(PROJECT, "sleeper")}
    assert {"ReplicaFrozen", "ReplicaStopped", "Woken"} <= told
    assert "TaskExited" not in told
    stage.user.delete(PROJECT, "sleeper")
    stage.user.wait_until_gone(PROJECT, "sleeper")


def test_a_new_revision_of_what_sleeps_is_tried_once_and_a_broken_one_is_told(
    stage: Stage,
) -> None:
    sleepy: dict[str, Any] = {"autoScale": {"minReplicas": 0}, "rollout": {"confirmSeconds": 1}}
    path = f"/v1/runner/{PROJECT}/scaling/tried/v1"
    stage.user.apply(PROJECT, "tried", **sleepy)
    stage.user.wait_until_ready(PROJECT, "tried")
    assert stage.user.request("POST", path, {"asleep": "frozen"}).status_code == 200
    wait_until(lambda: is_in_state("asleep", stage.user.status(PROJECT, "tried")))
    old = stage.machine.task_container(PROJECT, "tried")

    broken = {"NAME": "tried", "DIE_SECONDS": "0.2"}
    stage.user.apply(PROJECT, "tried", tasks=[stage.user.task("tried", env=broken)], **sleepy)
    message = stage.user.wait_until_failed(PROJECT, "tried")

    assert "tried gives up" in message

    def only_the_old_one() -> None:
        assert state_of(old) == "frozen"
        assert len(stage.user.status(PROJECT, "tried")["replicas"]) == 1

    wait_until(only_the_old_one)
    stage.user.delete(PROJECT, "tried")
    stage.user.wait_until_gone(PROJECT, "tried")
