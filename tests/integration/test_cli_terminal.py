"""``space-cli`` on a terminal: the live view, and what a shell completes."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from running_plane import Plane, a_running_plane
from spacecloud.model.refs import ServiceKey

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"
PATIENCE_SECONDS = 30
ASKED = b"Remove project shop and all that is in it? [y/N]"


@pytest.fixture
def plane(tmp_path: Path) -> Generator[Plane]:
    with a_running_plane(tmp_path, ready_after_seconds=1) as running:
        yield running


def on_a_terminal(
    plane: Plane, *arguments: str, prompt: bytes = b"", typed: bytes = b""
) -> tuple[int, str]:
    """Exit code, and all that was written to the terminal, where the prompt is answered."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "spacecloud.cli.main", *arguments],
        env={**plane.environment, "TERM": "xterm", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        if not select.select([ours], [], [], 0.1)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            written += os.read(ours, 65536)
        except OSError:
            break
        if prompt and prompt in written:
            os.write(ours, typed)
            prompt = b""
    os.close(ours)
    return process.wait(PATIENCE_SECONDS), written.decode()


def test_a_deployment_is_watched_live_until_it_is_ready(plane: Plane) -> None:
    code, written = on_a_terminal(plane, "apply", "-f", str(SHOP), "--wait")

    assert code == 0, written
    assert "0 of 3 ready" in written
    assert "shop/web@v1 \x1b[32mready\x1b[0m  web.shop.svc.cluster.local" in written
    assert "Traceback" not in written


def test_a_project_is_removed_when_the_question_is_answered(plane: Plane) -> None:
    plane.cli("apply", "-f", str(SHOP))

    no, output = on_a_terminal(plane, "delete", "project", "shop", prompt=ASKED, typed=b"n\n")
    yes, _ = on_a_terminal(plane, "delete", "project", "shop", prompt=ASKED, typed=b"y\n")

    assert ASKED.decode() in output
    assert (no, yes) == (130, 0)
    assert plane.wait_for(plane.store.projects()) == []


def test_a_password_is_asked_for_and_not_shown(plane: Plane) -> None:
    typed = plane.password.encode() + b"\n"

    code, written = on_a_terminal(plane, "login", prompt=b"Password:", typed=typed)

    assert code == 0, written
    assert "Password:" in written
    assert written.partition("Password:")[2].count(plane.password) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(plane: Plane, shell: str) -> None:
    done = plane.cli("completion", shell)

    assert done.code == 0, done.err
    assert "_SPACE_CLI_COMPLETE" in done.out


def test_bash_completes_commands_and_things(plane: Plane) -> None:
    def completed(line: str) -> set[str]:
        variables = {
            "_SPACE_CLI_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        lines = plane.cli(**variables).out.splitlines()
        return {line.partition(",")[2] for line in lines}

    assert {"apply", "accounts"} <= completed("space-cli a")
    assert "secrets" in completed("space-cli get se")
    assert completed("space-cli scale e") == {"explain"}
    assert {"--stop", "--timeout"} <= completed("space-cli sleep -")


@pytest.mark.parametrize(("output", "code"), [("/dev/full", 1), ("/dev/null", 0)])
def test_an_output_that_is_full_is_an_error_without_a_traceback(
    plane: Plane, output: str, code: int
) -> None:
    plane.cli("apply", "-f", str(SHOP))

    with Path(output).open("w") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "spacecloud.cli.main", "get", "services"],
            env=plane.environment,
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    assert done.returncode == code
    assert done.stderr == (
        "error: the output cannot be written: No space left on device\n" if code else ""
    )


HOSTILE = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[31mred\x9b2J\x1bc \u202eend"


API = ServiceKey("shop", "api")
DOCUMENT = """
type: service
meta: {project: shop, serviceId: api, version: v1}
spec: {tasks: [{id: main, docker: {image: "api:1"}}]}
"""


def _deploy_what_says(plane: Plane, output: bytes) -> None:
    plane.workloads.output = [output]
    assert plane.cli("apply", "-f", "-", "--wait", given=DOCUMENT).code == 0


@pytest.mark.attack
def test_a_terminal_gets_the_colours_of_a_log_and_obeys_nothing_else(plane: Plane) -> None:
    _deploy_what_says(plane, HOSTILE.encode() + b"\xff\r\n")

    code, written = on_a_terminal(plane, "logs", "shop/api")

    assert code == 0
    assert written.strip().removesuffix("\x1b[0m") == "\x1b[31mred  end\ufffd "


@pytest.mark.attack
def test_a_pipe_gets_a_log_as_it_was_written(plane: Plane) -> None:
    output = HOSTILE.encode() + b"\xff\r\n"
    _deploy_what_says(plane, output)

    command = [sys.executable, "-m", "spacecloud.cli.main", "logs", "shop/api"]
    done = subprocess.run(
        command, env=plane.environment, capture_output=True, check=True, timeout=60
    )

    assert done.stdout == output


@pytest.mark.attack
@pytest.mark.parametrize("command", [["status", "shop/api"], ["events"], ["why", "shop/api"]])
def test_what_a_container_said_is_not_obeyed_and_is_short(plane: Plane, command: list[str]) -> None:
    _deploy_what_says(plane, HOSTILE.encode() + b"x" * 80_000)
    plane.loop.call_soon_threadsafe(plane.workloads.kill, API, "api--v1--0")
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while "TaskExited" not in plane.cli("events").out:
        assert time.monotonic() < ends_at

    written = on_a_terminal(plane, *command)[1]

    for obeyed in ("\x1b]", "\x1b[2J", "\x1bc", "\x9b", "\u202e"):
        assert obeyed not in written
    assert len(written) < 20_000


def test_the_passphrase_of_sealed_values_is_asked_for_and_not_shown(
    plane: Plane, tmp_path: Path
) -> None:
    file, folder = tmp_path / "db.yaml", str(tmp_path / "backup")
    spec = "spec: {type: env, data: {PASS: s3cret}}"
    file.write_text(f"type: secret\nmeta: {{project: shop, id: db}}\n{spec}\n")
    passphrase = "correct horse battery"
    assert plane.cli("apply", "-f", str(file)).code == 0
    environment = {"SPACE_CLOUD_PASSPHRASE": passphrase}
    written = plane.cli("get", "all", folder, "--with-secrets", **environment)
    assert written.code == 0, written.err

    code, shown = on_a_terminal(
        plane, "apply", "-f", folder, prompt=b"Passphrase", typed=f"{passphrase}\n".encode()
    )

    assert (code, "secret shop/db unchanged" in shown) == (0, True), shown
    assert passphrase not in shown
