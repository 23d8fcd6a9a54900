"""
What is wrong with a service and what to do: the reasons of its status, in order. Pure.

The first that is found is the one to mend first: the platform, then what failed, then single
tasks, then who was refused, then what only surprises. A reason brings its fix; where only a log
can say, or waiting is all, that is named with the service's own words.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from spacecloud.model.status import (
    DeniedCallView,
    Finding,
    HostState,
    ReplicaStatus,
    ServiceStatus,
    TaskStatus,
)
from spacecloud.reasons.platform import PartDown
from spacecloud.reasons.services import (
    CallDenied,
    LookFailed,
    NoCaller,
    Progressing,
)
from spacecloud.reasons.tasks import BackOff, CrashLoop, EndedLately, Exited, OutOfMemory
from spacecloud.reasons.union import Reason

Severity = Literal["error", "warning", "note"]

IN_ITS_LOG = frozenset(c.code for c in (Exited, OutOfMemory, BackOff, CrashLoop, EndedLately))
"""Codes of what a task's own log may say more of: it has run."""


def findings(statuses: Sequence[ServiceStatus], host: HostState) -> tuple[Finding, ...]:
    """Empty when nothing is wrong and nothing surprises."""
    found = [*_platform(host)]
    for status in statuses:
        found += _state(status)
        for replica in status.replicas:
            found += _replica(status, replica)
        found += _not_served(status)
        found += _policy(status)
    for status in statuses:
        found += (_finding("note", _name(status), notice) for notice in status.notices)
    return tuple(dict.fromkeys(found))


def _platform(host: HostState) -> Iterable[Finding]:
    for problem in host.problems:
        yield _finding("error", "platform", problem)
    named = {problem.part for problem in host.problems if isinstance(problem, PartDown)}
    for part, state in host.parts.items():
        if state == "down" and part not in named:
            yield _finding("error", "platform", PartDown(part), host.fixes.get(part, ""))


def _state(status: ServiceStatus) -> Iterable[Finding]:
    name, is_observed = _name(status), status.generation <= status.observed_generation
    if status.state == "removing":
        yield from _removing(status)
    elif not is_observed or status.state in ("failed", "progressing", "degraded"):
        if not status.reason:
            yield _finding("warning", name, Progressing(status.next_step))
            return
        is_error = status.state == "failed" or status.reason == LookFailed.code
        yield Finding(
            severity="error" if is_error else "warning",
            subject=name,
            problem=status.message,
            fix=status.fix or _elsewhere(status, status.reason, status.task),
            reason=status.reason,
        )
    elif status.state == "asleep":
        yield _asleep(status)


def _asleep(status: ServiceStatus) -> Finding:
    """Well where a call wakes it; no call does where none is wanted at all."""
    name, waits = _name(status), f"it is {status.asleep}, and waits for a call"
    fix = f"nothing: the next call wakes it, and so does space-cli wake {name}"
    return Finding(
        severity="note" if status.asleep else "warning",
        subject=name,
        problem=waits if status.asleep else status.message,
        fix=fix if status.asleep else status.fix,
        reason=status.reason,
    )


def _removing(status: ServiceStatus) -> Iterable[Finding]:
    if status.reason:
        yield Finding(
            severity="error",
            subject=_name(status),
            problem=status.message,
            fix=status.fix or Progressing(status.next_step).fix,
            reason=status.reason,
        )


def _replica(status: ServiceStatus, replica: ReplicaStatus) -> Iterable[Finding]:
    named = _named(status)
    for task in replica.tasks:
        subject = f"{status.project}/{replica.id}/{task.id}"
        if task.reason and (task.reason, task.message) not in named:
            yield Finding(
                severity="error",
                subject=subject,
                problem=task.message,
                fix=task.fix or _elsewhere(status, task.reason, task.id),
                reason=task.reason,
            )
        elif task.restarts and task.state == "running":
            lately = EndedLately(task.restarts)
            yield _finding("warning", subject, lately, _of_last_end(status, task))


def _named(status: ServiceStatus) -> set[tuple[str, str]]:
    """What the status' own message says of a task; another one with the same needs no more."""
    return {
        (task.reason, task.message)
        for replica in status.replicas
        for task in replica.tasks
        if f"{replica.id}/{task.id}" == status.subject
    }


def _of_last_end(status: ServiceStatus, task: TaskStatus) -> str:
    known = Exited(task.exit_code).fix if task.exit_code else ""
    return known or _elsewhere(status, EndedLately.code, task.id)


def _not_served(status: ServiceStatus) -> Iterable[Finding]:
    for route in status.not_served:
        yield _finding("error", _name(status), route)


def _policy(status: ServiceStatus) -> Iterable[Finding]:
    for denied in status.refusals:
        yield _finding("warning", _name(status), _denial(denied))
    is_reached = status.admits or status.urls or status.not_served
    if not is_reached and status.ports:
        yield _finding("note", _name(status), NoCaller())


def _denial(denied: DeniedCallView) -> CallDenied:
    return CallDenied(denied.caller, denied.port, denied.count, denied.message)


def _elsewhere(status: ServiceStatus, code: str, task: str) -> str:
    """Where to look where the reason itself has no fix: a log only of what has run."""
    name = f"{status.project}/{status.service_id}"
    if code in IN_ITS_LOG and task:
        return f"see space-cli logs {name} --task {task}"
    if status.state == "failed":
        return f"see space-cli events {name}"
    return Progressing(status.next_step).fix


def _name(status: ServiceStatus) -> str:
    version = f"@{status.version}" if status.version else ""
    return f"{status.project}/{status.service_id}{version}"


def _finding(severity: Severity, subject: str, reason: Reason, fix: str = "") -> Finding:
    return Finding(
        severity=severity,
        subject=subject,
        problem=str(reason),
        fix=fix or reason.fix or "nothing has to be done",
        reason=reason.code,
    )
