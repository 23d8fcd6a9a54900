"""
What services that hang cost the others: their registry says nothing, or their probe never ends.

Half of the probes hang in a command, which is the engine's, and half in a request, which is the
control plane's own.
"""

import socket
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from bench.caller import POLL_SECONDS, Caller, NotAnswered, ask, first_200
from bench.engine import Images, call
from bench.figures import Figure, Goal, at_most, ratio, rounded
from bench.images import HTTP_PORT, TCP_PORT
from bench.instance import PROJECT, Instance, wait_until
from bench.starting import CALLER, REST_SECONDS, WITHIN, called_anew, calling
from spacecloud.drivers.docker.images.interpreter import PYTHON_PATH

HANGING, PULLING = 50, 50
SLOW = "slow"
"""Their project."""

CALLEE = "callee"
RUNS, REVOCATIONS = 5, 3
TIMES = 1.2
REFUSED_SECONDS, OUT_SECONDS = 1.0, 5.0
BACK_OFF_SECONDS, BACK_SECONDS = 1.0, 2.0
"""A task that ended waits for the first, and is there by the second."""

DECLARED_SECONDS = 300.0
REFUSED = 403
CONNECTIONS_IN_WAITING = 4096
HANGS_SECONDS = 1000
PROBES: Sequence[Mapping[str, Any]] = (
    {
        "type": "exec",
        "command": [PYTHON_PATH, "-S", "-E", "-c", f"import time; time.sleep({HANGS_SECONDS})"],
    },
    {"type": "http", "path": f"/?ms={HANGS_SECONDS * 1000}"},
)
PATIENCE = {"timeoutSeconds": 60, "graceSeconds": 900}


def neighbours(stage: Instance, _images: Images) -> list[Figure]:
    with calling(stage) as caller, silent_registry() as port:
        before = _started(stage, caller, "before")
        stage.apply(CALLEE)
        stage.settle(CALLEE)
        pulling = {**stage.task(), "docker": {"image": _image(port, PULLING)}}
        with _hanging(stage, port):
            stage.apply(CALLEE, tasks=[pulling])
            _until_they_pull(stage, CALLEE)
            beside = _started(stage, caller, "beside")
            figures = [_starts(before, beside)]
            for side in ("caller", "callee"):
                revoke, allow = _revocation(stage, side, pulling)
                figures += _revoked(stage, caller, side, revoke, allow)
            figures += [_killed(stage), *_deleted(stage)]
        stage.delete(CALLEE)
    return figures


@contextmanager
def silent_registry() -> Iterator[int]:
    """Its port: the kernel takes every connection, and nobody ever answers."""
    address = ("127.0.0.1", 0)
    with socket.create_server(address, backlog=CONNECTIONS_IN_WAITING) as listening:
        yield listening.getsockname()[1]


@contextmanager
def _hanging(stage: Instance, port: int) -> Iterator[None]:
    hanging = [f"hangs{n}" for n in range(HANGING)]
    pulling = [f"pulls{n}" for n in range(PULLING)]
    try:
        for n, service in enumerate(hanging):
            probe = {**PROBES[n % len(PROBES)], **PATIENCE}
            stage.apply(service, project=SLOW, tasks=[{**stage.slow_task(), "probe": probe}])
        for n, service in enumerate(pulling):
            task = {**stage.task(), "docker": {"image": _image(port, n)}}
            stage.apply(service, project=SLOW, tasks=[task])
        wait_until(lambda: _running(stage) == HANGING, within=DECLARED_SECONDS, every=1)
        _until_they_pull(stage, *pulling, project=SLOW)
        yield
    finally:
        stage.delete(*hanging, *pulling, project=SLOW, within=DECLARED_SECONDS)


def _running(stage: Instance) -> int:
    """Tasks of services in the slow project: their probes are asked."""
    return sum(c["State"] == "running" for c in stage.containers(project=SLOW, task="main"))


def _until_they_pull(stage: Instance, *services: str, project: str = PROJECT) -> None:
    def pull() -> bool:
        steps = {s["serviceId"]: s["nextStep"] or "" for s in stage.statuses(project)}
        return all("pull" in steps[service] for service in services)

    wait_until(pull, within=DECLARED_SECONDS, every=0.5)


def _image(port: int, number: int) -> str:
    return f"127.0.0.1:{port}/never{number}:1"


def _started(stage: Instance, caller: Caller, word: str) -> list[float]:
    """Milliseconds from apply to the first 200, of several services in turn."""
    spent = []
    for run in range(RUNS):
        time.sleep(REST_SECONDS)
        spent.append(1000 * called_anew(stage, caller, f"{word}{run}"))
    return spent


