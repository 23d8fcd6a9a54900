"""``space-cli`` as a process against a running control plane: from a file to a ready service."""

import json
import re
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from eventually import holds_within, next_line, wait_until
from running_plane import COMMAND_SECONDS, Plane, a_running_plane
from spacecloud.model.refs import ServiceKey

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"
SERVICE = """
type: service
meta: {project: shop, serviceId: api, version: v1}
spec:
  tasks: [{id: main, docker: {image: IMAGE}, ports: [{port: 80}]}]
  rollout: {confirmSeconds: 0}
"""


@pytest.fixture
def plane(tmp_path: Path) -> Generator[Plane]:
    with a_running_plane(tmp_path) as running:
        yield running


@pytest.fixture
def slow_plane(tmp_path: Path) -> Generator[Plane]:
    """Nothing on it is ready within a test."""
    with a_running_plane(tmp_path, ready_after_seconds=3600) as running:
        yield running


def a_file(folder: Path, image: str = "api:1") -> str:
    path = folder / "api.yaml"
    path.write_text(SERVICE.replace("IMAGE", image))
    return str(path)


def test_the_example_is_deployed_and_its_addresses_are_printed(plane: Plane) -> None:
    done = plane.cli("apply", "-f", str(SHOP), "--wait=serving")

    assert done.code == 0, done.err
    assert "service shop/api@v1 created" in done.out
    assert "shop/web@v1 serving  web.shop.svc.cluster.local  http://localhost:4122/" in done.out
    assert done.err == ""


def test_a_volume_of_an_image_is_told_once_it_is_pulled(plane: Plane, tmp_path: Path) -> None:
    plane.workloads.image_volumes["db:1"] = ("/data",)
    note = "note: task main: its image declares /data as a VOLUME"

    first = plane.cli("apply", "-f", a_file(tmp_path, "db:1"), "--wait")
    again = plane.cli("apply", "-f", a_file(tmp_path, "db:1"), "--wait")
    status = plane.cli("status", "shop/api")

    assert [done.out.count(note) for done in (first, again)] == [1, 1]
    assert "VOLUME" in status.out


RELEASE = """
type: service
meta: {project: shop, serviceId: api, version: VERSION}
spec:
  rollout: {confirmSeconds: SECONDS}
  tasks: [{id: main, docker: {image: "api:1"}, ports: [{port: 80}], env: {A: VALUE}}]
"""


def a_release(value: str, seconds: int, version: str = "v1") -> str:
    text = RELEASE.replace("VALUE", f"'{value}'").replace("SECONDS", str(seconds))
    return text.replace("VERSION", version)


def test_what_serves_is_waited_for_until_it_is_confirmed_unless_serving_is_enough(
    plane: Plane,
) -> None:
    confirmed = plane.cli("apply", "--wait", "-f", "-", given=a_release("1", 1))
    serving = plane.cli("apply", "-f", "-", "--wait=serving", given=a_release("2", 600))
    listed = plane.cli("get", "services")

    assert confirmed.code == serving.code == 0, (confirmed.err, serving.err)
    assert "shop/api@v1 ready  " in confirmed.out
    assert "shop/api@v1 serving  " in serving.out
    assert "it serves, and is confirmed when it has for 600 s" in listed.out


def test_a_revision_that_does_not_last_ends_the_waiting_with_its_reason(plane: Plane) -> None:
    plane.cli("apply", "--wait=serving", "-f", "-", given=a_release("1", 0))
    waiting = plane.start_cli("apply", "--wait", "-f", "-")
    assert waiting.stdin is not None
    assert waiting.stdout is not None
    waiting.stdin.write(a_release("2", 600))
    waiting.stdin.close()
    wait_until(lambda: says(waiting, r"serving after \d+\.\d s, confirming \d+ s"))

    plane.loop.call_soon_threadsafe(plane.workloads.kill, ServiceKey("shop", "api"), "api--v1--1")

    assert waiting.wait(COMMAND_SECONDS) == 1
    assert waiting.stderr is not None
    assert "revision 2 did not last, revision 1 serves" in waiting.stderr.read()
    waiting.stdout.close()
    waiting.stderr.close()


