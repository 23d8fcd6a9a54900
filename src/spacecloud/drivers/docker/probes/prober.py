"""
Ask tasks whether they can take requests, and remember what they said.

A task is asked often until it is ready, then at its interval, for as long as it runs. What
changes a task's health is a hint. The verdict belongs to one run of a container: started
again, it has to answer again.

A run that is older than our knowledge of it (this process is new) may well be ready and in
traffic. Nothing is said of it before it has said yes once, or no as often as is tolerated:
a control plane that comes back takes nobody out, and restarts nobody, for one slow answer.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp

from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.probes.probe import ProbeRunner, Target
from spacecloud.errors import Transient
from spacecloud.model.lines import message
from spacecloud.model.task import Probe
from spacecloud.workloads.observed import Health

FIRST_INTERVAL_SECONDS = 0.005
LONGEST_INTERVAL_SECONDS = 0.5
"""Between two questions to a task that is not ready yet."""

EXEC_INTERVAL_SECONDS = 0.5
"""A command costs a process: it is not run more often than this."""

DOUBT_SECONDS = 1.0
"""Between two questions to a task that was ready and said no; its own interval if shorter."""

FIRST_LOOK_SECONDS = 0.5
"""How long a look waits for the first answer of a task that has just been started."""

VERDICT_SECONDS = 10.0
"""How long a look waits for the verdict on a task that runs for long and is new to us."""

YOUNG = timedelta(seconds=5)
"""Runs that began longer ago, and are new to us, are those of an earlier process."""


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
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._old: set[str] = set()
        self._asked: dict[str, asyncio.Event] = {}
        self._asker: ProbeRunner | None = None
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until it is cancelled; questions are asked only while it runs."""
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                # Tasks choose what they answer: nothing of it is kept, and nothing unpacked.
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            self._asker, self._group = ProbeRunner(self._engine, session, self._now), group
            await asyncio.Event().wait()

    async def health(self, targets: Iterable[Target]) -> dict[str, Health]:
        """
        What is known of these runs, by container; of those that are new, after they were asked.

        ``Transient`` when an old one lets us wait for too long: then nothing is known of it, and
        nothing must be done about it.
        """
        wanted = tuple(targets)
        for target in wanted:
            if self._targets.get(target.container) != target:
                self._watch(target)
        await self._first_answers(wanted, FIRST_LOOK_SECONDS)
        old = tuple(t for t in wanted if t.container in self._old)
        if not await self._first_answers(old, VERDICT_SECONDS):
            raise Transient(
                "tasks that ran before the control plane started have not answered their probes yet"
            )
        return {t.container: self._health.get(t.container, Health("starting")) for t in wanted}

    def forget(self, containers: set[str]) -> None:
        """They do not run any more."""
        for container in containers:
            loop = self._watches.pop(container, None)
            if loop is not None:
                loop.cancel()
            for kept in (self._targets, self._health, self._asked):
                kept.pop(container, None)
            self._old.discard(container)

    def watched(self) -> set[str]:
        return set(self._targets)

    async def _first_answers(self, targets: tuple[Target, ...], seconds: float) -> bool:
        """False when time was over first."""
        try:
            async with asyncio.timeout(seconds):
                for target in targets:
                    asked = self._asked.get(target.container)
                    if asked is not None:
                        await asked.wait()
        except TimeoutError:
            return False
        return True

    def _watch(self, target: Target) -> None:
        if self._group is None or self._asker is None:
            raise Transient("the probes are not running yet")
        self.forget({target.container})
        if self._now() - target.started_at > YOUNG:
            self._old.add(target.container)
        self._targets[target.container] = target
        self._health[target.container] = Health("starting")
        self._asked[target.container] = asyncio.Event()
        self._watches[target.container] = self._group.create_task(
            self._ask_on(target, self._asker), name=f"probe {target.container[:12]}"
        )

    async def _ask_on(self, target: Target, asker: ProbeRunner) -> None:
        probe = target.probe or Probe(type="tcp")
        pause = EXEC_INTERVAL_SECONDS if probe.type == "exec" else FIRST_INTERVAL_SECONDS
        while True:
            reason = await asker.ask(target, probe)
            self._note(target, probe, reason)
            if not reason:
                await asyncio.sleep(probe.interval_seconds)
            elif self._is_new(target.container):
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_INTERVAL_SECONDS)
            else:
                await asyncio.sleep(min(probe.interval_seconds, DOUBT_SECONDS))

    def _is_new(self, container: str) -> bool:
        """Nobody can have relied on it yet."""
        return container not in self._old and self._health[container].state == "starting"

    def _note(self, target: Target, probe: Probe, reason: str) -> None:
        before = self._health[target.container]
        said = message(reason)
        self._health[target.container] = after = judged(before, said, probe.failures)
        if target.container not in self._old or not reason or after.failures >= probe.failures:
            self._old.discard(target.container)
            self._asked[target.container].set()
        if after.state != before.state or _counts(after, probe) != _counts(before, probe):
            self._changed(target.container)


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
