"""
Databases that are lost, and containers that pass themselves off as ours, on a whole platform.

What runs must run on: by the same container, without a request lost.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from e2e.machine import output
from e2e.stage import Stage
from e2e.supervised_installation import installed
from eventually import BUSY, wait_until
from load import Load
from other_user import as_nobody
from spacecloud import installation
from spacecloud.drivers.docker.ownership import MARK

pytestmark = [pytest.mark.docker, pytest.mark.attack]

NUMBER = 7
PREFIX = "space-cloud.io/"


@pytest.fixture(scope="module")
def stage(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with installed(tmp_path_factory.mktemp("attack"), NUMBER, images) as stage:
        yield stage


@pytest.fixture(autouse=True)
def running(stage: Stage) -> None:
    stage.installation.program("space-cloud", "start", check=True)
    stage.user.log_in()
    stage.user.apply("attack", "web")
    stage.user.wait_until_ready("attack", "web")
    stage.user.ingress("attack", "web", "/web", "web")
    wait_until(lambda: serves(stage))


def serves(stage: Stage) -> None:
    answer = httpx.get(f"{stage.installation.url}/web", timeout=30)
    assert answer.status_code == 200, answer.text


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def all_of_ours(stage: Stage) -> list[str]:
    """Containers with their starts, and networks: equal where nothing was replaced."""
    label = f"label={PREFIX}instance={stage.installation.instance}"
    ids = docker("ps", "-aq", "--no-trunc", "-f", label).split()
    starts = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Running}}", *ids)
    networks = docker("network", "ls", "-q", "--no-trunc", "-f", label).split()
    return sorted([*starts.splitlines(), *networks])


# ------------------------------------------------------------------ a database that is lost


@pytest.mark.parametrize(
    "loss", ["missing", "empty", "without a table", "garbage", "newer", "of another installation"]
)
def test_a_lost_database_is_refused_and_all_that_runs_runs_on(stage: Stage, loss: str) -> None:
    database = stage.installation.state_dir / "store.db"
    before = all_of_ours(stage)
    stage.installation.program("space-cloud", "stop", check=True)
    with kept_aside(stage):
        lose(database, loss)
        content = database.read_bytes() if database.exists() else None

        refused = stage.installation.program("space-cloud", "start", "--timeout", "30")

        assert refused.returncode in (1, 6), refused
        assert "Traceback" not in refused.stdout + refused.stderr
        assert str(database) in refused.stderr
        assert "restore" in refused.stderr or "move it away" in refused.stderr, refused.stderr
        assert (database.read_bytes() if database.exists() else None) == content
        serves(stage)
        assert all_of_ours(stage) == before
    stage.installation.program("space-cloud", "start", check=True)
    stage.user.wait_until_ready("attack", "web")
    assert all_of_ours(stage) == before


@contextmanager
def kept_aside(stage: Stage) -> Iterator[None]:
    """The database as it was, before and after."""
    aside = stage.installation.folder / "aside"
    shutil.copytree(stage.installation.state_dir, aside)
    try:
        yield
    finally:
        for path in stage.installation.state_dir.glob("store.db*"):
            path.unlink()
        for path in aside.glob("store.db*"):
            shutil.copy(path, stage.installation.state_dir)
        shutil.rmtree(aside)


def lose(database: Path, how: str) -> None:
    if how == "newer":
        change(database, "PRAGMA user_version = 999")
        return
    if how == "of another installation":
        change(database, "UPDATE installation SET secret = randomblob(32)")
        return
    for path in database.parent.glob("store.db*"):
        path.unlink()
    if how == "empty":
        database.write_bytes(b"")
    elif how == "garbage":
        database.write_bytes(b"nothing that SQLite knows " * 1000)
    elif how == "without a table":
        change(database, "VACUUM")


def change(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_state_folder_that_is_lost_is_told_and_all_that_runs_runs_on(stage: Stage) -> None:
    before = all_of_ours(stage)
    stage.installation.program("space-cloud", "stop", check=True)
    aside = stage.installation.state_dir.rename(stage.installation.state_dir.with_name("aside"))
    try:
        refused = stage.installation.program("space-cloud", "start")
        assert refused.returncode == 6, refused
        assert (
            f"{stage.installation.state_dir} does not know them: restore that folder"
            in refused.stderr
        )
        serves(stage)
    finally:
        shutil.rmtree(stage.installation.state_dir)
        aside.rename(stage.installation.state_dir)
    stage.installation.program("space-cloud", "start", check=True)
    stage.user.wait_until_ready("attack", "web")
    assert all_of_ours(stage) == before


def test_a_database_that_is_there_is_never_forgotten(stage: Stage) -> None:
    done = stage.installation.program("space-cloud", "start", "--forget")
    assert (done.returncode, "runs: space-cloud stop" in done.stderr) == (4, True), done

    stage.installation.program("space-cloud", "stop", check=True)
    done = stage.installation.program("space-cloud", "start", "--forget")

    assert done.returncode == 4, done
    assert "never overwritten" in done.stderr


def test_whoever_forgets_on_purpose_begins_anew_and_undeclared_replicas_go(stage: Stage) -> None:
    replica = stage.machine.task_container("attack", "web")
    stage.installation.program("space-cloud", "stop", check=True)
    for path in stage.installation.state_dir.glob("store.db*"):
        path.unlink()
    assert stage.installation.program("space-cloud", "start").returncode == 6

    stage.installation.program("space-cloud", "start", "--forget", check=True)

    def gone() -> None:
        assert replica not in docker("ps", "-aq", "--no-trunc")

    wait_until(gone, within=60)
    stage.user.log_in()

    def is_forgotten() -> None:
        """Its network goes after its replica."""
        assert stage.user.statuses("attack") == []

    wait_until(is_forgotten, within=10 * BUSY)


# ------------------------------------------------------------------ containers of strangers


def test_an_image_with_our_labels_is_left_alone_and_disturbs_nothing(stage: Stage) -> None:
    replica = stage.machine.task_container("attack", "web")
    before = all_of_ours(stage)
    own = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", replica))
    shapes = {
        "copy": own,
        "unmarked": {k: v for k, v in own.items() if k != MARK},
        "odd": {**own, PREFIX + "tasks": "5"},
        "undeclared": {**own, PREFIX + "service": "ghost", PREFIX + "slot": "7"},
        "part": {PREFIX + "instance": stage.installation.instance, PREFIX + "part": "gateway"},
    }
    strangers = {}
    try:
        for name, its in shapes.items():
            strangers[name] = a_stranger(stage, name, its)

        stage.installation.program("space-cloud", "stop", check=True)
        stage.installation.program("space-cloud", "start", check=True)
        stage.user.wait_until_ready("attack", "web")
        serves(stage)

        running = docker("ps", "-q", "--no-trunc").split()
        assert set(strangers.values()) <= set(running)
        assert set(before) <= set(all_of_ours(stage))
        assert len(stage.user.statuses("attack")) == 1
        log = (stage.installation.state_dir / "space-cloud.log").read_text()
        assert "ended with" not in log.rpartition("serves docker")[2]
        for name in strangers:
            assert log.count(f"container stranger-{stage.installation.instance}-{name} ") <= 2
        doctor = stage.installation.program("space-cloud", "doctor")
        assert doctor.returncode == 1
        assert all(
            f"stranger-{stage.installation.instance}-{name}" in doctor.stdout for name in strangers
        )
        inspected = stage.installation.program(
            "space-cloud", "inspect", "-o", "json", check=True
        ).stdout
        assert "stranger-" not in inspected
        done = stage.user.cli("logs", "attack/web", "--tail", "1")
        assert done.returncode == 0, done

        stage.installation.program("space-cloud", "down", check=True)

        left = docker(
            "ps", "-q", "--no-trunc", "-f", f"label={PREFIX}instance={stage.installation.instance}"
        )
        assert set(left.split()) == set(strangers.values())
    finally:
        for id in strangers.values():
            docker("rm", "-f", id)
        for name in shapes:
            docker("image", "rm", "-f", f"stranger-{stage.installation.instance}-{name}")
    stage.installation.program("space-cloud", "start", check=True)


def a_stranger(stage: Stage, name: str, its: dict[str, str]) -> str:
    """An image that carries labels, and a container of it by a plain docker run."""
    tag = f"stranger-{stage.installation.instance}-{name}"
    made = docker("create", stage.user.images["echo"])
    changes = " ".join(f"{label}={json.dumps(text)}" for label, text in its.items())
    docker("commit", "--change", f"LABEL {changes}", made, tag)
    docker("rm", made)
    return docker("run", "-d", "--name", tag, tag)


# ------------------------------------------------------------------ other users, and pages

OPENING = """
import sys
for path in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            print("opened")
        except OSError as error:
            print(errno.errorcode[error.errno])
