"""
Hold back the steps of a plan that would meet an operation of an earlier look. Pure.

| an operation on the same thing | becomes of a step                        |
|--------------------------------|------------------------------------------|
| is under way                   | a wait for its end, which is a hint      |
| failed, and is the same        | a wait for the next try                  |
| failed, and is another one     | carried out: the declaration has changed |
| none                           | carried out                              |
"""

from dataclasses import replace

from spacecloud.reasons.steps import UnderWay
from spacecloud.workloads.operations import (
    AwaitEnd,
    AwaitRetry,
    CancelPull,
    ConfirmRevision,
    CreateNetwork,
    CreateReplica,
    FailRevision,
    FreezeReplica,
    KillReplica,
    Op,
    PublishNames,
    PublishPolicy,
    PublishTraffic,
    PullImage,
    RecordCompletion,
    RecordRevision,
    RecordServing,
    ReleaseAddresses,
    RemoveNetwork,
    RemoveReplica,
    RestartTask,
    StartTask,
    StopReplica,
    ThawReplica,
    Wait,
    WithdrawTraffic,
)
from spacecloud.workloads.plan import Plan, Step
from spacecloud.workloads.situation import Situation

Subject = tuple[str, ...]


def hold_back(plan: Plan, situation: Situation) -> Plan:
    steps = tuple(_held_back(step, situation) for step in plan.steps)
    times = [s.op.until for s in steps if isinstance(s.op, AwaitRetry)]
    if plan.look_again_at is not None:
        times.append(plan.look_again_at)
    return replace(plan, steps=steps, look_again_at=min(times, default=None))


def subject(op: Op) -> Subject:
    """What it changes, from the whole to the part: one operation at a time on each."""
    its: Subject
    match op:
        case (
            CreateReplica()
            | StopReplica()
            | KillReplica()
            | FreezeReplica()
            | ThawReplica()
            | RemoveReplica()
        ):
            its = ("replica", op.replica)
        case StartTask() | RestartTask():
            its = ("replica", op.replica, op.task)
        case CreateNetwork() | RemoveNetwork():
            its = ("network",)
        case PublishTraffic() | PublishPolicy() | WithdrawTraffic():
            its = ("traffic",)
        case PublishNames():
            its = ("names",)
        case PullImage(ref=ref, image=image) | CancelPull(pull=PullImage(ref=ref, image=image)):
            its = ("pull", ref.version, image)
        case (
            RecordRevision()
            | RecordCompletion()
            | RecordServing()
            | ConfirmRevision()
            | FailRevision()
        ):
            its = ("revision", op.ref.version)
        case ReleaseAddresses():
            its = ("addresses",)
        case _:
            its = ("wait", str(op))
    return its


def meets(one: Subject, other: Subject) -> bool:
    """Is one of them the other, or a part of it?"""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _held_back(step: Step, situation: Situation) -> Step:
    if isinstance(step.op, Wait):
        return step
    history, its = situation.history, subject(step.op)
    for op in history.under_way:
        if meets(subject(op), its):
            return replace(step, op=AwaitEnd(op), cause=UnderWay())
    for failed in history.failed:
        if failed.op == step.op and situation.now < failed.until:
            return replace(step, op=AwaitRetry(step.op, failed.until), cause=failed.reason)
    return step
