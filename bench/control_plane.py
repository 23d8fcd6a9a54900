"""The control plane with 1,000 services declared, at no replica each but for one that calls."""

import http.client
import itertools
import json
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bench import machine
from bench.caller import ATTEMPT_SECONDS, Caller
from bench.engine import Images, UnixConnection
from bench.figures import Figure, Goal, at_most, percentile, rounded
from bench.images import HTTP_PORT
from bench.instance import Instance, wait_until
from bench.tools import Missing
from spacecloud.mesh.envoy.names import owner_of

PROJECTS, EACH = 10, 100
FEW = 100
"""Declared while idleness is measured."""

NEAR = "p0"
"""The project of the caller, which alone may call without being named."""

CALLER = "caller"
CHANGES = 200
COUNTED = 20
LISTS = 100
STARTS = 3
IDLE_SECONDS = 35.0
"""Longer than the time from one look at everything to the next."""

WITHIN = 120.0
REFUSED, NO_REPLICA = 403, 503
POLL_SECONDS = 0.001
SENT = re.compile(r"xds\.sock.* = (\d+)$")


def plane(stage: Instance, _images: Images) -> list[Figure]:
    _declare(stage, FEW // EACH)
    before = machine.cpu_seconds([stage.pid])
    time.sleep(IDLE_SECONDS)
    idle = (machine.cpu_seconds([stage.pid]) - before) / IDLE_SECONDS * 100
    small = machine.rss_mib(stage.pid)
    _declare(stage, PROJECTS)
    started = [_restarted(stage) for _ in range(STARTS)]
    took, answered = (
        statistics.median(s[1] for s in started),
        statistics.median(s[0] for s in started),
    )
    return [
        Figure(
            "plane", "control plane, 100 services: memory", "MiB", small, {},
            at_most(small, 120, "≤ 120 MiB"),
            detail={"MiB with 1,000, after a start": round(machine.rss_mib(stage.pid), 1)},
        ),
        Figure(
            "plane", "control plane, 100 services: idle", "% of a core", idle, {},
            at_most(idle, 0.5, "≤ 0.5 %"),
        ),
        Figure(
            "plane", "start with 1,000 services → has looked at all", "s", took, {},
            at_most(took, 3, "≤ 3 s"),
            detail={"runs": rounded(s[1] for s in started), "API answers after": answered},
        ),
    ]  # fmt: skip


def change(stage: Instance, _images: Images) -> list[Figure]:
    """Policy of one service, told by what its caller is answered."""
    _declare(stage, PROJECTS)
    stage.apply(CALLER, project=NEAR)
    stage.settle(CALLER, project=NEAR)
    caller = Caller(stage.task_pid(CALLER))
    try:
        turns = itertools.cycle(range(EACH))
        changes = _Changes(stage, caller)
        spent = [changes.effective_after(next(turns)) * 1000 for _ in range(CHANGES)]
        counted = _counted(stage, changes, turns)
    finally:
        caller.close()
    p99 = percentile(spent, 99)
    return [
        Figure(
            "change", "one of 1,000 changed → in effect: p99", "ms", p99, {},
            at_most(p99, 50, "≤ 50 ms"),
            detail={"p50": round(statistics.median(spent), 2), "runs": rounded(spent)},
        ),
        *counted,
    ]  # fmt: skip


def listing(stage: Instance, _images: Images) -> list[Figure]:
    """Project by project, since that is how they are listed: ten requests are one list."""
    _declare(stage, PROJECTS)
    spent = []
    for _ in range(LISTS):
        began = time.perf_counter()
        answers = [stage.api.get(f"/v1/runner/p{n}/services") for n in range(PROJECTS)]
        spent.append((time.perf_counter() - began) * 1000)
    found = sum(len(answer.json()["result"]) for answer in answers)
    p99 = percentile(spent, 99)
    return [
        Figure(
            "list", f"list of 1,000 services by API, {PROJECTS} projects: p99", "ms", p99, {},
            Goal("≤ 100 ms", p99 <= 100 and found >= PROJECTS * EACH),
            detail={
                "p50": round(statistics.median(spent), 2),
                "services": found,
                "bytes": sum(len(answer.content) for answer in answers),
                "runs": rounded(spent),
            },
        )
    ]  # fmt: skip


# ---------------------------------------------------------------------- a thousand


def _declare(stage: Instance, projects: int) -> None:
    """Those that are not there yet; returns when all are looked at."""
    for project in (f"p{n}" for n in range(projects)):
        there = {status["serviceId"] for status in stage.statuses(project)}
        for service in (f"s{n}" for n in range(EACH)):
            if service not in there:
                stage.apply(service, project=project, scale={"maxReplicas": 0})
    _until_asleep(stage, projects)


def _until_asleep(stage: Instance, projects: int) -> None:
    """One project after the other: asking is work for the control plane too."""
    for project in (f"p{n}" for n in range(projects)):

        def looked_at(its: str = project) -> bool:
            states = [
                (status["state"], status["observedGeneration"] == status["generation"])
                for status in stage.statuses(its)
                if status["serviceId"] != CALLER
            ]
            return len(states) == EACH and set(states) == {("asleep", True)}

        wait_until(looked_at, within=WITHIN)


def _restarted(stage: Instance) -> tuple[float, float]:
    """Seconds until the API answers, and until everything has been looked at."""
    stage.stop()
    began = time.perf_counter()
    stage.start()
    answered = time.perf_counter() - began
    _until_asleep(stage, PROJECTS)
    return answered, time.perf_counter() - began


# ---------------------------------------------------------------------- one of them changed


class _Changes:
    def __init__(self, stage: Instance, caller: Caller) -> None:
        self._stage = stage
        self._caller = caller
        self._refuses: set[str] = set()

    def effective_after(self, number: int) -> float:
        """Seconds from the request to the first call that is answered otherwise."""
        service = f"s{number}"
        expected = NO_REPLICA if service in self._refuses else REFUSED
        address = self._caller.run(self._stage.names(service, NEAR))
        assert address is not None, f"{service} has no name"
        whitelists: dict[str, list[str]] = {} if service in self._refuses else {"whitelists": []}
        answered = self._caller.start(lambda: _answers(address, expected))
        began = time.perf_counter()
        self._stage.apply(service, project=NEAR, scale={"maxReplicas": 0}, **whitelists)
        ended = answered.result(WITHIN)
        self._refuses ^= {service}
        return ended - began


def _answers(address: str, expected: int) -> float:
    """On one connection for as long as it is left open; who is let in no more may lose it."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(address, HTTP_PORT, timeout=ATTEMPT_SECONDS)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            while time.monotonic() < deadline:
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                if answer.status == expected:
                    return time.perf_counter()
                time.sleep(POLL_SECONDS)
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"{address} did not answer {expected} within {WITHIN:g} s")


def _counted(stage: Instance, changes: _Changes, turns: Iterator[int]) -> list[Figure]:
    """What Envoy holds otherwise after some changes, and what went over the wire for them."""
    numbers = [next(turns) for _ in range(COUNTED)]
    owners = {f"{NEAR}/s{number}" for number in numbers}
    before = _held(stage)
    sent: list[int] = []
    note = ""
    try:
        with _bytes_sent(stage, sent):
            for number in numbers:
                changes.effective_after(number)
    except Missing as error:
        note = str(error)
        for number in numbers:
            changes.effective_after(number)
    touched = [name for name, version in _held(stage).items() if before.get(name) != version]
    strangers = [name for name in touched if str(owner_of(name)) not in owners]
    each = len(touched) / COUNTED
    only_own = not strangers and bool(touched)
    return [
        Figure(
            "change", "resources per push", "", each, {}, Goal("its own only", only_own),
            detail={"others": strangers[:10], "an example": sorted(touched)[:4]},
        ),
        Figure(
            "change", "bytes per push", "B", sum(sent) / COUNTED if sent else None, note=note,
        ),
    ]  # fmt: skip


def _held(stage: Instance) -> dict[str, str]:
    """Name and kind of every resource to its version and when Envoy took it."""
    with closing(UnixConnection(str(stage.admin_socket))) as connection:
        connection.request("GET", "/config_dump?include_eds")
        dump = json.loads(connection.getresponse().read())
    found: dict[str, str] = {}
    for part in dump["configs"]:
        for kind, items in part.items():
            if kind.startswith("dynamic_"):
                found.update(_item(kind, item) for item in items)
    return found


def _item(kind: str, item: Mapping[str, object]) -> tuple[str, str]:
    state = item.get("active_state", item)
    assert isinstance(state, dict)
    body = next(v for k, v in state.items() if k not in ("version_info", "last_updated"))
    name = body.get("name") or body.get("cluster_name")
    return f"{name}|{kind}", f"{state.get('version_info')} {state.get('last_updated')}"


@contextmanager
def _bytes_sent(stage: Instance, sent: list[int]) -> Iterator[None]:
    """By the control plane to Envoy's end of the socket, as the kernel saw it."""
    strace = shutil.which("strace")
    if strace is None:
        raise Missing("strace is missing: apt-get install strace")
    traced = stage.folder / "strace"
    command = [strace, "-f", "-qq", "-yy", "-s0", "-e", "trace=sendmsg", "-o", str(traced)]
    process = subprocess.Popen(
        [*command, "-p", str(stage.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _is_traced(stage.pid), within=5)
        yield
        time.sleep(0.2)
    finally:
        process.terminate()
        process.wait(10)
    with suppress(FileNotFoundError):
        lines = traced.read_text().splitlines()
        sent += [int(found[1]) for line in lines if (found := SENT.search(line))]


def _is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return "TracerPid:\t0\n" not in status
