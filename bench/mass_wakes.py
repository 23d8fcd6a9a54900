"""A hundred services woken at once, and one that a thousand wake at once."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from bench import engine
from bench.bare_wake import BareContainers
from bench.caller import Caller, NotAnswered
from bench.engine import Images
from bench.figures import TIMES, Figure, Goal, percentile, rounded
from bench.images import HTTP_PORT
from bench.instance import Instance
from bench.sleeping import (
    Depth,
    Tasks,
    put_to_sleep,
    sleepers,
)
from bench.starting import calling

HUNDRED = 100
ROUNDS = 3
DEPTHS: tuple[Depth, ...] = ("frozen", "stopped")
THOUSAND = 1000
BURSTS = 5
STOPPED_TIMES, FROZEN_SECONDS, OTHERS_TIMES = 1.3, 1.0, 1.1
REST_SECONDS = 3.0
"""For what follows a hundred wakes."""

PACED_SECONDS, PACED_PER_SECOND = 4.0, 200
BURST_AFTER_SECONDS = 1.0
WITHIN = 90.0
OK, UNAVAILABLE = 200, 503
REQUEST = b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"

COLD, WARM, NEIGHBOUR = "crowded", "awake", "neighbour"


def hundred(stage: Instance, images: Images) -> list[Figure]:
    """Over when the last one has answered."""
    names = [f"cold{n}" for n in range(HUNDRED)]
    ours: dict[Depth, list[float]] = {depth: [] for depth in DEPTHS}
    theirs: dict[Depth, list[float]] = {depth: [] for depth in DEPTHS}
    try:
        with calling(stage) as caller, sleepers(stage, *names) as tasks:
            addresses = _addresses(stage, caller, names)
            _all_at_once(caller, addresses)
            bare = BareContainers(images, HUNDRED, images.server)
            for depth in ours:
                for _ in range(ROUNDS):
                    _lay_down(stage, tasks, depth, names, bare)
                    ours[depth].append(_all_at_once(caller, addresses))
                    time.sleep(REST_SECONDS)
                    theirs[depth].append(bare.wake_at_once(range(HUNDRED), depth))
                    time.sleep(REST_SECONDS)
    finally:
        engine.remove_all()
    return [_at_once(depth, ours[depth], theirs[depth]) for depth in ours]


def thousand_first(stage: Instance, _images: Images) -> list[Figure]:
    """To one service that sleeps, while another one is asked as always."""
    with calling(stage) as caller, sleepers(stage, COLD, WARM, NEIGHBOUR) as tasks:
        addresses = _addresses(stage, caller, (COLD, WARM, NEIGHBOUR))
        beside: dict[str, list[float]] = {"nothing": [], WARM: [], COLD: []}
        bursts: list[_Burst] = []
        for _ in range(BURSTS):
            for what, latencies in beside.items():
                if what == COLD:
                    put_to_sleep(stage, "frozen", COLD)
                    tasks.prove(COLD, "frozen")
                with _paced(stage, addresses[NEIGHBOUR]) as found:
                    time.sleep(BURST_AFTER_SECONDS)
                    began = time.monotonic()
                    if what != "nothing":
                        burst = caller.run(
                            lambda its=what: asyncio.run(_burst(addresses[its], its))  # type: ignore[misc]
                        )
                        bursts += [burst] if what == COLD else []
                        ended = time.monotonic()
                    else:
                        ended = began + PACED_SECONDS
                latencies += [took for at, took in found if began <= at <= ended]
    return _thousand_figures(bursts, beside)


# ---------------------------------------------------------------------- a hundred


def _addresses(stage: Instance, caller: Caller, names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        address = caller.run(stage.names(name))
        if address is None:
            raise NotAnswered(f"{name} has no name")
        found[name] = address
    return found


def _lay_down(
    stage: Instance, tasks: Tasks, depth: Depth, names: Sequence[str], bare: BareContainers
) -> None:
    put_to_sleep(stage, depth, *names)
    for name in names:
        tasks.prove(name, depth)
    bare.lay_all_down(range(HUNDRED), depth)
    time.sleep(REST_SECONDS)


def _all_at_once(caller: Caller, addresses: dict[str, str]) -> float:
    async def ask() -> float:
        began = time.perf_counter()
        answers = await _asked([(address, name) for name, address in addresses.items()])
        if any(status != OK for status, _, _ in answers):
            raise NotAnswered(f"answers: {Counter(status for status, _, _ in answers)}")
        return max(ended for _, ended, _ in answers) - began

    return caller.run(lambda: asyncio.run(ask()))


def _at_once(depth: Depth, ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    found, bare = sorted(ours)[len(ours) // 2], sorted(theirs)[len(theirs) // 2]
    word = "docker unpause" if depth == "frozen" else "docker start"
    if depth == "frozen":
        goal = Goal(f"≤ {FROZEN_SECONDS:g} s", found <= FROZEN_SECONDS)
    else:
        text = f"≤ {STOPPED_TIMES:g} {TIMES} {word} (is {found / bare:.2f})"
        goal = Goal(text, found <= STOPPED_TIMES * bare)
    return Figure(
        "wake-hundred",
        f"{HUNDRED} {depth} at once → all answer",
        "s",
        found,
        {f"{word}, all": bare},
        goal,
        detail={"ours": rounded(ours), "bare": rounded(theirs)},
    )


# ---------------------------------------------------------------------- a thousand


@dataclass(frozen=True, slots=True)
class _Burst:
    statuses: dict[int, int]
    seconds: float
    uncapped: int
    """503 that do not say when to come back."""


async def _burst(address: str, host: str) -> _Burst:
    began = time.perf_counter()
    answers = await _asked([(address, host)] * THOUSAND)
    return _Burst(
        dict(Counter(status for status, _, _ in answers)),
        max(ended for _, ended, _ in answers) - began,
        sum(
            status != OK and not (status == UNAVAILABLE and b"retry-after" in head.lower())
            for status, _, head in answers
        ),
    )


async def _asked(requests: Sequence[tuple[str, str]]) -> list[tuple[int, float, bytes]]:
    """Status, moment of the answer and its head; each on a new connection."""

    async def one(address: str, host: str) -> tuple[int, float, bytes]:
        try:
            reader, writer = await asyncio.open_connection(address, HTTP_PORT)
        except OSError:
            return 0, time.perf_counter(), b""
        try:
            writer.write(REQUEST % host.encode())
            head = await reader.read()
            status = head.split(b" ", 2)[1:2]
            return int(status[0]) if status else 0, time.perf_counter(), head
        except OSError:
            return 0, time.perf_counter(), b""
        finally:
            writer.close()

    async with asyncio.timeout(WITHIN), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(*request)) for request in requests]
    return [task.result() for task in tasks]


@contextmanager
def _paced(stage: Instance, address: str) -> Iterator[list[tuple[float, float]]]:
    """Requests at a steady pace in a process of their own: when each began, and its seconds."""
    found: list[tuple[float, float]] = []
    pid = stage.task_pid("caller")
    process = subprocess.Popen(
        [
            *("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-m", "bench.paced"),
            *(address, str(HTTP_PORT), str(PACED_PER_SECOND), str(PACED_SECONDS)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with ThreadPoolExecutor(1) as reader:
        try:
            reader.submit(process.stdout.readline).result(WITHIN)
            yield found
            output, _ = process.communicate(timeout=PACED_SECONDS + WITHIN)
            found += [(at, took) for at, took in json.loads(output)]
        finally:
            process.kill()
            process.wait(WITHIN)


def _thousand_figures(bursts: Sequence[_Burst], beside: dict[str, list[float]]) -> list[Figure]:
    took = sorted(burst.seconds for burst in bursts)[len(bursts) // 2]
    statuses = sum((Counter(burst.statuses) for burst in bursts), Counter[int]())
    uncapped = sum(burst.uncapped for burst in bursts)
    p99 = {what: 1000 * percentile(spent, 99) for what, spent in beside.items()}
    ours = p99[COLD]
    ratio = ours / p99[WARM]
    return [
        Figure(
            "wake-thousand",
            f"{THOUSAND:,} first requests to one frozen → last answer",
            "s",
            took,
            {},
            Goal(f"all 200 or a capped 503 ({dict(statuses)})", not uncapped),
            detail={"runs": rounded(burst.seconds for burst in bursts)},
        ),
        Figure(
            "wake-thousand",
            "another service meanwhile: p99",
            "ms",
            ours,
            {"1,000 to one awake": p99[WARM], "nothing else": p99["nothing"]},
            Goal(
                f"≤ {OTHERS_TIMES:g} {TIMES} beside 1,000 to one awake (is {ratio:.2f})",
                ratio <= OTHERS_TIMES,
            ),
            note="the clients are on the same cores, hence against as many to one awake",
            detail={what: len(spent) for what, spent in beside.items()},
        ),
    ]
