"""
What is wrong with a service and what to do, from the facts that its status is made of. Pure.

The first that is found is the one to mend first: the platform, then what failed, then single
tasks, then who was refused, then what only surprises.
"""

import re
from collections.abc import Iterable, Sequence

from spacecloud.model.status import (
    NOT_LOOKED_AT,
    Finding,
    HostState,
    ReplicaStatus,
    ServiceStatus,
    TaskStatus,
)

MORE = "space-cloud doctor says more"

BY_EXIT_CODE = {
    126: "its command is a file that cannot be executed: check docker.cmd and the file's mode",
    127: "its command does not exist in the image: check docker.cmd and the entrypoint",
    134: "it aborted itself: its log has the reason",
    137: "it was killed from outside, or used more memory than its limit: raise resources.memory",
    139: "it crashed on a memory fault: check that the image is built for this machine",
    143: "it was asked to end and did: something stopped it by hand",
}

BY_REASON = (
    (r"more memory than its limit", "raise resources.memory of the task"),
    (r"listens on 127\.0\.0\.1", "have the app listen on 0.0.0.0 (an option or a variable of it)"),
    (
        r"nothing listens on port (\d+)",
        "if the app is still starting, give probe.graceSeconds; else make ports say what it "
        "listens on",
    ),
    (r"answered \d+$", "mend the app, or let probe.path name what answers 200 when it is ready"),
    (r"no answer to its", "the app is too slow or stuck: raise probe.timeoutSeconds, or mend it"),
    (r"cannot be run|ended with code \d+$", "check probe.command; it runs inside the task"),
    ("cannot be pulled", "check the image's name and tag, and apply again"),
    (r"built for \w+ and this machine", "build or choose the image for this machine"),
    (r"is not ours", "remove or rename it, then apply again"),
    (r"is full|used up", "delete what is not needed, or configure a larger pool"),
)


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
        found += _notes(status)
    return tuple(dict.fromkeys(found))


def _platform(host: HostState) -> Iterable[Finding]:
    for problem in host.problems:
        yield _error("platform", problem, MORE)
    for part, state in host.parts.items():
        if state == "down" and not any(part in problem for problem in host.problems):
            yield _error("platform", f"the {part} does not run", host.fixes.get(part, MORE))


def _state(status: ServiceStatus) -> Iterable[Finding]:
    name = _name(status)
    if status.generation > status.observed_generation and status.message != NOT_LOOKED_AT:
        again = "it is tried again by itself; if it stays so: space-cloud doctor"
        yield _error(
            name, f"it cannot be looked at: {status.message}", _remedy(status.message) or again
        )
    elif status.generation > status.observed_generation:
        yield _warning(
            name,
            "the last apply was accepted and not looked at yet",
            "if it stays so, the control plane is behind or stopped: space-cloud doctor",
        )
    elif status.state == "failed":
        logs = f"space-cli logs {status.project}/{status.service_id}"
        yield _error(name, status.message, _remedy(status.message) or f"see {logs}")
    elif status.state == "asleep":
        yield _warning(
            name,
            "no replica is wanted",
            "set minReplicas (of autoScale, else of scale) to 1 or more",
        )
    elif status.state in ("progressing", "degraded") and status.message:
        yield _warning(name, status.message, _remedy(status.message) or _waiting(status))
    elif status.state == "progressing":
        yield _warning(name, "it is on its way", _waiting(status))


def _replica(status: ServiceStatus, replica: ReplicaStatus) -> Iterable[Finding]:
    for task in replica.tasks:
        subject = f"{status.project}/{replica.id}/{task.id}"
        if task.reason and task.reason not in status.message:
            yield _error(subject, task.reason, _of_task(task, status))
        elif task.state == "exited" and task.exit_code in BY_EXIT_CODE:
            yield _error(subject, f"exited with code {task.exit_code}", _of_task(task, status))
        elif task.restarts and task.state == "running":
            times = "once" if task.restarts == 1 else f"{task.restarts} times"
            yield _warning(subject, f"it ended {times} lately", _of_task(task, status))


def _not_served(status: ServiceStatus) -> Iterable[Finding]:
    for sentence in status.not_served:
        yield _error(_name(status), sentence, "change the route and apply it again, or delete it")


def _policy(status: ServiceStatus) -> Iterable[Finding]:
    for denied in status.refusals:
        times = "once" if denied.count == 1 else f"{denied.count} times"
        yield _warning(
            _name(status),
            f"{denied.caller} was refused on port {denied.port}, {times}",
            denied.reason or "nothing: both sides allow it now",
        )
    is_reached = status.admits or status.urls or status.not_served
    if not is_reached and status.ports:
        yield _note(
            _name(status),
            "nobody may call it, and no ingress route leads to it",
            "name callers in its whitelists (and it in their upstreams), or add an ingress route",
        )


def _notes(status: ServiceStatus) -> Iterable[Finding]:
    for notice in status.notices:
        yield _note(_name(status), notice, "nothing has to be done")


def _of_task(task: TaskStatus, status: ServiceStatus) -> str:
    logs = f"space-cli logs {status.project}/{status.service_id} --task {task.id}"
    by_code = BY_EXIT_CODE.get(task.exit_code or 0, "")
    return _remedy(task.reason) or by_code or f"see {logs}"


def _remedy(text: str) -> str:
    for pattern, fix in BY_REASON:
        if re.search(pattern, text):
            return fix
    code = re.search(r"exited with code (\d+)", text)
    return BY_EXIT_CODE.get(int(code[1]), "") if code else ""


def _waiting(status: ServiceStatus) -> str:
    return f"wait: {status.next_step}" if status.next_step else "wait a moment"


def _name(status: ServiceStatus) -> str:
    return f"{status.project}/{status.service_id}@{status.version}"


def _error(subject: str, problem: str, fix: str) -> Finding:
    return Finding(severity="error", subject=subject, problem=problem, fix=fix)


def _warning(subject: str, problem: str, fix: str) -> Finding:
    return Finding(severity="warning", subject=subject, problem=problem, fix=fix)


def _note(subject: str, problem: str, fix: str) -> Finding:
    return Finding(severity="note", subject=subject, problem=problem, fix=fix)