def _starts(before: Sequence[float], beside: Sequence[float]) -> Figure:
    found, alone = statistics.median(beside), statistics.median(before)
    return Figure(
        "neighbours",
        f"apply → first 200, beside {PULLING} that pull and {HANGING} whose probes hang",
        "ms",
        found,
        {"without them": alone},
        ratio(found, alone, TIMES, "without them"),
        detail={"runs": {"beside": rounded(beside), "without them": rounded(before)}},
    )


# ---------------------------------------------------------------------- a caller is revoked


def _revocation(
    stage: Instance, side: str, pulling: Mapping[str, Any]
) -> tuple[Callable[[], object], Callable[[], object]]:
    """What revokes the caller on this side, and what takes it back."""
    if side == "caller":
        return lambda: stage.apply(CALLER, upstreams=[]), lambda: stage.apply(CALLER)
    return (
        lambda: stage.apply(CALLEE, tasks=[pulling], whitelists=[]),
        lambda: stage.apply(CALLEE, tasks=[pulling]),
    )


def _revoked(
    stage: Instance,
    caller: Caller,
    side: str,
    revoke: Callable[[], object],
    allow: Callable[[], object],
) -> list[Figure]:
    refused: list[float] = []
    out: list[float] = []
    find = stage.names(CALLEE)
    for _ in range(REVOCATIONS):
        address = caller.run(find)
        assert address is not None
        caller.run(lambda: first_200(find, HTTP_PORT, CALLEE, WITHIN))
        with caller.run(lambda to=address: _held(to)) as held:  # type: ignore[misc]
            asked = caller.start(lambda to=address: _first_refusal(to))  # type: ignore[misc]
            began = time.perf_counter()
            revoke()
            out.append(_closed(held) - began)
            refused.append(asked.result(WITHIN) - began)
        allow()
    word = f"revoked by the {side} while the callee pulls"
    return [
        Figure(
            "neighbours", f"{word} → new requests refused", "s", max(refused), {},
            at_most(max(refused), REFUSED_SECONDS, f"≤ {REFUSED_SECONDS:g} s"),
            detail={"runs": rounded(refused)},
        ),
        Figure(
            "neighbours", f"{word} → its open connection closed", "s", max(out), {},
            at_most(max(out), OUT_SECONDS, f"≤ {OUT_SECONDS:g} s"),
            detail={"runs": rounded(out)},
        ),
    ]  # fmt: skip


def _held(address: str) -> socket.socket:
    """A connection that was answered on, and stays open."""
    opened = socket.create_connection((address, TCP_PORT), WITHIN)
    opened.sendall(b"GET / HTTP/1.1\r\nHost: callee\r\n\r\n")
    if not opened.recv(65536):
        raise NotAnswered(f"{CALLEE}: closed before it was revoked")
    return opened


def _closed(held: socket.socket) -> float:
    """The moment at which the other side ended it."""
    try:
        while held.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.perf_counter()


def _first_refusal(address: str) -> float:
    deadline = time.perf_counter() + WITHIN
    while ask(address, HTTP_PORT, CALLEE)[0] != REFUSED:
        if time.perf_counter() > deadline:
            raise NotAnswered(f"{CALLEE}: not refused within {WITHIN:g} s")
        time.sleep(POLL_SECONDS)
    return time.perf_counter()


# ---------------------------------------------------------------------- what else goes on


def _killed(stage: Instance) -> Figure:
    """By the engine's own times: from the end of the task to its next start."""
    (task,) = stage.containers(service=CALLEE, task="main")
    call("POST", f"/containers/{task['Id']}/kill")

    def back() -> bool:
        state = _state(task["Id"])
        return bool(state["Running"]) and _lay(state) > timedelta()

    wait_until(back, within=WITHIN)
    lay = _lay(_state(task["Id"])).total_seconds()
    goal = f"after its back-off of {BACK_OFF_SECONDS:g} s, ≤ {BACK_SECONDS:g} s"
    return Figure(
        "neighbours",
        "a task killed while its service pulls → started again",
        "s",
        lay,
        goal=Goal(goal, BACK_OFF_SECONDS <= lay <= BACK_SECONDS),
    )


def _state(container: str) -> dict[str, Any]:
    state: dict[str, Any] = call("GET", f"/containers/{container}/json")["State"]
    return state


def _lay(state: Mapping[str, str]) -> timedelta:
    """Between its last end and its next start; negative before that."""
    started, ended = (
        datetime.fromisoformat(state[f"{word}At"]) for word in ("Started", "Finished")
    )
    return started - ended


def _deleted(stage: Instance) -> list[Figure]:
    """Held against nothing: that they go is what is proven."""
    figures = []
    for word, service in (("whose probe hangs", "hangs0"), ("that pulls", "pulls0")):
        began = time.perf_counter()
        stage.delete(service, project=SLOW)
        took = time.perf_counter() - began
        figures.append(Figure("neighbours", f"a service {word} deleted → gone", "s", took))
    return figures
