"""start, stop, destroy, doctor and inspect, and who keeps the control plane alive."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.installation import BIN
from e2e.machine import pid_of
from e2e.stage import Stage
from e2e.supervised_installation import (
    control_plane,
    installed,
    left,
    lives,
    processes,
    run_dir,
    start,
    supervisor,
)
from eventually import Wait, wait_until

pytestmark = pytest.mark.docker

NUMBER = 4


@pytest.fixture(scope="module")
def stage(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with installed(tmp_path_factory.mktemp("life"), NUMBER, images) as stage:
        stage.user.apply("life", "web")
        stage.user.apply("life", "api")
        stage.user.wait_until_ready("life", "web", "api")
        yield stage


@pytest.fixture(autouse=True)
def running(stage: Stage) -> None:
    """However the test before left it."""
    stage.installation.program("space-cloud", "start", check=True)


def reaches(stage: Stage) -> None:
    answer = stage.machine.call("life", "web", "http", "http://api:8080/")
    assert answer["ok"], answer


def answers(stage: Stage) -> None:
    try:
        assert httpx.get(f"{stage.installation.url}/v1/config/env", timeout=2).status_code == 200
    except httpx.HTTPError as error:
        raise AssertionError(repr(error)) from error


def gateway(stage: Stage) -> int:
    return pid_of(f"space-cloud-{stage.installation.instance}-gateway")


def test_the_password_is_told_once_and_to_no_log(stage: Stage) -> None:
    password = (stage.installation.state_dir / "admin-password").read_text().strip()
    output = stage.installation.program("space-cloud", "start", check=True).stdout
    log = (stage.installation.state_dir / "space-cloud.log").read_text()

    assert output.strip() == f"instance {stage.installation.instance} runs already"
    assert "first start" in log
    assert password not in log


def test_wrong_logins_at_the_machine_do_not_lock_its_owner_out(stage: Stage) -> None:
    wrong = {"user": "admin", "key": "an old one"}
    statuses = [
        httpx.post(f"{stage.installation.url}/v1/config/login", json=wrong, timeout=15).status_code
        for _ in range(12)
    ]

    began = time.monotonic()
    body = {
        "user": "admin",
        "key": (stage.installation.state_dir / "admin-password").read_text().strip(),
    }
    answer = httpx.post(f"{stage.installation.url}/v1/config/login", json=body, timeout=15)

    assert statuses == [401] * 12
    assert answer.status_code == 200
    assert time.monotonic() - began < 10


def test_a_start_that_wants_it_otherwise_than_it_runs_says_what_to_do(stage: Stage) -> None:
    output = stage.installation.program("space-cloud", "start", "--expose-api", check=True).stdout

    assert "runs already; stop it first" in output
    assert "--expose-api" in output


def test_an_api_that_is_not_exposed_any_more_answers_nobody_else_from_the_first_moment(
    stage: Stage,
) -> None:
    """The gateway has what it was told before the restart until it is told otherwise."""
    answered: list[int] = []
    stage.installation.program("space-cloud", "stop", check=True)
    stage.installation.program("space-cloud", "start", "--expose-api", check=True)
    exposed = asked(stage)
    stage.installation.program("space-cloud", "stop", check=True)
    with subprocess.Popen(
        [BIN / "space-cloud", "start"], env=stage.installation.environment
    ) as starting:
        wait = Wait(60)
        while starting.poll() is None:
            answered.append(asked(stage))
            wait.failed(AssertionError("it does not come to an end"))
    answered.append(asked(stage))

    assert exposed == 401
    assert set(answered) <= {0, 403, 503}
    assert answered[-1] == 403


def asked(stage: Stage) -> int:
    """What the API says to one who asks from beyond loopback; 0 for nothing."""
    try:
        url = f"http://{beyond_loopback()}:{stage.installation.http_port}/v1/config/projects/*"
        return httpx.get(url, timeout=30).status_code
    except httpx.HTTPError:
        return 0


def beyond_loopback() -> str:
    """
    An address of this machine that every engine gives it.

    Asked of the kernel: engine 20.10 tells no gateway of its bridge until it was restarted once.
    """
    name = '{{index .Options "com.docker.network.bridge.name"}}'
    bridge = output("docker", "network", "inspect", "bridge", "-f", name)
    (interface,) = json.loads(output("ip", "-json", "-4", "address", "show", "dev", bridge))
    return str(interface["addr_info"][0]["local"])


def output(*command: str) -> str:
    return subprocess.run(
        command, text=True, capture_output=True, check=True, timeout=60
    ).stdout.strip()


def test_what_runs_goes_on_without_the_control_plane(stage: Stage) -> None:
    output = stage.installation.program("space-cloud", "stop", check=True).stdout

    assert output.strip() == "stopped"
    assert processes(stage) == []
    reaches(stage)
    output = stage.installation.program("space-cloud", "stop", check=True).stdout
    assert output.strip() == f"instance {stage.installation.instance} does not run"


@pytest.fixture
def stopped(stage: Stage) -> Iterator[None]:
    stage.user.apply("life", "shut", whitelists=[])
    stage.user.ingress("life", "web", "/life", "web", rewrite="/")
    stage.user.wait_until_ready("life", "shut")
    stage.installation.program("space-cloud", "stop", check=True)
    yield
    start(stage)
    stage.user.delete("life", "shut")
    stage.user.wait_until_gone("life", "shut")


def test_names_ingress_and_policy_go_on_without_it(stage: Stage, stopped: None) -> None:
    refused = stage.machine.call("life", "web", "http", "http://shut:8080/")
    from_outside = httpx.get(f"{stage.installation.url}/life", timeout=30)

    assert refused["status"] == 403
    assert from_outside.json()["name"] == "web"
    assert stage.machine.call("life", "web", "resolve", "api")["ok"]


def test_without_it_the_api_is_unavailable_and_the_cli_says_what_to_do(
    stage: Stage, stopped: None
) -> None:
    answer = httpx.get(f"{stage.installation.url}/v1/config/env", timeout=30)
    output = stage.user.cli("get", "services", "-p", "life")

    assert answer.status_code == 503
    assert output.returncode == 6
    assert "space-cloud start" in output.stderr


def test_a_resolver_that_is_killed_without_it_is_back_with_its_names(
    stage: Stage, stopped: None
) -> None:
    name = f"space-cloud-{stage.installation.instance}-resolver"
    before = pid_of(name)
    os.kill(before, signal.SIGKILL)

    wait_until(lambda: reaches(stage), within=30)
    assert pid_of(name) != before


def test_a_gateway_that_is_killed_without_it_serves_when_it_is_back(
    stage: Stage, stopped: None
) -> None:
    os.kill(gateway(stage), signal.SIGKILL)
    time.sleep(2)
    assert not stage.machine.call("life", "web", "http", "http://api:8080/", "--timeout", "2")["ok"]

    start(stage)
    wait_until(lambda: reaches(stage), within=30)


def test_a_task_that_is_killed_without_it_is_replaced_when_it_is_back(
    stage: Stage, stopped: None
) -> None:
    os.kill(stage.machine.pid("life", "api"), signal.SIGKILL)
    time.sleep(2)
    assert stage.machine.containers("project=life", "service=api", "task=main") == []

    start(stage)
    wait_until(lambda: reaches(stage), within=20)


def test_a_killed_control_plane_is_back_with_no_command_typed(stage: Stage) -> None:
    before = control_plane(stage)
    os.kill(before, signal.SIGKILL)

    def is_back() -> None:
        assert control_plane(stage) != before
        answers(stage)

    wait_until(is_back, within=30)
    reaches(stage)


def test_gateway_and_control_plane_killed_together_are_back_and_serve(stage: Stage) -> None:
    os.kill(control_plane(stage), signal.SIGKILL)
    os.kill(gateway(stage), signal.SIGKILL)

    wait_until(lambda: answers(stage), within=30)
    wait_until(lambda: reaches(stage), within=30)


@pytest.mark.attack
def test_the_api_answers_whatever_routes_an_installation_holds(stage: Stage) -> None:
    """Planted past the check of a document: one out of bounds, one that cannot even be read."""
    for id in ("good", "large", "broken"):
        stage.user.ingress("life", id, f"/{id}", "web")
    stage.installation.program("space-cloud", "stop", check=True)
    with contextlib.closing(sqlite3.connect(stage.installation.state_dir / "store.db")) as db, db:
        ((spec,),) = db.execute("SELECT spec FROM ingress WHERE id = 'large'").fetchall()
        edit = {"headers": [{"key": "x", "value": "v" * 20_000}]}
        large = json.dumps({**json.loads(spec), "modify": edit})
        db.execute("UPDATE ingress SET spec = ? WHERE id = 'large'", [large])
        db.execute("UPDATE ingress SET spec = '{\"targets\": 5}' WHERE id = 'broken'")
    subprocess.run(
        ["docker", "kill", f"space-cloud-{stage.installation.instance}-gateway"],
        check=True,
        capture_output=True,
        timeout=60,
    )

    stage.installation.program("space-cloud", "start", check=True)

    def serves() -> None:
        answers(stage)
        assert httpx.get(f"{stage.installation.url}/good", timeout=2).status_code == 200
        assert httpx.get(f"{stage.installation.url}/large", timeout=2).status_code == 404

    wait_until(serves, within=30)
    (output,) = stage.user.status("life", "web")["notServed"]
    assert output.startswith("ingress route life/large is not served: modify: the value of 'x'")
    for id in ("good", "large", "broken"):
        path = f"/v1/config/projects/life/routing/ingress/{id}"
        assert stage.user.request("DELETE", path).status_code == 200


def test_no_control_plane_lives_on_when_its_supervisor_is_killed(stage: Stage) -> None:
    keeper, kept = supervisor(stage), control_plane(stage)
    os.kill(keeper, signal.SIGKILL)

    def is_gone() -> None:
        assert not lives(kept)

    wait_until(is_gone, within=30)
    reaches(stage)
    start(stage)
    assert control_plane(stage) != kept
    answers(stage)


def test_a_control_plane_in_the_foreground_is_named_and_can_be_ended(stage: Stage) -> None:
    stage.installation.program("space-cloud", "stop", check=True)
    stage.installation.start()
    assert stage.installation.server is not None

    refused = stage.installation.program("space-cloud", "start")
    assert refused.returncode == 4
    assert f"(process {stage.installation.server.pid})" in refused.stderr
    assert stage.installation.server.poll() is None

    stage.installation.program("space-cloud", "stop", check=True)
    assert stage.installation.server.wait(30) == 0
    stage.installation.server = None


def test_files_of_locks_that_nobody_holds_mean_nothing(stage: Stage) -> None:
    stage.installation.program("space-cloud", "stop", check=True)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        for name in ("serve.lock", "supervisor.lock"):
            (run_dir(stage) / name).write_text(str(stranger.pid))

        output = stage.installation.program("space-cloud", "stop", check=True).stdout
        start(stage)

        assert "does not run" in output
        assert stranger.poll() is None
        stranger.kill()
    answers(stage)


def test_a_control_plane_that_cannot_start_is_given_up_with_its_last_words(stage: Stage) -> None:
    stage.installation.program("space-cloud", "stop", check=True)
    key = stage.installation.state_dir / "secret.key"
    kept = key.read_bytes()
    key.write_text("not a key")
    began = time.monotonic()

    refused = stage.installation.program("space-cloud", "start")

    key.write_bytes(kept)
    assert refused.returncode == 6, refused.stdout
    assert "secret.key" in refused.stderr
    assert time.monotonic() - began < 60
    assert processes(stage) == []
    reaches(stage)


def test_the_doctor_finds_nothing_on_what_is_well(stage: Stage) -> None:
    done = stage.installation.program("space-cloud", "doctor", "-o", "json")

    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert found["ok"] is True
    looked_at = {check["what"] for check in found["checks"]}
    assert {"engine", "rules", "gateway", "resolver", "API", "disk", "clock", "pools"} <= looked_at


def test_the_doctor_names_what_is_broken_and_the_fix(stage: Stage) -> None:
    stage.installation.program("space-cloud", "stop", check=True)
    name = f"space-cloud-{stage.installation.instance}"
    subprocess.run(["docker", "stop", "-t", "0", f"{name}-resolver"], check=True, timeout=60)
    inspected = stage.installation.program(
        "space-cloud", "inspect", "-o", "json", check=True
    ).stdout
    chain = next(c for c in json.loads(inspected)["machine"]["chains"] if c.startswith("nat "))
    subprocess.run(["iptables", "-t", "nat", "-F", chain.split()[1]], check=True, timeout=60)

    done = stage.installation.program("space-cloud", "doctor")

    assert done.returncode == 1
    bad = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("BAD")}
    assert bad == {"resolver", "rules", "gateway's", "control", "API"}
    assert f"{chain.split()[1]} was changed or missing: space-cloud start" in done.stdout

    start(stage)
    assert stage.installation.program("space-cloud", "doctor").returncode == 0
    wait_until(lambda: reaches(stage), within=30)


def test_inspect_tells_what_the_engine_and_the_kernel_tell(stage: Stage) -> None:
    done = stage.installation.program("space-cloud", "inspect", "-o", "json", check=True)

    shown = json.loads(done.stdout)
    running = {one["name"] for one in shown["machine"]["containers"]}
    assert len(running) == len(stage.machine.containers())
    assert len(shown["machine"]["networks"]) == len(shown["machine"]["bridges"]) == 2
    assert shown["machine"]["instances"][stage.installation.instance] == len(running)
    assert shown["processes"]["control plane"] == control_plane(stage)
    assert shown["settings"]["http_port"] == stage.installation.http_port
    assert (stage.installation.state_dir / "admin-password").read_text().strip() not in done.stdout


def test_destroy_asks_first_and_keeps_what_was_declared_and_what_is_not_ours(
    stage: Stage,
) -> None:
    refused = stage.installation.program("space-cloud", "destroy")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    answers(stage)
    foreign = run_dir(stage) / "somebody.txt"
    foreign.write_text("mine")

    done = stage.installation.program("space-cloud", "destroy", "--yes", check=True)

    assert f"not ours: {foreign}" in done.stdout
    assert [path.name for path in run_dir(stage).iterdir()] == ["somebody.txt"]
    foreign.unlink()
    assert left(stage) == []
    start(stage)
    stage.user.wait_until_ready("life", "web", "api")
    wait_until(lambda: reaches(stage), within=30)


def test_the_log_stays_at_a_size_while_it_is_written(tmp_path: Path) -> None:
    talk = "import sys\nwhile True: sys.stdout.write(('x' * 1000 + '\\n') * 100)"
    log = tmp_path / "log"
    command = [sys.executable, "-m", "spacecloud.supervisor", str(tmp_path / "lock"), str(log)]
    with subprocess.Popen([*command, sys.executable, "-c", talk]) as keeper:
        deadline = time.monotonic() + 60
        while not (tmp_path / "log.2").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        keeper.terminate()
        assert keeper.wait(15) == 0

    sizes = [path.stat().st_size for path in tmp_path.glob("log*")]
    assert len(sizes) == 3
    assert max(sizes) <= 10 * 1024 * 1024
