"""
Ask tasks whether they can take requests, and remember what they said.

A task is asked often until it is ready, then at its interval, for as long as it runs; one that
declares no interval is asked sooner again when it says no. What changes a task's health is a
hint. The verdict belongs to one run of a container: started again, it has to answer again.

A run that began before this process may well be ready and in traffic. It is ``unknown`` until it
has said yes once, or no as often as is tolerated: a control plane that comes back takes nobody out,
and restarts nobody, for one slow answer. Nobody waits here for a verdict: it is a hint.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp

from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.probes.probe import ProbeRunner
from spacecloud.drivers.docker.probes.target import Target
from spacecloud.errors import Transient
from spacecloud.model.task import Probe
from spacecloud.reasons.platform import ControlPlaneStarting
from spacecloud.reasons.tasks import ProbeReason
from spacecloud.workloads.observed import Health, HealthState

FIRST_INTERVAL_SECONDS = 0.005
LONGEST_INTERVAL_SECONDS = 0.5
"""Between two questions to a task that is not ready yet."""

EXEC_INTERVAL_SECONDS, LONGEST_EXEC_INTERVAL_SECONDS = 0.5, 5.0
"""A command costs a process, and may cost more: the longest is Docker's default start interval."""

LONGER = 1.5
"""Than the last pause before a task that is not ready yet is asked again."""

LONGER_WAITED_FOR = 1.1
"""The same where somebody waits for it: a call is held up by a tenth of its start at most."""

RECHECK_SECONDS = 1.0
"""Between two questions to a task that was ready and said no, where it declares no interval."""

TOLD_AFTER = timedelta(seconds=0.5)
"""Of a run's life: why it is not ready yet."""


class Prober:
    def __init__(
        self, engine: Engine, changed: Callable[[str], None], now: Callable[[], datetime]
    ) -> None:
        """``changed`` is called with a container's id when its health is another one."""
        self._engine = engine
        self._changed = changed
        self._now = now
        self._began = now()
        self._health: dict[str, Health] = {}
        self._targets: dict[str, Target] = {}
        self._asked_since: dict[str, float] = {}
        """On the monotonic clock."""

        self._watches: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, float] = {}
        """Since when, on the same clock: frozen, and not asked."""

        self._waiting: dict[str, list[asyncio.Future[bool]]] = {}
        self._reported: dict[str, _Report] = {}
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

    def health(self, targets: Iterable[Target], frozen: Collection[str] = ()) -> dict[str, Health]:
        """
        What is known of these runs now, by container; those that are new are asked from now, but
        for the ``frozen``, which rest.
        """
        wanted = tuple(targets)
        for target in wanted:
            if self._targets.get(target.container) != target:
                self._watch(target)
                if target.container in frozen:
                    self.rest({target.container})
        return {target.container: self._known(target.container) for target in wanted}

    def rest(self, containers: Iterable[str]) -> None:
        """Ask them nothing until they are resumed: they are frozen. Their verdicts stay."""
        for container in containers:
            loop = self._watches.pop(container, None)
            if loop is not None:
                loop.cancel()
                self._resting[container] = time.monotonic()

    def resume(self, containers: Iterable[str]) -> None:
        """They run again. What they rested is no time that they had to get ready."""
        for container in containers:
            since = self._resting.pop(container, None)
            if since is not None:
                self._asked_since[container] += time.monotonic() - since
                self._begin(self._targets[container])

    async def ready(self, target: Target) -> bool:
        """Wait until the run is ready; False where something else happened, and one must look."""
        if self.health([target])[target.container].state == "ready":
            return True
        ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(target.container, [])
        waiting.append(ready)
        try:
            return await ready
        finally:
            waiting.remove(ready)
            if not waiting and self._waiting.get(target.container) is waiting:
                del self._waiting[target.container]

    def was_ready(self, container: str) -> bool:
        """Has this run been so, or was it already there when this process began?"""
        health = self._health.get(container)
        return health is not None and health.state != "starting"

    def reason(self, container: str) -> ProbeReason | None:
        """Why it is not ready, as it said last."""
        health = self._health.get(container)
        return health.reason if health is not None else None

    def ended(self, container: str) -> None:
        """The engine tells that a run of it has: whoever waits for that looks again."""
        self._answer(container, is_ready=False)

    def _answer(self, container: str, *, is_ready: bool) -> None:
        for waiting in self._waiting.get(container, ()):
            if not waiting.done():
                waiting.set_result(is_ready)

    def _known(self, container: str) -> Health:
        until = self._resting.get(container, time.monotonic())
        asked = timedelta(seconds=until - self._asked_since[container])
        return replace(self._health[container], asked=asked)

    def forget(self, containers: set[str]) -> None:
        """They do not run any more."""
        for container in containers:
            loop = self._watches.pop(container, None)
            if loop is not None:
                loop.cancel()
            for kept in (self._targets, self._asked_since, self._health, self._reported):
                kept.pop(container, None)
            self._resting.pop(container, None)
            self._answer(container, is_ready=False)

    def watched(self) -> set[str]:
        return set(self._targets)

    def _watch(self, target: Target) -> None:
        self._asking()
        self.forget({target.container})
        self._targets[target.container] = target
        self._asked_since[target.container] = time.monotonic()
        # Of those that began later nobody can have heard but from here.
        is_old = target.started_at < self._began
        health = Health("unknown" if is_old else "starting")
        self._health[target.container] = health
        self._reported[target.container] = (health.state, False, None)
        self._begin(target)

    def _begin(self, target: Target) -> None:
        group, asker = self._asking()
        self._watches[target.container] = group.create_task(
            self._ask_on(target, asker), name=f"probe {target.container[:12]}"
        )

    def _asking(self) -> tuple[asyncio.TaskGroup, ProbeRunner]:
        if self._group is None or self._asker is None:
            raise Transient(ControlPlaneStarting("nothing is probed"))
        return self._group, self._asker

    async def _ask_on(self, target: Target, asker: ProbeRunner) -> None:
        probe = target.probe or Probe(type="tcp")
        tries = 0
        while True:
            reason = await asker.ask(target, probe)
            self._note(target, probe, reason)
            if reason is None or not self._is_new(target.container):
                await asyncio.sleep(interval(probe, reason))
            else:
                longer = LONGER_WAITED_FOR if target.container in self._waiting else LONGER
                await asyncio.sleep(starting_interval(probe, tries, longer))
                tries += 1

    def _is_new(self, container: str) -> bool:
        """Nobody can have relied on it yet."""
        return self._health[container].state == "starting"

    def _note(self, target: Target, probe: Probe, reason: ProbeReason | None) -> None:
        after = judged(self._health[target.container], reason, probe.failures)
        self._health[target.container] = after
        if after.state == "ready":
            self._answer(target.container, is_ready=True)
        report = _report(after, probe, self._now() - target.started_at)
        if report != self._reported.get(target.container):
            self._reported[target.container] = report
            self._changed(target.container)