def test_the_domain_that_is_printed_leads_to_the_version_that_was_applied(plane: Plane) -> None:
    first = plane.cli("apply", "--wait=serving", "-f", "-", given=a_release("1", 0))
    second = plane.cli("apply", "--wait=serving", "-f", "-", given=a_release("1", 0, "v2"))
    listed = plane.cli("get", "services", "-o", "wide").out.splitlines()

    assert "shop/api@v1 ready  api.shop.svc.cluster.local" in first.out
    assert "shop/api@v2 ready  api-v2-internal.shop.svc.cluster.local" in second.out
    assert "api-v2-internal.shop.svc.cluster.local" in listed[2]
    assert "api-v2-internal" not in listed[1]


def test_a_file_may_follow_the_option_to_wait(plane: Plane, tmp_path: Path) -> None:
    done = plane.cli("apply", "--wait", a_file(tmp_path))

    assert done.code == 0, done.err
    assert "shop/api@v1 ready" in done.out
    assert plane.cli("apply", "--wait", "--no-wait", a_file(tmp_path)).out.count("ready") == 0
    assert plane.cli("apply", "--wait=never", a_file(tmp_path)).code == 2


def test_nothing_changes_when_it_is_applied_again_and_plan_says_so(plane: Plane) -> None:
    plane.cli("apply", "-f", str(SHOP), "--wait")

    again = plane.cli("apply", "-f", str(SHOP), "--wait")
    planned = plane.cli("plan", "-f", str(SHOP))

    assert again.code == planned.code == 0
    assert "service shop/api@v1 unchanged" in again.out
    assert "nothing that runs would change" in planned.out


def test_a_plan_shows_steps_with_their_causes_and_touches_nothing(plane: Plane) -> None:
    done = plane.cli("plan", "-f", str(SHOP))
    listed = plane.cli("get", "projects")

    assert done.code == 0
    assert "+ service shop/api@v1 is new" in done.out
    assert "create network" in done.out
    assert "the service has no network" in done.out
    assert listed.err == "no projects\n"


