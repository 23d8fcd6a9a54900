"""
A whole control plane on a loopback port, over a real store and a platform of dicts.

It runs in a thread with a loop of its own, so that a test may use real processes and blocking
clients against it.
"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Coroutine, Generator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from memory_plane import a_memory_plane, now
from spacecloud.api.access import access_of
from spacecloud.api.app import create_app
from spacecloud.api.auth import Auth
from spacecloud.api.dependencies import Facts
from spacecloud.client.client import Client
from spacecloud.drivers.memory import MemoryWorkloads
from spacecloud.store.sqlite import SqliteStore
from spacecloud.workloads.situation import TerminationLimits

T = TypeVar("T")
START_SECONDS = 20
COMMAND_SECONDS = 30
IMPATIENT = TerminationLimits(drain=timedelta(seconds=0.1), grace=timedelta(seconds=0.1))
INSTANCE = "default"
CLI = "spacecloud.cli.main"


@dataclass
class Done:
    code: int
    out: str
    err: str


@dataclass
class Plane:
    url: str
    state: Path
    """As SPACE_CLOUD_STATE has it."""

    home: Path
    store: SqliteStore
    workloads: MemoryWorkloads
    password: str
    loop: asyncio.AbstractEventLoop
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def client(self) -> Generator[Client]:
        """Logged in."""
        with closing(Client(self.url)) as client:
            client.login("admin", self.password)
            yield client

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the control plane's own loop."""
        result: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return result.result(timeout=10)

    def start_cli(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        environment = {**self.environment, **options.pop("env", {})}
        return subprocess.Popen(
            # Whoever runs the tests in the background may have had Ctrl-C ignored.
            ["env", "--default-signal=INT", sys.executable, "-m", CLI, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def cli(self, *arguments: str, given: str = "", **environment: str) -> Done:
        process = self.start_cli(*arguments, env=environment)
        out, err = process.communicate(given, timeout=COMMAND_SECONDS)
        return Done(process.returncode, out, err)


@contextmanager
def a_running_plane(folder: Path, ready_after_seconds: float = 0) -> Generator[Plane]:
    started: Future[tuple[Plane, uvicorn.Server]] = Future()

    async def live() -> None:
        try:
            await _serve(folder, timedelta(seconds=ready_after_seconds), started)
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="control-plane", daemon=True)
    thread.start()
    plane, server = started.result(timeout=START_SECONDS)
    try:
        yield plane
    finally:
        server.should_exit = True
        thread.join(timeout=START_SECONDS)
        assert not thread.is_alive(), "the control plane does not end"


async def _serve(
    folder: Path, ready_after: timedelta, started: "Future[tuple[Plane, uvicorn.Server]]"
) -> None:
    state = folder / "state"
    own = state / INSTANCE
    own.mkdir(parents=True)
    (folder / "home").mkdir()
    async with a_memory_plane(own, IMPATIENT, ready_after) as running:
        auth = Auth.open(own, now, timedelta(days=30))
        queries, facts = running.plane.queries, Facts("0.1.0", "none")
        app = create_app(running.store, queries, auth, facts, now, access_of(exposed=False))
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        with socket.create_server(("127.0.0.1", 0)) as listening:
            # asyncio does it only for sockets that name their protocol; without it each answer of
            # two pieces takes 40 ms longer.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            it = Plane(
                url,
                state,
                folder / "home",
                running.store,
                running.workloads,
                auth.first_password or "",
                asyncio.get_running_loop(),
                _environment(url, state, folder / "home"),
            )
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(server.serve([listening]), name="http")
                while not server.started:
                    await asyncio.sleep(0.01)
                started.set_result((it, server))
                await serving


def _environment(url: str, state: Path, home: Path) -> dict[str, str]:
    """Nothing of the tester's own accounts and settings."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "SPACE_CLOUD_STATE": str(state),
        "SPACE_CLOUD_URL": url,
    }