def starting_interval(probe: Probe, tries: int, longer: float = LONGER) -> float:
    """Seconds until a task is asked again that is not ready yet, after so many tries before."""
    first, longest = FIRST_INTERVAL_SECONDS, LONGEST_INTERVAL_SECONDS
    if probe.type == "exec":
        first = EXEC_INTERVAL_SECONDS
        longest = max(first, min(LONGEST_EXEC_INTERVAL_SECONDS, probe.interval_seconds))
    return float(min(first * longer ** min(tries, 50), longest))


def interval(probe: Probe, reason: ProbeReason | None) -> float:
    """Seconds until a task is asked again that may be in traffic; no reason: it said yes."""
    is_declared = "interval_seconds" in probe.model_fields_set
    if reason is None or is_declared:
        return probe.interval_seconds
    return min(probe.interval_seconds, RECHECK_SECONDS)


def judged(before: Health, reason: ProbeReason | None, tolerated: int) -> Health:
    """
    Health after one more answer; no reason is a yes.

    | before   | yes   | no                                               |
    |----------|-------|--------------------------------------------------|
    | unknown  | ready | unknown, until ``tolerated`` in a row: starting  |
    | starting | ready | starting                                         |
    | ready    | ready | ready, until ``tolerated`` in a row: failing     |
    | failing  | ready | failing                                          |
    """
    if reason is None:
        return Health("ready")
    failures = before.failures + 1
    match before.state:
        case "ready" if failures >= tolerated:
            return Health("failing", failures, reason)
        case "unknown" if failures >= tolerated:
            return Health("starting", failures, reason)
        case _:
            return replace(before, failures=failures, reason=reason)


_Report = tuple[HealthState, bool, ProbeReason | None]


def _report(health: Health, probe: Probe, age: timedelta) -> _Report:
    """
    What a look would treat differently. Why a task is not ready is worth one only when it has had
    a moment: most are ready with their second answer or third.
    """
    is_starting = health.state == "starting" and age >= TOLD_AFTER
    overdue = health.state == "failing" and health.failures >= 2 * probe.failures
    return (health.state, overdue, health.reason if is_starting else None)
