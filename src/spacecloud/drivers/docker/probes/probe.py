"""One question to one run of a task: can it take requests, and if not, why not?"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from datetime import datetime, timedelta

import aiohttp

from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError, plain
from spacecloud.drivers.docker.fair_semaphore import FairSemaphore
from spacecloud.drivers.docker.probes.target import Target
from spacecloud.drivers.docker.proc_net import bound_sockets
from spacecloud.errors import Transient
from spacecloud.model.json import Json
from spacecloud.model.lines import message
from spacecloud.model.refs import ServiceKey
from spacecloud.model.task import Probe
from spacecloud.reasons.tasks import (
    JustStarted,
    NothingListens,
    OnlyOnLoopback,
    ProbeAnswered,
    ProbeExited,
    ProbeFailed,
    ProbeNotAsked,
    ProbeNotRun,
    ProbeReason,
    ProbeTimedOut,
    ProbeWithoutPort,
)

MOST_PORTS = 5
"""Of one task that are told where nothing listens on the one it should."""

LONGEST_COMMAND = 1000
"""In characters: of a probe's command that is repeated."""

PORTLESS_AGE = timedelta(seconds=1)
"""A task that nobody can ask is ready when it has lived so long: one that ends at once is not."""

MOST_EXECS, EXECS_OF_A_SERVICE, EXEC_SECONDS = 8, 4, 0.5
"""
Commands at once: a burst of new services must not become a burst of processes. One that takes
longer counts against its own service alone.
"""


class ProbeRunner:
    def __init__(
        self, engine: Engine, session: aiohttp.ClientSession, now: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._session = session
        self._now = now
        self._execs = FairSemaphore[ServiceKey](MOST_EXECS, EXECS_OF_A_SERVICE, EXEC_SECONDS)

    async def ask(self, target: Target, probe: Probe) -> ProbeReason | None:
        """None when it is ready; else why not."""
        try:
            match probe.type:
                case "http":
                    async with asyncio.timeout(probe.timeout_seconds):
                        return await self._http(target, probe)
                case "exec":
                    # Waiting for its turn is not the task's fault.
                    async with (
                        self._execs.permit(target.service),
                        asyncio.timeout(probe.timeout_seconds),
                    ):
                        return await self._exec(target, probe)
                case "tcp":
                    async with asyncio.timeout(probe.timeout_seconds):
                        return await self._tcp(target, probe)
        except TimeoutError:
            return ProbeTimedOut(probe.type, probe.timeout_seconds)

    async def _tcp(self, target: Target, probe: Probe) -> ProbeReason | None:
        if probe.port is None and not target.ports:
            age = self._now() - target.started_at
            return None if age >= PORTLESS_AGE else JustStarted()
        ports = (probe.port,) if probe.port is not None else target.ports
        for port in ports:
            try:
                _, writer = await asyncio.open_connection(target.address, port)
            except OSError:
                return await _nobody_listens(target, port)
            writer.close()
        return None

    async def _http(self, target: Target, probe: Probe) -> ProbeReason | None:
        port = probe.port or next(iter(target.ports), None)
        if port is None:
            return ProbeWithoutPort()
        url = f"http://{target.address}:{port}{probe.path}"
        headers = {"Host": probe.host} if probe.host else None
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                if 200 <= answer.status < 400:
                    return None
                return ProbeAnswered(message(probe.path), port, answer.status)
        except aiohttp.ClientConnectorError:
            return await _nobody_listens(target, port)
        except (aiohttp.ClientError, OSError) as error:
            return ProbeFailed(message(probe.path), port, message(str(error)))

    async def _exec(self, target: Target, probe: Probe) -> ProbeReason | None:
        command = message(" ".join(probe.command), LONGEST_COMMAND)
        body = {"Cmd": list(probe.command), "AttachStdout": True, "AttachStderr": True}
        try:
            made = await self._engine.post(f"containers/{target.container}/exec", body)
            ended = await self._run(made["Id"])
        except EngineError as error:
            return ProbeNotRun(command, message(plain(str(error))))
        except Transient as error:
            return ProbeNotAsked(command, message(str(error)))
        code = ended.get("ExitCode")
        return None if code == 0 else ProbeExited(command, code)

    async def _run(self, exec: str) -> Json:
        """Until its command has ended. One that takes too long is killed: they would pile up."""
        try:
            await self._engine.run_exec(exec)
        except asyncio.CancelledError:
            await asyncio.shield(self._kill(exec))
            raise
        ended: Json = await self._engine.get(f"exec/{exec}/json")
        return ended

    async def _kill(self, exec: str) -> None:
        """The engine offers no way; the process is one of this machine like any other."""
        with contextlib.suppress(EngineError, Transient, ProcessLookupError):
            state = await self._engine.get(f"exec/{exec}/json")
            if state.get("Running") and state.get("Pid"):
                os.kill(state["Pid"], signal.SIGKILL)


async def _nobody_listens(target: Target, port: int) -> NothingListens | OnlyOnLoopback:
    if await asyncio.to_thread(only_on_loopback, target.pid, port):
        return OnlyOnLoopback(port)
    return NothingListens(port, await asyncio.to_thread(reachable_ports, target.pid))


def reachable_ports(pid: int) -> tuple[int, ...]:
    """The first that are listened on beyond loopback, by number. Empty where it is unknown."""
    listening = bound_sockets(None, socket.SOCK_STREAM, str(pid))
    return tuple(sorted({one.port for one in listening if not one.address.is_loopback}))[
        :MOST_PORTS
    ]


def only_on_loopback(pid: int, port: int) -> bool:
    """Something listens on the port, and none of it beyond loopback. False where it is unknown."""
    listening = list(bound_sockets(port, socket.SOCK_STREAM, str(pid)))
    return bool(listening) and all(one.address.is_loopback for one in listening)
