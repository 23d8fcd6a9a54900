"""
A control plane that may die at any moment, and what a patient user of it does.

Whenever the process ends it is started again, as a supervisor would; a user repeats what was
not acknowledged. An end that nobody asked for is kept as ``wrong``.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx

from chaos.faults import Board
from e2e.installation import STOP_SECONDS, Installation
from e2e.stage import Stage
from spacecloud.settings import Settings

POLL_SECONDS = 0.1
TESTS = Path(__file__).parent.parent
PATIENCE_SECONDS = 60
LONGEST_PATIENCE_SECONDS = 240
"""
However often the control plane is killed meanwhile: what one that has just begun needs, one that is
killed before it is done needs again. On a machine with ten times as much to do as it has processors
a process takes half a minute to begin.
"""

NOT_YET = (AssertionError, httpx.HTTPError, subprocess.SubprocessError)
"""What a look may raise while it is not so: no answer, or a container went while it was looked at."""


class WrongRequest(Exception):
    """What no repetition mends."""


class Plane:
    _launched: float = float("-inf")
    """When the control plane was started last, on the monotonic clock."""

    def __init__(self, stage: Stage, board: Board) -> None:
        self.installation, self.user, self.machine = stage.installation, stage.user, stage.machine
        self.board = board
        self.settings = Settings(
            instance=self.installation.instance, run=self.installation.folder / "run"
        )
        self.wrong: list[str] = []
        self.starts = 0
        self.may_end = False
        """At its start, a control plane whose first calls fail ends, and is started again."""

        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._http = threading.local()
        self._clients: list[httpx.Client] = []

    @contextlib.contextmanager
    def running(self) -> Iterator["Plane"]:
        self.installation.start()
        self.user.log_in()
        self._keeper.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._process().terminate()
            self._keeper.join(STOP_SECONDS)
            if self._keeper.is_alive():
                self._process().kill()
                self.wrong.append(f"it did not end within {STOP_SECONDS} s")
            self.installation.server = None
            for client in self._clients:
                client.close()

    def kill(self) -> None:
        self._process().send_signal(signal.SIGKILL)

    def restart(self) -> None:
        """As an upgrade does."""
        self._process().terminate()

    def _process(self) -> "subprocess.Popen[bytes]":
        assert self.installation.server is not None
        return self.installation.server

    def _keep(self) -> None:
        while True:
            try:
                code = self._process().wait(1)
            except subprocess.TimeoutExpired:
                continue
            if self._ended.is_set():
                return
            self.starts += 1
            # One that is asked to end while it begins does not listen to signals yet.
            if code not in (-signal.SIGKILL, -signal.SIGTERM, 0) and not self.may_end:
                log = self.installation.log()[-2000:]
                self.wrong.append(f"it ended with code {code}: {log}")
            self._launched = time.monotonic()
            self.installation.launch()

    # ------------------------------------------------------------------ what a user does

    def declare(self, method: str, path: str, body: Any = None) -> None:
        """Until it is acknowledged. ``WrongRequest`` at once where it can never be."""
        tries = 0

        def check() -> None:
            nonlocal tries
            tries += 1
            answer = self.ask(method, path, body)
            match judged(method, answer.status_code, tries):
                case "acknowledged":
                    return
                case "wrong":
                    raise WrongRequest(f"{method} {path}: {answer.status_code} {answer.text}")
                case "again":
                    raise AssertionError(f"{answer.status_code} {answer.text}")

        self.until(check)

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.user.token}"}
        return self._client().request(
            method, self.installation.url + path, json=body, headers=headers, timeout=10
        )

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._http, "client", None)
        if client is None:
            client = self._http.client = httpx.Client()
            self._clients.append(client)
        return client

    def statuses(self, project: str) -> list[dict[str, Any]]:
        answer = self.ask("GET", f"/v1/runner/{project}/services/status")
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["result"]
        return result

    def status(self, project: str, service: str) -> dict[str, Any]:
        """Of its only version."""
        found = [s for s in self.statuses(project) if s["serviceId"] == service]
        assert len(found) == 1, found
        return found[0]

    def is_ready(self, project: str, service: str, replicas: int) -> dict[str, Any]:
        """Its only version's status, which has been looked at and serves as declared."""
        return self._serves(project, service, replicas, "ready")

    def is_asleep(self, project: str, service: str, depth: str) -> None:
        """Its only version is, and a replica of it is kept."""
        status = self.status(project, service)
        shown = (status["state"], status["message"], status["nextStep"])
        assert status["state"] == "asleep", shown
        assert [replica["asleep"] for replica in status["replicas"]] == [depth], shown

    def is_rolled_back(self, project: str, service: str, replicas: int) -> dict[str, Any]:
        """What was declared last was given up, and what was before it serves."""
        status = self._serves(project, service, replicas, "failed")
        assert status["reason"] == "RolledBack", (status["reason"], status["message"])
        return status

    def is_completed(self, project: str, service: str) -> None:
        status = self.status(project, service)
        assert status["observedGeneration"] == status["generation"], status
        assert status["state"] == "completed", (status["state"], status["message"])

    def _serves(self, project: str, service: str, replicas: int, state: str) -> dict[str, Any]:
        status = self.status(project, service)
        shown = (status["state"], status["message"], status["nextStep"])
        assert status["observedGeneration"] == status["generation"], shown
        assert status["state"] == state, shown
        assert status["desiredReplicas"] == status["readyReplicas"] == replicas, status
        assert len(status["replicas"]) == replicas, status
        return status

    def events(self) -> list[dict[str, Any]]:
        """Newest first."""
        answer = self.ask("GET", "/v1/config/events?limit=1000")
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["result"]
        return result

    def until(self, check: Callable[[], object], within: float = PATIENCE_SECONDS) -> float:
        """
        Seconds until it raised none of ``NOT_YET``. It may take that long from when the control
        plane was started last.
        """
        began = time.monotonic()
        while True:
            try:
                check()
            except NOT_YET:
                if time.monotonic() > patience_ends(began, self._launched, within):
                    raise
            else:
                return time.monotonic() - began
            time.sleep(POLL_SECONDS)