"""


def test_nobody_else_on_this_machine_opens_a_socket_of_the_platform(stage: Stage) -> None:
    run_dir = stage.installation.run_dir
    sockets = [run_dir / "api.sock", *(run_dir / "gateway").glob("*.sock")]
    assert len(sockets) == 3

    tried = as_nobody("import errno, socket", OPENING, *map(str, sockets))

    assert tried.stdout.split() == ["EACCES"] * 3, tried
    modes = [path.stat().st_mode & 0o7777 for path in (run_dir, run_dir / "api.sock")]
    assert modes == [0o750, 0o660]


def test_a_gateway_that_runs_finds_the_api_where_an_earlier_release_let_everybody_in(
    stage: Stage,
) -> None:
    gateway = f"space-cloud-{stage.installation.instance}-gateway"
    before = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", gateway)
    stage.installation.program("space-cloud", "stop", check=True)
    os.chown(stage.installation.run_dir, 0, 0)
    stage.installation.run_dir.chmod(0o755)
    (stage.installation.run_dir / "api.sock").chmod(0o666)

    stage.installation.program("space-cloud", "start", check=True)

    assert docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", gateway) == before
    assert stage.user.request("GET", "/v1/config/projects/*").status_code == 200
    docker("restart", "-t", "0", gateway)
    wait_until(lambda: answers(stage))
    assert stage.user.request("GET", "/v1/config/projects/*").status_code == 200


def answers(stage: Stage) -> None:
    try:
        serves(stage)
    except httpx.HTTPError as error:
        raise AssertionError(repr(error)) from error


def test_a_page_at_the_owners_browser_is_refused_at_the_gateway_too(stage: Stage) -> None:
    url = f"{stage.installation.url}/v1/config/login"
    right = {"user": "admin", "key": stage.installation.password}
    own = {"Origin": stage.installation.url}
    pages: list[dict[str, str]] = [
        {"Host": f"evil.example:{stage.installation.http_port}"},
        {"Host": "evil.example", "X-Space-Cloud-Caller": "local"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ]

    refused = [httpx.post(url, json=right, headers=page).status_code for page in pages * 4]
    form = httpx.post(url, content=json.dumps(right), headers={"Content-Type": "text/plain"})
    bare = httpx.post(url, content=json.dumps(right).encode())

    assert refused == [403] * 16
    assert form.status_code == 415
    assert bare.status_code == 200
    assert httpx.post(url, json=right, headers=own).status_code == 200


def test_a_body_of_20_mib_is_answered_by_the_gateway_too(stage: Stage) -> None:
    url = f"{stage.installation.url}/v1/runner/attack/services/large/v1"
    right = {"Authorization": f"Bearer {stage.user.token}"}

    for headers, status in ((right, 413), ({}, 401)):
        answer = httpx.post(url, content=b"x" * (20 << 20), headers=headers, timeout=60)
        assert answer.status_code == status
        assert answer.json()["error"]


def test_metrics_are_on_a_port_of_their_own_and_not_at_the_public_one(stage: Stage) -> None:
    token = {"Authorization": f"Bearer {stage.user.token}"}
    port = stage.installation.metrics_port

    told = httpx.get(f"http://127.0.0.1:{port}/metrics")
    public = httpx.get(f"{stage.installation.url}/metrics", headers=token)
    listening = output("ss", "-Htln", f"sport = :{port}")

    assert "space_cloud" in told.text
    assert public.status_code == 404
    assert [line.split()[3] for line in listening.splitlines()] == [f"127.0.0.1:{port}"]


def test_no_project_reaches_a_port_of_the_platform_by_egress(stage: Stage) -> None:
    ports = [stage.installation.http_port, stage.installation.metrics_port]

    said = stage.user.request(
        "POST", "/v1/config/projects/attack", {"egress": [{"port": port} for port in ports]}
    )

    assert said.status_code == 400
    assert [m["path"] for m in said.json()["mistakes"]] == [
        "spec.egress[0].port",
        "spec.egress[1].port",
    ]


@pytest.mark.parametrize("name", ["admin-password", "jwt.key"])
def test_a_file_that_is_no_text_is_named_by_start(stage: Stage, name: str) -> None:
    path = stage.installation.state_dir / name
    stage.installation.program("space-cloud", "stop", check=True)
    before = path.read_bytes()
    path.write_bytes(b"caf\xe9 au lait")
    try:
        refused = stage.installation.program("space-cloud", "serve")
    finally:
        path.write_bytes(before)

    assert refused.returncode == 6
    assert f"{path} is not UTF-8 text" in refused.stderr
    assert "Traceback" not in refused.stderr


# ------------------------------------------------------------------ upgrades

EARLIER = """
from spacecloud import installation, server
installation.read_secret = lambda settings: None
installation.write_secret = lambda settings, secret: None
server.main()
"""


def test_an_upgrade_replaces_nothing_and_loses_no_request(stage: Stage) -> None:
    as_an_earlier_release_leaves_it(stage)
    before = all_of_ours(stage)
    marks = docker(
        *("ps", "-a", "--format", '{{.Label "' + MARK + '"}}'),
        *("-f", f"label={PREFIX}instance={stage.installation.instance}"),
    )
    assert marks.strip() == ""

    load = Load(f"{stage.installation.url}/web", clients=1)
    with load.running():
        stage.installation.program("space-cloud", "start", check=True)
        stage.user.wait_until_ready("attack", *(f"s{n}" for n in range(10)), "web")

    assert load.answers
    assert load.losses == []
    assert all_of_ours(stage) == before
    assert stage.installation.program("space-cloud", "doctor").returncode == 0

    stage.installation.program("space-cloud", "stop", check=True)
    stage.installation.program("space-cloud", "start", check=True)
    stage.user.wait_until_ready("attack", "web")
    assert all_of_ours(stage) == before
    for n in range(10):
        stage.user.delete("attack", f"s{n}")
    stage.user.wait_until_gone("attack", *(f"s{n}" for n in range(10)))


def as_an_earlier_release_leaves_it(stage: Stage) -> None:
    """Nothing carries a mark, and neither folder nor database knows of an installation."""
    stage.installation.program("space-cloud", "down", check=True)
    for name in (installation.FILE, installation.ADOPTED):
        (stage.installation.state_dir / name).unlink(missing_ok=True)
    command, stage.installation.command = (
        stage.installation.command,
        (sys.executable, "-c", EARLIER, "serve"),
    )
    try:
        stage.installation.start()
        for n in range(10):
            stage.user.apply("attack", f"s{n}")
        stage.user.wait_until_ready("attack", *(f"s{n}" for n in range(10)), "web", within=120)
        stage.installation.stop()
    finally:
        stage.installation.command = command
    for name in (installation.FILE, installation.ADOPTED):
        (stage.installation.state_dir / name).unlink(missing_ok=True)
    database = stage.installation.state_dir / "store.db"
    # As the migrations of a start leave it; they are tested with a database of that release.
    change(database, "DELETE FROM installation")


def test_without_its_key_an_installation_is_still_taken_away(stage: Stage) -> None:
    stage.installation.program("space-cloud", "stop", check=True)
    (stage.installation.state_dir / installation.FILE).unlink()

    stage.installation.program("space-cloud", "down", check=True)

    assert docker("ps", "-aq", "-f", f"label={PREFIX}instance={stage.installation.instance}") == ""
    stage.installation.program("space-cloud", "start", check=True)
    assert (stage.installation.state_dir / installation.FILE).exists()