def test_a_folder_and_the_input_are_read_like_files(plane: Plane, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    (folder / "b.yml").write_text(SERVICE.replace("IMAGE", "b:1"))
    (folder / "a.yaml").write_text("type: project\nmeta: {project: shop}\nspec: {name: Shop}\n")
    (folder / "ignored.txt").write_text("not: [yaml")

    done = plane.cli("apply", "-f", str(folder))
    piped = plane.cli("apply", "-f", "-", given=SERVICE.replace("IMAGE", "b:2"))

    assert done.out.splitlines() == ["project shop created", "service shop/api@v1 created"]
    assert piped.out == "service shop/api@v1 updated\n"


def test_what_is_read_back_as_yaml_changes_nothing(plane: Plane, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(
        "type: secret\nmeta: {project: shop, id: db}\nspec: {type: env, data: {PASS: s3cret}}\n"
    )
    plane.cli("apply", "-f", str(tmp_path / "secret.yaml"), "-f", str(SHOP), "--wait")
    generation = plane.wait_for(plane.store.versions("shop", "api"))[0].generation

    read = [
        plane.cli("get", thing, "-o", "yaml").out
        for thing in ("projects", "secrets", "services", "ingress-routes", "ingress-global")
    ]
    (tmp_path / "read.yaml").write_text("\n---\n".join(read))
    planned = plane.cli("plan", "-f", str(tmp_path / "read.yaml"), "-o", "json")
    applied = plane.cli("apply", "-f", str(tmp_path / "read.yaml"))

    changes = {d["id"]: d["change"] for d in json.loads(planned.out)["documents"]}
    kept = plane.wait_for(plane.store.secret_values("shop", "db"))
    assert set(changes.values()) == {"unchanged"}
    assert json.loads(planned.out)["services"] == []
    lines = [line for line in applied.out.splitlines() if "note: " not in line]
    assert len(lines) == len(changes)
    assert all(line.endswith(" unchanged") for line in lines), lines
    assert plane.wait_for(plane.store.versions("shop", "api"))[0].generation > generation
    assert kept == {"PASS": "s3cret"}
    assert "s3cret" not in "".join(read)


def test_a_service_that_fails_is_told_with_its_reason(plane: Plane, tmp_path: Path) -> None:
    done = plane.cli("apply", "-f", a_file(tmp_path, "missing/api:1"), "--wait")

    assert done.code == 1
    assert "error: shop/api@v1: image missing/api:1 cannot be pulled: it does not exist" in done.err


def test_a_service_that_is_late_has_its_own_exit_code(slow_plane: Plane, tmp_path: Path) -> None:
    done = slow_plane.cli("apply", "-f", a_file(tmp_path), "--wait", "--timeout", "1")

    assert done.code == 8
    assert "is not ready after 1 s" in done.err


def test_the_loser_of_two_applies_is_told(slow_plane: Plane, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    first = slow_plane.start_cli("apply", "-f", path, "--wait")
    wait_until_declared(slow_plane)
    slow_plane.cli("apply", "-f", path)

    out, err = first.communicate(timeout=20)

    assert first.returncode == 7, (out, err)
    assert "superseded: a later apply replaced this one" in err


def test_a_deployment_goes_on_after_ctrl_c_and_that_is_said(
    slow_plane: Plane, tmp_path: Path
) -> None:
    process = slow_plane.start_cli("apply", "-f", a_file(tmp_path), "--wait")
    wait_until_declared(slow_plane)
    wait_until(lambda: says(process, "progressing"))

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "the deployment goes on" in err
    assert "Traceback" not in err
    with slow_plane.client() as client:
        assert client.status("shop")[0]["state"] == "progressing"


def test_the_outcome_for_programs_is_one_json_value(plane: Plane, tmp_path: Path) -> None:
    done = plane.cli("apply", "-f", a_file(tmp_path), "--wait", "-o", "json")

    answer = json.loads(done.out)
    assert answer["documents"][0]["change"] == "created"
    assert answer["services"][0]["state"] == "ready"


def test_variables_are_replaced_only_when_that_is_asked(plane: Plane, tmp_path: Path) -> None:
    path = tmp_path / "api.yaml"
    env = "env: {TAG: '${TAG}$$'}, docker"
    path.write_text(SERVICE.replace("docker", env).replace("IMAGE", "api:1"))
    (tmp_path / "env").write_text("# tags\nexport TAG='2'\n")

    plane.cli("apply", "-f", str(path))
    wait_until_declared(plane)
    (as_it_is,) = plane.wait_for(plane.store.versions("shop", "api"))
    missing = plane.cli("apply", "-f", str(path), "--env", "OTHER=1")
    plane.cli("apply", "-f", str(path), "--env-file", str(tmp_path / "env"))

    (kept,) = plane.wait_for(plane.store.versions("shop", "api"))
    assert as_it_is.spec.tasks[0].env == {"TAG": "${TAG}$$"}
    assert missing.code == 2
    assert f"{path}:5: ${{TAG}} has no value" in missing.err
    assert kept.spec.tasks[0].env == {"TAG": "2$"}


def says(process: "subprocess.Popen[str]", pattern: str) -> None:
    """Its next line."""
    assert re.search(pattern, line := next_line(process)), line


def wait_until_declared(plane: Plane) -> None:
    declared = holds_within(lambda: bool(plane.wait_for(plane.store.versions("shop", "api"))), 10)
    assert declared, "nothing was declared"