def patience_ends(began: float, launched: float, within: float) -> float:
    """Of a wait; ``launched``: when the control plane was started last."""
    return min(max(began, launched) + within, began + max(within, LONGEST_PATIENCE_SECONDS))


def judged(method: str, status: int, tries: int) -> Literal["acknowledged", "wrong", "again"]:
    """
    What an answer means to somebody who repeats what was not acknowledged.

    | status | of                                    |              |
    |--------|---------------------------------------|--------------|
    | 200    |                                       | acknowledged |
    | 404    | a deletion that was sent before       | acknowledged |
    | 4xx    | anything else                         | wrong        |
    | other  |                                       | again        |
    """
    if status == 200 or ((method, status) == ("DELETE", 404) and tries > 1):
        return "acknowledged"
    return "wrong" if 400 <= status < 500 else "again"


@contextlib.contextmanager
def a_plane(
    folder: Path,
    number: int,
    images: dict[str, str],
    program: str = "chaos.launcher",
    **extra: str,
) -> Iterator[Plane]:
    """Up, and taken away again; nothing of it may be left on the machine."""
    board = Board(folder / "board")
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "PYTHONPATH": os.pathsep.join(paths),
        "CHAOS_BOARD": str(board.folder),
        "SPACE_CLOUD_ACK_TIMEOUT_SECONDS": "3",
        **extra,
    }
    command = (sys.executable, "-m", program, "serve")
    stage = Stage(Installation(folder, number, environment, command=command), images)
    stage.installation.down()
    plane = Plane(stage, board)
    try:
        with plane.running():
            yield plane
    finally:
        stage.installation.down()
    assert not stage.machine.left_behind()
    assert not plane.wrong, plane.wrong
