"""A value of each kind of secret, looked for in clear and in base64 everywhere but in its place."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.stage import Stage
from eventually import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.attack]

PROJECT = "marked"
MARKERS = {
    kind: f"marker-{kind}-5e1f0c7a93b24d68"
    for kind in ("env", "file", "registry", "aes", "signing", "private", "refused")
}


@pytest.fixture(scope="module", autouse=True)
def secrets_in_use(stage: Stage) -> Iterator[None]:
    """A service that has them, and one whose image its registry does not give."""
    keys = [
        {"alg": "HS256", "secret": MARKERS["signing"]},
        {"kid": "rsa", "privateKey": MARKERS["private"]},
    ]
    post(stage, f"/v1/config/projects/{PROJECT}", {"aesKey": MARKERS["aes"], "secrets": keys})
    for id, body in {
        "creds": {"type": "env", "data": {"TOKEN": MARKERS["env"]}},
        "conf": {"type": "file", "rootPath": "/etc/app", "data": {"app.ini": MARKERS["file"]}},
        "registry": {
            "type": "docker",
            "data": {
                "username": "robot",
                "password": MARKERS["registry"],
                "url": "http://127.0.0.1:1",
            },
        },
    }.items():
        post(stage, f"/v1/runner/{PROJECT}/secrets/{id}", body)
    stage.user.apply(PROJECT, "api", tasks=[stage.user.task("api", secrets=["creds", "conf"])])
    private = {"image": "127.0.0.1:1/private:1", "secret": "registry", "imagePullPolicy": "always"}
    stage.user.apply(PROJECT, "pulled", tasks=[stage.user.task("pulled", docker=private)])
    stage.user.wait_until_ready(PROJECT, "api")
    wait_until(lambda: is_told(stage))
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, "api", "pulled")


def post(stage: Stage, path: str, body: object) -> None:
    answer = stage.user.request("POST", path, body)
    assert answer.status_code == 200, answer.text


def is_told(stage: Stage) -> None:
    assert "cannot be pulled" in stage.user.status(PROJECT, "pulled")["message"]


def found_in(content: bytes) -> set[str]:
    """The kinds of secrets whose value it holds."""
    return {kind for kind, value in MARKERS.items() if any(f in content for f in forms(value))}


def forms(value: str) -> Iterator[bytes]:
    """In clear, and in both alphabets of base64 at each of its three alignments."""
    yield value.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # Without the ends, which depend on what stands beside it.
            yield encode(b"\0" * before + value.encode())[4:-4]


def processes() -> Iterator[Path]:
    return (path for path in Path("/proc").iterdir() if path.name.isdigit())


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_search_finds_a_value_wherever_it_stands(stage: Stage) -> None:
    for before in ("", "a", "ab"):
        hidden = base64.b64encode(f"{before}{MARKERS['env']}:tail".encode())

        assert found_in(hidden) == {"env"}
    assert found_in(MARKERS["file"].encode()) == {"file"}
    assert found_in(b"nothing") == set()


def test_no_answer_of_the_api_holds_a_value(stage: Stage) -> None:
    paths = (
        f"/v1/runner/{PROJECT}/secrets",
        f"/v1/runner/{PROJECT}/services",
        f"/v1/runner/{PROJECT}/services/status",
        f"/v1/config/projects/{PROJECT}",
        f"/v1/config/events?project={PROJECT}",
    )
    answers = [stage.user.request("GET", path) for path in paths]

    assert [answer.status_code for answer in answers] == [200] * len(paths)
    assert found_in(b"".join(answer.content for answer in answers)) == set()


@pytest.mark.parametrize(
    "body",
    [
        {"type": "env", "data": {"=KEY": MARKERS["refused"]}},
        {"type": "env", "data": {"KEY": [MARKERS["refused"]]}},
        {"type": "file", "data": {"a/b": MARKERS["refused"]}},
        {"type": MARKERS["refused"], "data": {}},
    ],
)
def test_a_secret_that_is_refused_is_refused_without_its_value(
    stage: Stage, body: dict[str, object]
) -> None:
    answer = stage.user.request("POST", f"/v1/runner/{PROJECT}/secrets/wrong", body)

    assert answer.status_code == 400
    if body["type"] != MARKERS["refused"]:
        assert found_in(answer.content) == set()


@pytest.mark.parametrize(
    "command",
    [
        ("get", "secrets", "-p", PROJECT, "-o", "yaml"),
        ("get", "projects", "-o", "json"),
        ("get", "services", "-p", PROJECT, "-o", "yaml"),
        ("status", f"{PROJECT}/pulled"),
        ("why", f"{PROJECT}/pulled"),
        ("events",),
    ],
)
def test_no_command_shows_a_value(stage: Stage, command: tuple[str, ...]) -> None:
    done = stage.user.cli(*command)

    assert done.stdout
    assert found_in((done.stdout + done.stderr).encode()) == set()


def test_no_log_and_no_file_of_ours_holds_a_value(stage: Stage) -> None:
    folders = (stage.installation.state_dir, stage.installation.run_dir)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    assert any(path.name == "store.db" for path in files)
    assert {str(path): found for path in files if (found := found_in(read(path)))} == {}
    assert found_in(stage.installation.log().encode()) == set()


def test_no_process_shows_a_value_but_the_tasks_that_have_it(stage: Stage) -> None:
    task = stage.machine.pid(PROJECT, "api")
    assert found_in(read(Path(f"/proc/{task}/environ"))) == {"env"}

    commands = {str(path): found_in(read(path / "cmdline")) for path in processes()}
    ours = [path for path in processes() if b"spacecloud" in read(path / "cmdline")]

    assert {path: found for path, found in commands.items() if found} == {}
    assert ours
    assert [path for path in ours if found_in(read(path / "environ"))] == []


def test_the_control_plane_leaves_no_core_behind(stage: Stage) -> None:
    assert stage.installation.server is not None
    limits = read(Path(f"/proc/{stage.installation.server.pid}/limits")).decode().splitlines()

    (core,) = (line.split() for line in limits if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]
