"""
Make one service what its declaration says: look, decide, do, and look again.

Key: a service with all its versions.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError, Terminal
from spacecloud.mesh.policy import Policy
from spacecloud.model.lines import message
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.execute import Outcome, execute
from spacecloud.reconcile.history import Exit, HistoryRecorder
from spacecloud.reconcile.observe import Observer
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.report.snapshot import Snapshot
from spacecloud.store.port import Store
from spacecloud.workloads.decide import decide
from spacecloud.workloads.observed import ObservedWorkloads
from spacecloud.workloads.operations import (
    CreateReplica,
    Op,
    PinImages,
    PublishNames,
    PublishTraffic,
    PullImage,
    ReleaseAddresses,
    RestartTask,
    StartTask,
    Wait,
    WithdrawTraffic,
    WorkloadOp,
)
from spacecloud.workloads.plan import Plan
from spacecloud.workloads.situation import Situation, TerminationLimits

logger = logging.getLogger(__name__)

LAST_LINES = 5
LONGEST_WORDS = 1024
"""In characters, of a task's last lines: a message holds more than them."""

NEXT_LOOK = timedelta(0)


class ServiceReconciler:
    def __init__(
        self,
        store: Store,
        driver: Driver,
        policies: PolicyCache,
        events: EventRecorder,
        termination: TerminationLimits,
        now: Callable[[], datetime],
    ) -> None:
        self.snapshots: dict[ServiceKey, Snapshot] = {}
        """The last look at each service."""

        self.look_failures: dict[ServiceKey, str] = {}
        """Of services whose last look did not succeed: why. Empty while one is going on."""

        self._store = store
        self._observer = Observer(driver)
        self._driver = driver
        self._policies = policies
        self._events = events
        self._termination = termination
        self._now = now
        self._recorders: dict[ServiceKey, HistoryRecorder] = {}
        self._names: dict[ServiceKey, tuple[tuple[str, str], ...]] = {}
        self._declaration_changed: dict[ServiceKey, asyncio.Event] = {}
        self._worlds: dict[ServiceKey, ObservedWorkloads] = {}

    async def __call__(self, key: ServiceKey) -> datetime | None:
        self._declaration_changed[key] = asyncio.Event()
        recorder = self._recorders.setdefault(key, HistoryRecorder())
        self.look_failures.setdefault(key, "")
        situation, exits = await self._look(key, recorder)
        del self.look_failures[key]
        for seen in exits:
            await self._note_exit(key, seen)
        decided = decide(situation)
        self._remember(key, situation, decided, recorder)
        if not decided.steps and situation.desired.declared is None:
            self._forget(key)
            return None

        if not any(isinstance(step.op, WorkloadOp) for step in decided.steps):
            # Nothing that is done now changes the engine: the next look need not ask it again.
            self._worlds[key] = situation.observed.workloads
        outcome = await self._carry_out(key, decided)
        if outcome.failed:
            self._worlds.pop(key, None)
        self._judge(key, outcome, recorder)
        if outcome.done or outcome.failed:
            return self._now() + NEXT_LOOK
        self._worlds.pop(key, None)
        times = [t for t in (decided.look_again_at, recorder.refused_until()) if t is not None]
        return min(times, default=None)

    def declaration_changed(self, key: ServiceKey) -> None:
        """What is being waited for may not be wanted any more: an image on its way."""
        if key in self._declaration_changed:
            self._declaration_changed[key].set()

    def last_error(self, key: ServiceKey, reason: str) -> None:
        """Something went wrong that will be tried again."""
        if key in self.look_failures:
            self.look_failures[key] = message(reason)
        snapshot = self.snapshots.get(key)
        if snapshot is not None:
            self.snapshots[key] = replace(snapshot, last_error=message(reason))

    async def refresh_names(self) -> frozenset[ServiceKey]:
        """Read anew what the resolver answers; whose names there are."""
        self._names = dict(await self._driver.names.published())
        return frozenset(self._names)

    def cache_absence(self, keys: Iterable[ServiceKey]) -> None:
        """A listing of the engine shows nothing of them: their next look need not ask again."""
        self._worlds.update((key, ObservedWorkloads(key, None)) for key in keys)

    def invalidate(self, key: ServiceKey) -> None:
        """The engine tells of a change: what was seen a moment ago may not be so any more."""
        self._worlds.pop(key, None)

    def names(self, key: ServiceKey) -> tuple[tuple[str, str], ...]:
        """What the resolver answered for it when it was last read."""
        return self._names.get(key, ())

    async def simulate(self, key: ServiceKey, policy: Policy, store: Store) -> Situation:
        """A look for a plan that is only shown: with other declarations, and nothing noted."""
        recorder = self._recorders.get(key, HistoryRecorder())
        desired = await self._observer.desired(key, policy, store)
        observed = await self._observer.observed(key, desired, self.names(key))
        now = self._now()
        return Situation(desired, observed, recorder.history(now), now, self._termination)

    async def _look(
        self, key: ServiceKey, recorder: HistoryRecorder
    ) -> tuple[Situation, tuple[Exit, ...]]:
        desired = await self._observer.desired(key, await self._policies.policy(), self._store)
        world = self._worlds.pop(key, None)
        observed = await self._observer.observed(key, desired, self.names(key), world)
        in_flight = await self._observer.in_flight(observed)
        now = self._now()
        exits = recorder.note(observed, in_flight, now)
        history = recorder.history(now)
        return Situation(desired, observed, history, now, self._termination), exits

    def _remember(
        self, key: ServiceKey, situation: Situation, decided: Plan, recorder: HistoryRecorder
    ) -> None:
        before = self.snapshots.get(key)
        self.snapshots[key] = Snapshot(
            situation,
            decided,
            last_error=before.last_error if before is not None and decided.steps else "",
            last_output=dict(recorder.last_output),
        )
        if decided.steps:
            logger.info("%s:\n%s", key, decided)

    def _forget(self, key: ServiceKey) -> None:
        for kept in (
            self.snapshots,
            self._recorders,
            self._names,
            self._declaration_changed,
            self._worlds,
        ):
            kept.pop(key, None)

    async def _note_exit(self, key: ServiceKey, seen: Exit) -> None:
        replica, task = seen.replica, seen.task
        recorder = self._recorders[key]
        if recorder.is_stopping(replica.id):
            return
        lines = await self._driver.workloads.last_lines(
            key.project, replica.id, task.task, LAST_LINES
        )
        words = message(" | ".join(line.strip() for line in lines if line.strip()), LONGEST_WORDS)
        recorder.last_output[task.container] = words
        why = "used more memory than its limit" if task.out_of_memory else f"code {task.exit_code}"
        told = f"{replica.id}/{task.task} ended: {why}" + (f"; last said: {words}" if words else "")
        self._events.record(key, "TaskExited", told, "warning")

    async def _carry_out(self, key: ServiceKey, decided: Plan) -> Outcome:
        if all(isinstance(step.op, Wait) for step in decided.steps):
            return Outcome()
        return await execute(decided, lambda op: self._do(key, op))

    async def _do(self, key: ServiceKey, op: Op) -> None:
        match op:
            case PublishTraffic():
                await self._driver.traffic.publish(op.face, op.endpoints)
            case WithdrawTraffic():
                await self._driver.traffic.withdraw(op.key)
            case PublishNames():
                await self._driver.names.publish(op.key, op.names)
                self._names[key] = op.names
            case PinImages():
                await self._store.pin_images(op.ref, op.generation, dict(op.images))
            case ReleaseAddresses():
                await self._store.release(op.key)
            case PullImage():
                await self._unless_redeclared(key, self._driver.workloads.execute(op))
            case Wait():
                raise AssertionError("waits are not carried out")
            case _:
                await self._driver.workloads.execute(op)

    async def _unless_redeclared(self, key: ServiceKey, work: Coroutine[Any, Any, None]) -> None:
        """A pull may take minutes; a newer declaration does not wait for it."""
        failures: list[SpaceCloudError] = []

        async def run() -> None:
            try:
                await work
            except SpaceCloudError as error:
                failures.append(error)

        async with asyncio.TaskGroup() as tasks:
            pull = tasks.create_task(run(), name=f"pull for {key}")
            notifier = tasks.create_task(
                self._declaration_changed[key].wait(), name=f"redeclared {key}"
            )
            pull.add_done_callback(lambda _: notifier.cancel())
            notifier.add_done_callback(lambda _: pull.cancel())
        if failures:
            raise failures[0]

    def _judge(self, key: ServiceKey, outcome: Outcome, recorder: HistoryRecorder) -> None:
        """Note what was done; what failed for good is not repeated, the rest is raised."""
        now = self._now()
        for op in outcome.done:
            recorder.note_done(op, now)
            self._tell(key, op, self._cause(key, op))
        passing: SpaceCloudError | None = None
        for op, error in outcome.failed:
            match op:
                case PublishTraffic() if isinstance(error, Terminal):
                    recorder.refuse_publication(op, message(str(error)), now)
                case PullImage(ref=ref) | CreateReplica(ref=ref) | StartTask(ref=ref) if isinstance(
                    error, Terminal
                ):
                    recorder.refuse(ref, self._generation(key, ref), message(str(error)), now)
                case _:
                    passing = error
                    continue
            self._events.record(key, "Failed", f"{op}: {error}", "error")
        if passing is not None:
            raise passing
        self.last_error(key, "")

    def _generation(self, key: ServiceKey, ref: ServiceRef) -> int:
        version = self.snapshots[key].situation.desired.version(ref)
        return version.generation if version is not None else 0

    def _cause(self, key: ServiceKey, op: Op) -> str:
        return next((s.cause for s in self.snapshots[key].plan.steps if s.op is op), "")

    def _tell(self, key: ServiceKey, op: Op, cause: str) -> None:
        match op:
            case PullImage():
                self._events.record(key, "ImagePulled", f"pulled {op.image}")
            case CreateReplica():
                text = f"{op.replica} of revision {op.revision}: {cause}"
                self._events.record(key, "ReplicaCreated", text)
            case StartTask() | RestartTask():
                text = f"{op.replica}/{op.task}: {cause}"
                self._events.record(key, "TaskRestarted", text, "warning")
            case PublishTraffic():
                self._tell_endpoints(key, op)
            case ReleaseAddresses():
                self._events.record(key, "Deleted", "nothing of it is left")
            case _:
                pass

    def _tell_endpoints(self, key: ServiceKey, op: PublishTraffic) -> None:
        before = self.snapshots[key].situation.acknowledged
        full = [e for e in op.endpoints if not e.draining]
        if len(full) != len([e for e in before if not e.draining]):
            replicas = "1 replica takes" if len(full) == 1 else f"{len(full)} replicas take"
            self._events.record(key, "EndpointsPublished", f"{replicas} requests")
