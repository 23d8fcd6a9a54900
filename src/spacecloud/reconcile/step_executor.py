"""Carry out one step of a service's plan, by the port that its operation is for."""

import contextlib
from dataclasses import replace

from spacecloud.drivers.driver import Driver
from spacecloud.errors import SpaceCloudError
from spacecloud.reasons.tasks import Exited, OutOfMemory
from spacecloud.reconcile.last_output import last_output
from spacecloud.reconcile.scaling.memory_admission import Admission
from spacecloud.store.port import NextRevision, Store
from spacecloud.workloads.confirmation import failure_of
from spacecloud.workloads.operations import (
    ConfirmRevision,
    FailRevision,
    PublishNames,
    PublishPolicy,
    PublishTraffic,
    RecordCompletion,
    RecordRevision,
    RecordServing,
    ReleaseAddresses,
    StoreOp,
    TrafficOp,
    Wait,
    WithdrawTraffic,
)
from spacecloud.workloads.plan import Step


class StepExecutor:
    def __init__(self, store: Store, driver: Driver, admission: Admission) -> None:
        self._store = store
        self._driver = driver
        self._admission = admission

    async def execute(self, step: Step) -> None:
        match step.op:
            case PublishTraffic() | PublishPolicy() | WithdrawTraffic() as op:
                await self._tell_gateway(op)
            case PublishNames() as op:
                await self._driver.names.publish(op.key, op.names)
            case (
                RecordRevision()
                | RecordCompletion()
                | RecordServing()
                | ConfirmRevision()
                | FailRevision()
                | ReleaseAddresses()
            ) as op:
                await self._record(op)
            case Wait():
                raise AssertionError("waits are not carried out")
            case op:
                await self._admission.execute(step, op)

    async def _record(self, op: StoreOp) -> None:
        match op:
            case RecordRevision():
                next = NextRevision(op.number, op.hash, dict(op.images), op.secrets)
                await self._store.record_revision(op.ref, op.generation, next)
            case RecordCompletion():
                await self._store.record_completion(op.ref, op.number)
            case RecordServing():
                await self._store.record_serving(op.ref, op.generation, op.number)
            case ConfirmRevision():
                await self._store.confirm_revision(op.ref, op.generation, op.number)
            case FailRevision():
                await self._fail(op)
            case ReleaseAddresses():
                await self._store.release(op.key)

    async def _tell_gateway(self, op: TrafficOp) -> None:
        match op:
            case PublishTraffic():
                await self._driver.traffic.publish(op.face, op.endpoints, op.gated)
            case PublishPolicy():
                await self._driver.traffic.publish_policy(op.face)
            case WithdrawTraffic():
                await self._driver.traffic.withdraw(op.key)

    async def _fail(self, op: FailRevision) -> None:
        """With its last output, which goes with its replica; without where they cannot be read."""
        why = op.why
        if isinstance(why, Exited | OutOfMemory):
            with contextlib.suppress(SpaceCloudError):
                words = await last_output(self._driver.logs, op.ref.project, op.replica, op.task)
                why = replace(why, last_output=words)
        failure = failure_of(op, why)
        await self._store.fail_revision(op.ref, op.generation, op.number, failure)
