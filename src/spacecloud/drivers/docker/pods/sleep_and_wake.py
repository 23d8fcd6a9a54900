"""
Lay replicas down and wake them, on the engine.

One thing at a time per version, and a wake behind nothing else: it shares no permit with looks and
operations. What it wakes is not laid down by a decision that did not know of it
(``replica_cache``).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from weakref import WeakValueDictionary

from spacecloud.drivers.docker import logs
from spacecloud.drivers.docker.concurrent import together
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import NOT_FOUND, EngineError, meaning
from spacecloud.drivers.docker.pods import observe, replica_cache
from spacecloud.drivers.docker.pods.freezing import Freezing
from spacecloud.drivers.docker.pods.observe import Container
from spacecloud.drivers.docker.pods.replica_cache import CachedReplica, ReplicaCache
from spacecloud.drivers.docker.pods.replicas import Pods
from spacecloud.drivers.docker.probes.prober import Prober
from spacecloud.drivers.driver import WOKEN_SECONDS
from spacecloud.errors import NotFound, SpaceCloudError, Transient
from spacecloud.model.lines import message
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.task import Probe
from spacecloud.model.wake import Resumed, RunName
from spacecloud.reasons.platform import EngineFailed
from spacecloud.reasons.tasks import Ending, WakeTimedOut
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.operations import FreezeReplica, KillReplica, StopReplica, ThawReplica

logger = logging.getLogger(__name__)

LAST_LINES = 5
KILLED_SECONDS = 10.0
"""Until what was killed has ended."""

HAND_OVER_SECONDS = 5.0

SleepOp = FreezeReplica | ThawReplica | StopReplica | KillReplica


class SleepAndWake:
    def __init__(
        self,
        engine: Engine,
        pods: Pods,
        prober: Prober,
        look: Callable[[ServiceKey], Awaitable[object]],
        grace_seconds: float,
        woken_seconds: float = WOKEN_SECONDS,
    ) -> None:
        """``look`` observes a service behind nobody, and notes here what it sees."""
        self._engine = engine
        self._pods = pods
        self._prober = prober
        self._look = look
        self._grace_seconds = grace_seconds
        self._freezing = Freezing(engine)
        self._cache = ReplicaCache(woken_seconds)
        self._locks: WeakValueDictionary[ServiceRef, asyncio.Lock] = WeakValueDictionary()

    def turn(self, key: ServiceKey) -> int:
        """To be given to ``note`` by a look that begins now."""
        return self._cache.turn(key)

    def note(
        self,
        key: ServiceKey,
        replicas: Iterable[ObservedReplica],
        containers: Iterable[Container],
        turn: int,
        began: float,
    ) -> None:
        """
        Take in a look that began then, on the monotonic clock. What was done here since is known
        better than by it.
        """
        if turn != self._cache.turn(key):
            return
        containers = tuple(containers)
        self._cache.note(key, replicas, containers, began)
        runs = [c.run for c in containers if c.tag.task and c.run.state == "running"]
        self._prober.rest(run.container for run in runs if run.frozen)
        self._prober.resume(run.container for run in runs if not run.frozen)

    async def execute(self, op: SleepOp) -> None:
        """``Transient`` where it lays something down that was woken meanwhile."""
        async with self._lock(op.ref):
            match op:
                case FreezeReplica() | StopReplica(then="keep"):
                    self._cache.refuse_if_woken(op.ref, op.replica)
                case StopReplica():
                    self._cache.leaves(op.ref, op.replica)
                case KillReplica() | ThawReplica():
                    pass
            with self._cache.changing(op.ref):
                await self._carry_out(op)

    async def _carry_out(self, op: SleepOp) -> None:
        running = await self._pods.running(op)
        match op:
            case FreezeReplica():
                self._prober.rest(running)
                paused: set[str] = set()
                await together(self._freeze(id, paused) for id in running)
                self._set(op, lambda cached: replica_cache.frozen(cached, paused))
            case ThawReplica():
                await together(self._thaw(id) for id in running)
                self._prober.resume(running)
                self._set(op, replica_cache.thawed)
            case StopReplica():
                await together(map(self._pods.stop_task, running))
                self._set(op, replica_cache.ending)
            case KillReplica():
                await together(map(self._pods.kill_task, running))

    async def wake(self, ref: ServiceRef) -> Resumed:
        """As ``drivers.driver.Workloads.wake`` says."""
        began = monotonic()
        try:
            async with self._lock(ref):
                # Before all else: what is decided without knowing of it comes too late from now on.
                self._cache.woken(ref)
                cached, by = await self._run(ref)
            runs = monotonic()
            await together(self._until_ready(cached, id) for id in cached.containers)
            # Its calls are let through from now on, however long that took.
            self._cache.woken(ref)
        except EngineError as error:
            raise meaning(f"wake {ref}", error) from error
        return Resumed(by, runs - began, monotonic() - runs)

    def ended(self, container: str) -> None:
        """The engine tells that a task has: a wake that waits for it looks why."""
        self._prober.ended(container)

    def frozen(self) -> frozenset[str]:
        """
        Containers that the kernel holds and the engine does not: of those that were frozen when
        they were seen last, those that are.
        """
        return frozenset(
            container.run.container
            for _, cached in self._cache.all_frozen()
            for container in replica_cache.held_by_kernel(cached)
            if self._freezing.is_frozen(container.run.container, container.pid)
        )

    def signalled(self, container: str) -> None:
        """
        Somebody has sent it a signal, as ``docker stop`` does: it has to run to hear it, and the
        engine does not know that it is frozen.
        """
        for ref, cached in self._cache.all_frozen():
            if container in cached.containers:
                self._let_run(ref, cached)

    def engine_gone(self) -> None:
        """It may be about to end all containers, and tells nobody."""
        for ref, cached in self._cache.all_frozen():
            self._let_run(ref, cached)

    def _let_run(self, ref: ServiceRef, cached: CachedReplica) -> None:
        """What the kernel alone holds. Nobody knows what becomes of it: a wake looks first."""
        with self._cache.changing(ref):
            for container in replica_cache.held_by_kernel(cached):
                self._freezing.thaw_by_kernel(container.run.container, container.pid)
            self._cache.forget(ref)

    async def hand_over(self) -> None:
        """To the engine: nobody is there any more to thaw what it signals."""
        held = [
            c
            for _, cached in self._cache.all_frozen()
            for c in replica_cache.held_by_kernel(cached)
        ]
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                await together(self._freezing.hand_over(c.run.container, c.pid) for c in held)
        except (SpaceCloudError, EngineError, TimeoutError) as error:
            logger.warning("the engine was not told of all that is frozen: %s", error)

    async def _freeze(self, container: str, paused: set[str]) -> None:
        if await self._freezing.freeze(container):
            paused.add(container)

    async def _thaw(self, container: str) -> None:
        """Nothing to do for one that has ended."""
        shown = await self._engine.find(f"containers/{container}/json")
        if shown is not None and shown["State"]["Running"]:
            state = shown["State"]
            await self._freezing.thaw(container, state["Pid"], is_paused=state["Paused"])

    def _lock(self, ref: ServiceRef) -> asyncio.Lock:
        lock = self._locks.get(ref)
        if lock is None:
            self._locks[ref] = lock = asyncio.Lock()
        return lock

    def _set(self, op: SleepOp, state: Callable[[CachedReplica], CachedReplica]) -> None:
        cached = self._cache.get(op.ref, op.replica)
        if cached is not None:
            self._cache.set(op.ref, state(cached))

    async def _run(self, ref: ServiceRef) -> tuple[CachedReplica, RunName | None]:
        """Make all tasks of the replica run, with what is known of it, else with a look."""
        for cached in self._cache.of(ref)[:1]:
            try:
                return await self._run_tasks(ref, cached)
            except SpaceCloudError:
                # It may not be any more as it was seen.
                break
        await self._look(ref.key)
        for cached in self._cache.of(ref)[:1]:
            return await self._run_tasks(ref, cached)
        raise NotFound(f"nothing is kept of {ref} that could be woken")

    async def _run_tasks(
        self, ref: ServiceRef, cached: CachedReplica
    ) -> tuple[CachedReplica, RunName | None]:
        tasks = [task for task in cached.replica.tasks if not task.is_over]
        frozen = [task.container for task in tasks if task.frozen]
        ended = [t.container for t in tasks if t.state == "exited" or cached.is_ending]
        if not frozen and not ended:
            return cached, None
        with self._cache.changing(ref):
            if cached.is_ending:
                await self._await_end(cached)
            self._prober.forget({*ended})
            starts = (self._pods.start_task(c, f"task of {cached.replica.id}") for c in ended)
            thaws = (self._thaw_known(cached.containers[c]) for c in frozen)
            await together((*thaws, *starts))
            self._prober.resume(frozen)
            running = replica_cache.running(cached)
            self._cache.set(ref, running)
        return running, "start" if ended else "thaw"

    async def _thaw_known(self, container: Container) -> None:
        id, pid = container.run.container, container.pid
        await self._freezing.thaw(id, pid, is_paused=container.paused)

    async def _await_end(self, cached: CachedReplica) -> None:
        """Nobody can take a SIGTERM back: until it has ended, or its grace is over."""
        grace = cached.replica.termination_grace_seconds
        running = [task.container for task in cached.replica.tasks if task.state == "running"]
        try:
            async with asyncio.timeout(self._grace_seconds if grace is None else grace):
                await together(map(self._ended, running))
        except TimeoutError:
            await together(map(self._pods.kill_task, running))
            async with asyncio.timeout(KILLED_SECONDS):
                await together(map(self._ended, running))

    async def _ended(self, container: str) -> None:
        await self._engine.post(f"containers/{container}/wait", ok=(NOT_FOUND,))

    async def _until_ready(self, cached: CachedReplica, container: str) -> None:
        """A task that nobody can ask is as ready as it gets."""
        tag = cached.containers[container].tag
        if not (tag.ports or tag.probe) or self._prober.was_ready(container):
            return
        seconds = (tag.probe or Probe()).grace_seconds
        try:
            async with asyncio.timeout(seconds):
                while not await self._is_ready(cached, container):
                    pass
        except TimeoutError as error:
            raise Transient(WakeTimedOut(seconds, self._prober.reason(container))) from error

    async def _is_ready(self, cached: CachedReplica, container: str) -> bool:
        """False: something happened to it; its end is ``Transient`` with its last output."""
        item = await self._engine.find(f"containers/{container}/json")
        seen = observe.inspected(item) if item is not None else None
        if seen is None:
            words = "its container is gone"
            raise Transient(EngineFailed(f"wake replica {cached.replica.id}", words))
        if seen.run.state != "running" or seen.target is None:
            raise Transient(await self._why_ended(seen))
        return await self._prober.ready(seen.target)

    async def _why_ended(self, seen: Container) -> Ending:
        try:
            lines = await logs.last_lines(self._engine, seen.run.container, LAST_LINES)
        except (SpaceCloudError, EngineError):
            lines = []
        words = " | ".join(line.strip() for line in lines if line.strip())
        return seen.run.ending(message(words))
