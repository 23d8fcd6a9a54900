"""
Ask tasks whether they can take requests, and remember what they said.

A task is asked often until it is ready, then at its interval, for as long as it runs. What
changes a task's health is a hint. The verdict belongs to one run of a container: started
again, it has to answer again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import aiohttp

from spacecloud.drivers.docker.engine import Engine, EngineRefused, plain
from spacecloud.drivers.docker.listening import only_on_loopback
from spacecloud.errors import Transient
from spacecloud.model.task import Probe
from spacecloud.workloads.world import Health

logger = logging.getLogger(__name__)

FIRST_INTERVAL_SECONDS = 0.02
LONGEST_INTERVAL_SECONDS = 0.5
"""Between two questions to a task that is not ready yet."""

EXEC_INTERVAL_SECONDS = 0.5
"""A command costs a process: it is not run more often than this."""

PORTLESS_AGE = timedelta(seconds=1)
"""A task that nobody can ask is ready when it has lived so long: one that ends at once is not."""

MOST_EXECS = 4
"""At once, over all tasks: a burst of new services must not become a burst of processes."""

FIRST_LOOK_SECONDS = 0.5
"""How long a look waits for the first answer of a task that it has not seen before."""


@dataclass(frozen=True, slots=True)
class Target:
    """One run of a task's container."""

    container: str
    started_at: datetime
    address: str
    pid: int
    """On the host; 0 where it is not known."""

    ports: tuple[int, ...]
    probe: Probe | None


class Prober:
    def __init__(
        self, engine: Engine, changed: Callable[[str], None], now: Callable[[], datetime]
    ) -> None:
        """``changed`` is called with a container's id when its health is another one."""
        self._engine = engine
        self._changed = changed
        self._now = now
        self._health: dict[str, Health] = {}
        self._targets: dict[str, Target] = {}
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, asyncio.Event] = {}
        self._execs = asyncio.Semaphore(MOST_EXECS)
        self._session: aiohttp.ClientSession | None = None
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until it is cancelled; questions are asked only while it runs."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
            asyncio.TaskGroup() as group,
        ):
            self._session, self._group = session, group
            await asyncio.Event().wait()

    async def health(self, target: Target) -> Health:
        """What is known of a run; of one that is new, after its first answer."""
        if self._targets.get(target.container) != target:
            self._watch(target)
        try:
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._asked[target.container].wait()
        except TimeoutError:
            pass
        return self._health.get(target.container, Health("starting"))

    def forget(self, containers: set[str]) -> None:
        """They do not run any more."""
        for container in containers:
            loop = self._loops.pop(container, None)
            if loop is not None:
                loop.cancel()
            for kept in (self._targets, self._health, self._asked):
                kept.pop(container, None)

    def watched(self) -> set[str]:
        return set(self._targets)

    def _watch(self, target: Target) -> None:
        if self._group is None:
            raise Transient("the probes are not running yet")
        self.forget({target.container})
        self._targets[target.container] = target
        self._health[target.container] = Health("starting")
        self._asked[target.container] = asyncio.Event()
        self._loops[target.container] = self._group.create_task(
            self._ask_on(target), name=f"probe {target.container[:12]}"
        )

    async def _ask_on(self, target: Target) -> None:
        probe = target.probe or Probe(type="tcp")
        pause = FIRST_INTERVAL_SECONDS
        least = EXEC_INTERVAL_SECONDS if probe.type == "exec" else 0.0
        while True:
            reason = await self._ask(target, probe)
            self._note(target, probe, reason)
            if self._health[target.container].state == "ready" and not reason:
                await asyncio.sleep(probe.interval_seconds)
                pause = FIRST_INTERVAL_SECONDS
            else:
                await asyncio.sleep(max(pause, least))
                longest = LONGEST_INTERVAL_SECONDS
                if self._health[target.container].state != "starting":
                    longest = probe.interval_seconds
                pause = min(pause * 1.5, longest)

    def _note(self, target: Target, probe: Probe, reason: str) -> None:
        before = self._health[target.container]
        self._health[target.container] = after = judged(before, reason, probe.failures)
        self._asked[target.container].set()
        if after.state != before.state or _counts(after, probe) != _counts(before, probe):
            self._changed(target.container)

    async def _ask(self, target: Target, probe: Probe) -> str:
        """Empty when it is ready; else why not."""
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                match probe.type:
                    case "http":
                        return await self._http(target, probe)
                    case "exec":
                        return await self._exec(target, probe)
                    case "tcp":
                        return await self._tcp(target, probe)
        except TimeoutError:
            return f"no answer to its {probe.type} probe within {probe.timeout_seconds:g} s"

    async def _tcp(self, target: Target, probe: Probe) -> str:
        if probe.port is None and not target.ports:
            age = self._now() - target.started_at
            return "" if age >= PORTLESS_AGE else "it has no port to ask, and has only just started"
        ports = (probe.port,) if probe.port is not None else target.ports
        for port in ports:
            try:
                _, writer = await asyncio.open_connection(target.address, port)
            except OSError:
                return await _nobody_listens(target, port)
            writer.close()
        return ""

    async def _http(self, target: Target, probe: Probe) -> str:
        port = probe.port or next(iter(target.ports), None)
        if port is None:
            return "its http probe needs a port: the task declares none"
        assert self._session is not None
        url = f"http://{target.address}:{port}{probe.path}"
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                if 200 <= answer.status < 400:
                    return ""
                return f"GET {probe.path} on port {port} answered {answer.status}"
        except aiohttp.ClientConnectorError:
            return await _nobody_listens(target, port)
        except (aiohttp.ClientError, OSError) as error:
            return f"GET {probe.path} on port {port} failed: {error}"

    async def _exec(self, target: Target, probe: Probe) -> str:
        command = " ".join(probe.command)
        body = {"Cmd": list(probe.command), "AttachStdout": True, "AttachStderr": True}
        try:
            async with self._execs:
                made = await self._engine.post(f"containers/{target.container}/exec", body)
                # Answers when the command has ended.
                await self._engine.run_exec(made["Id"])
                ended = await self._engine.get(f"exec/{made['Id']}/json")
        except EngineRefused as error:
            return f"its command {command!r} cannot be run: {plain(str(error))}"
        except Transient as error:
            return f"its command {command!r} could not be run: {error}"
        code = ended.get("ExitCode")
        return "" if code == 0 else f"its command {command!r} ended with code {code}"


def judged(before: Health, reason: str, tolerated: int) -> Health:
    """
    Health after one more answer; an empty reason is a yes.

    | before   | yes   | no                                               |
    |----------|-------|--------------------------------------------------|
    | starting | ready | starting                                         |
    | ready    | ready | ready, until ``tolerated`` in a row: failing     |
    | failing  | ready | failing                                          |
    """
    if not reason:
        return Health("ready")
    failures = before.failures + 1
    if before.state == "ready":
        state = "failing" if failures >= tolerated else "ready"
        return Health(state, failures, reason)  # type: ignore[arg-type]
    return replace(before, failures=failures, reason=reason)


def _counts(health: Health, probe: Probe) -> tuple[bool, str]:
    """What a look would treat differently, apart from the state."""
    reason = health.reason if health.state == "starting" else ""
    return (health.failures >= 2 * probe.failures and health.state == "failing", reason)


async def _nobody_listens(target: Target, port: int) -> str:
    if await asyncio.to_thread(only_on_loopback, target.pid, port):
        return (
            f"listens on 127.0.0.1:{port} only, where nobody but its own pod reaches it: "
            f"make it listen on 0.0.0.0:{port}"
        )
    return f"nothing listens on port {port}"
