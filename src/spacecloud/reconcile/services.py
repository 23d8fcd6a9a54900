"""
Make one service what its declaration says: look, decide, do, and look again.

Key: a service with all its versions. A look holds its key for less than a second: what takes
longer, an observation or an operation, goes on beside it, and its end is a hint.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError
from spacecloud.mesh.policy import Policy
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.services import BeingObserved, LookFailed, NotObserved
from spacecloud.reconcile.background import Background
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.execute import execute
from spacecloud.reconcile.history import Exit, HistoryRecorder
from spacecloud.reconcile.last_output import last_output
from spacecloud.reconcile.observe import Observer
from spacecloud.reconcile.outcome import Ended, NewEvent, event_of, events_of, exit_of, reason_of
from spacecloud.reconcile.scaling.memory_admission import Admission
from spacecloud.reconcile.service_state import Look, ServiceState
from spacecloud.reconcile.step_executor import StepExecutor
from spacecloud.report.snapshot import Snapshot
from spacecloud.store.port import Secrets, Store
from spacecloud.workloads.decide import decide
from spacecloud.workloads.observed import Observed, ObservedWorkloads, Published
from spacecloud.workloads.operations import (
    Op,
    PublishNames,
    Wait,
    WorkloadOp,
)
from spacecloud.workloads.plan import Plan, Step
from spacecloud.workloads.situation import Desired, Situation, TerminationLimits, Unknown

logger = logging.getLogger(__name__)

NEXT_LOOK = timedelta(0)
LOOK_SECONDS, DO_SECONDS = 0.4, 0.4
"""How long a look waits for what it observes and for what it does, before it lets its key go."""


class ServiceReconciler:
    def __init__(
        self,
        store: Store,
        driver: Driver,
        observer: Observer,
        events: EventRecorder,
        background: Background[ServiceKey],
        termination: TerminationLimits,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._observer = observer
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._driver = driver
        self._events = events
        self._background = background
        self.admission = Admission(
            driver.workloads, driver.resources, self.snapshot, events, self._try_again, now
        )
        self._executor = StepExecutor(store, driver, self.admission)
        self._termination = termination
        self._now = now
        self._began = now()
        self._states: dict[ServiceKey, ServiceState] = {}

    async def __call__(self, key: ServiceKey) -> datetime | None:
        state = self._state(key)
        self._settle(state)
        look = await self._look(state)
        if not await look.begun.ended(LOOK_SECONDS):
            return None
        state.look = None
        situation = self._take_in(state, look)
        decided = decide(situation)
        state.remember(situation, decided)
        self._tell_look(state)
        if not decided.steps and isinstance(situation.desired, Unknown):
            self._states.pop(key, None)
            return None
        if decided.steps:
            logger.info("%s:\n%s", key, decided)
        if not any(isinstance(op, WorkloadOp) for op in _ops(situation, decided)):
            # Nothing that is done now changes the engine: the next look need not ask it again.
            state.cache(situation.observed.workloads, look.changes)
        await self._carry_out(state, decided)
        if self._settle(state) or look.begun.is_joined:
            return self._now() + NEXT_LOOK
        state.invalidate()
        times = (decided.look_again_at, state.recorder.refused_until())
        return min((t for t in times if t is not None), default=None)

    def listen(self, looked: Callable[[Snapshot], None]) -> None:
        """``looked`` hears of every look that ends from now on."""
        self._listeners.append(looked)

    @property
    def snapshots(self) -> Mapping[ServiceKey, Snapshot]:
        """The last look at each service."""
        return {k: s.snapshot for k, s in self._states.items() if s.snapshot is not None}

    def snapshot(self, key: ServiceKey) -> Snapshot | None:
        state = self._states.get(key)
        return state.snapshot if state is not None else None

    def unobserved(self, key: ServiceKey) -> LookFailed | BeingObserved | NotObserved:
        """Why nothing is known of its latest declaration, where nothing is."""
        state = self._states.get(key)
        if state is not None and state.look_failure is not None:
            return LookFailed(state.look_failure)
        if state is not None and state.look is not None:
            return BeingObserved()
        return NotObserved()

    def last_error(self, key: ServiceKey, error: Exception) -> None:
        """Something went wrong that will be tried again."""
        self._state(key).note_error(reason_of(error))

    def retry_now(self) -> None:
        """The engine or the gateway has come back: what failed need not wait for its next try."""
        for state in self._states.values():
            state.recorder.forget_failures()

    def _try_again(self, key: ServiceKey) -> None:
        """There is memory now for what was refused for want of it."""
        self._state(key).recorder.forget_shortage()
        self._background.enqueue(key)

    async def refresh_names(self) -> frozenset[ServiceKey]:
        """Read anew what the resolver answers; whose names there are."""
        names = await self._driver.names.published()
        for key in names.keys() | self._states.keys():
            self._state(key).names = names.get(key, ())
        return frozenset(names)

    def cache_absence(self, keys: Iterable[ServiceKey]) -> None:
        """
        A listing of the engine shows nothing of them: their next look need not ask again, unless
        something may have been made since the listing.
        """
        for key in keys:
            state = self._state(key)
            if state.snapshot is None:
                state.cache(ObservedWorkloads(key, None), state.changes)

    def invalidate(self, key: ServiceKey) -> None:
        """The engine tells of a change: what was seen a moment ago may not be so any more."""
        if key in self._states:
            self._states[key].invalidate()

    def differs(
        self, key: ServiceKey, listed: ObservedWorkloads | None, published: Published | None
    ) -> bool:
        return self._state(key).differs_from(listed, published)

    async def simulate(self, key: ServiceKey, policy: Policy, store: Secrets) -> Situation:
        """A look for a plan that is only shown: with other declarations, and nothing noted."""
        state = self._states.get(key) or ServiceState(key)
        desired = await self._observer.desired(key, policy, store)
        observed = await self._observer.observed(key, desired, state.names)
        return self._situation(desired, observed, state.recorder)

    def _state(self, key: ServiceKey) -> ServiceState:
        if key not in self._states:
            self._states[key] = ServiceState(key)
        return self._states[key]

    async def _look(self, state: ServiceState) -> Look:
        """The one that is under way, where it looks for what is declared now; else a new one."""
        policy = await self._observer.policies.policy()
        desired = await self._observer.desired(state.key, policy, self._store)
        look = state.look
        if look is not None and look.desired == desired:
            look.begun.join()
            return look
        state.drop_look()
        changes = state.changes
        work = self._observer.look(state.key, desired, state.names, state.take_cached())
        begun = self._background.begin(state.key, work, f"look at {state.key}")
        state.look = Look(desired, begun, changes)
        return state.look

    def _take_in(self, state: ServiceState, look: Look) -> Situation:
        observed, in_flight = look.begun.future.result()
        recorder = state.recorder
        resting = self._situation(look.desired, observed, recorder).resting
        for seen in recorder.note(observed, in_flight, self._now(), resting):
            self._begin_note_of(state, seen)
        for pull in recorder.note_pulls(observed.pulls):
            self._record_event(state.key, event_of(pull))
        return self._situation(look.desired, observed, recorder)

    def _situation(
        self, desired: Desired, observed: Observed, recorder: HistoryRecorder
    ) -> Situation:
        now = self._now()
        return Situation(desired, observed, recorder.history(now), now, self._termination)

    def _tell_look(self, state: ServiceState) -> None:
        if state.snapshot is not None:
            for looked in self._listeners:
                looked(state.snapshot)

    async def _carry_out(self, state: ServiceState, decided: Plan) -> None:
        if not all(isinstance(step.op, Wait) for step in decided.steps):
            await execute(decided, lambda step: self._begin(state, step), DO_SECONDS)

    def _begin(self, state: ServiceState, step: Step) -> "asyncio.Future[None]":
        snapshot = state.snapshot
        before = snapshot.situation.before_gates if snapshot is not None else ()
        state.recorder.note_begun(step.op)

        def at_end() -> None:
            error = None if future.cancelled() else future.exception()
            known = error if isinstance(error, Exception) else None
            state.ended.append(Ended(step, known, before))
            self._background.enqueue(state.key)

        future = self._background.start(self._do(state.key, step), str(step.op), at_end)
        return future

    async def _do(self, key: ServiceKey, step: Step) -> None:
        await self._executor.execute(step)
        if isinstance(step.op, PublishNames):
            self._state(key).names = step.op.names

    def _settle(self, state: ServiceState) -> bool:
        """Take in what has ended; was there anything?"""
        taken, state.ended = state.ended, []
        now = self._now()
        for one in taken:
            if one.error is not None and not isinstance(one.error, SpaceCloudError):
                logger.error("a bug in %s: %s", state.key, one.step.op, exc_info=one.error)
            state.recorder.note_ended(one, now)
        for event in events_of(taken):
            self._record_event(state.key, event)
        if any(isinstance(one.step.op, WorkloadOp) for one in taken):
            state.drop_look()
        return bool(taken)

    def _begin_note_of(self, state: ServiceState, seen: Exit) -> None:
        if not seen.is_asked:
            self._background.start(
                self._note_exit(state, seen),
                f"last output of {seen.replica.id}/{seen.task.task}",
                lambda: self._background.enqueue(state.key),
            )

    async def _note_exit(self, state: ServiceState, seen: Exit) -> None:
        replica, task = seen.replica, seen.task
        words = await last_output(self._driver.logs, state.key.project, replica.id, task.task)
        state.recorder.last_output[task.container] = words
        is_left = task.is_over or seen.is_resting
        if is_left and task.exited_at is not None and task.exited_at < self._began:
            # Told by the process before this one, which saw it.
            return
        self._record_event(state.key, exit_of(replica, task, words))

    def _record_event(self, key: ServiceKey, event: NewEvent) -> None:
        self._events.record(key, event.kind, event.message, event.severity, reason=event.reason)


def _ops(situation: Situation, decided: Plan) -> Iterable[Op]:
    yield from (step.op for step in decided.steps)
    yield from situation.history.under_way
