"""Replicas that follow load, what two hundred that sleep cost, and what a warm request does."""

import asyncio
import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench import machine
from bench.engine import Images
from bench.figures import TIMES, Figure, Goal, at_most
from bench.images import HTTP_PORT
from bench.instance import PROJECT, Instance
from bench.load import Place, Run, load
from bench.sleeping import MAY_SLEEP, put_to_sleep, scaling, sleepers
from bench.starting import calling

SERVICE = "load"
TARGET, UTILISATION, MOST = 10, 0.7, 20
PEAK = 50
WANTED = 8
"""50 in flight at 7 each: 70 % of the target."""

ANSWER_MS = 500
STEP_SECONDS, TOOTH_SECONDS, TEETH = 75.0, 20.0, 3
REACHED_SECONDS = 10.0
"""The panic window of 6 s is full, the next decision comes within 2 s, and a replica starts."""

SETTLED_SECONDS = 70.0
"""The stable window of 60 s, a decision, an end."""

FALL_SECONDS = 120.0
SAMPLE_SECONDS = 0.25

ASLEEP, IDLE_SECONDS, REST_SECONDS = 200, 60.0, 10.0
CONTROL_PLANE_PERCENT, GATEWAY_PERCENT = 0.5, 0.2

ROUNDS, SECONDS = 20, 1
CONNECTIONS = (1, 32)
WITHIN_TIMES = 1.01


@dataclass(slots=True)
class Followed:
    """What was wanted and ready while load came and went."""

    samples: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds since the load began, wanted and ready."""

    requests: int = 0
    failed: int = 0

    def reached(self) -> float | None:
        return next((at for at, _, ready in self.samples if ready >= WANTED), None)

    def settled(self, since: float) -> float | None:
        """When no more than one was ready, and it stayed so."""
        above = [at for at, _, ready in self.samples if ready > 1]
        after = [at for at, _, _ in self.samples if at > max([since, *above])]
        return after[0] - since if after else None

    @property
    def most(self) -> int:
        return max(wanted for _, wanted, _ in self.samples)

    @property
    def turns(self) -> int:
        """How often it went from more to fewer, or back."""
        moves = [
            b - a for (_, a, _), (_, b, _) in zip(self.samples, self.samples[1:], strict=False)
        ]
        signs = [move > 0 for move in moves if move]
        return sum(a != b for a, b in itertools.pairwise(signs))


def follow(stage: Instance, _images: Images) -> list[Figure]:
    """A step of concurrency from nothing and back, then a sawtooth."""
    step = _followed(stage, lambda at: PEAK if at < STEP_SECONDS else 0, STEP_SECONDS)
    teeth = TOOTH_SECONDS * TEETH
    saw = _followed(stage, lambda at: round(PEAK * (at % TOOTH_SECONDS) / TOOTH_SECONDS), teeth)
    return [*_step_figures(step), *_saw_figures(saw, teeth)]


def idle(stage: Instance, _images: Images) -> list[Figure]:
    names = [f"idle{n}" for n in range(ASLEEP)]
    with sleepers(stage, *names):
        put_to_sleep(stage, "frozen", *names)
        time.sleep(REST_SECONDS)
        gateway = stage.gateway_pid()
        plane, proxy = _percent([stage.pid]), _percent([gateway])
        before = plane(), proxy()
        time.sleep(IDLE_SECONDS)
        ours, theirs = plane() - before[0], proxy() - before[1]
        sizes = machine.rss_mib(stage.pid), machine.rss_mib(gateway)
    word = f"{ASLEEP} frozen services"
    return [
        Figure("scale-idle", f"{word}: control plane's memory", "MiB", sizes[0]),
        Figure("scale-idle", f"{word}: gateway's memory", "MiB", sizes[1]),
        Figure(
            "scale-idle",
            f"{word}: control plane",
            "% of a core",
            ours,
            {},
            at_most(ours, CONTROL_PLANE_PERCENT, f"≤ {CONTROL_PLANE_PERCENT:g} %"),
        ),
        Figure(
            "scale-idle",
            f"{word}: gateway",
            "% of a core",
            theirs,
            {},
            at_most(theirs, GATEWAY_PERCENT, f"≤ {GATEWAY_PERCENT:g} %"),
        ),
    ]


def warm(stage: Instance, _images: Images) -> list[Figure]:
    """Of a service that may sleep and is awake, beside one that may not; in pairs."""
    on, off = "scaled", "fixed"
    stage.apply(off)
    stage.apply(on, autoScale={**MAY_SLEEP, "triggers": [_trigger(1_000_000)]})
    stage.settle(on, off)
    figures = []
    with calling(stage):
        place = Place(stage.task_pid("caller"), stage.state_dir / "resolv" / f"{PROJECT}.conf")
        proxy = {"proxy": [stage.gateway_pid()]}
        for connections in CONNECTIONS:
            runs: dict[str, list[Run]] = {on: [], off: []}
            for turn in range(ROUNDS):
                for service in (on, off) if turn % 2 == 0 else (off, on):
                    url = f"http://{service}:{HTTP_PORT}/"
                    runs[service].append(load(place, url, connections, SECONDS, proxy))
            figures.append(_pairs(connections, runs[on], runs[off]))
    stage.delete(on, off)
    return figures


# ---------------------------------------------------------------------- load that comes and goes


def _trigger(target: int) -> dict[str, Any]:
    return {"type": "active-requests", "metadata": {"target": str(target)}}


def _followed(stage: Instance, shape: Callable[[float], int], seconds: float) -> Followed:
    """``shape``: how many are in flight, by seconds since it began."""
    scale = {
        "minReplicas": 0,
        "maxReplicas": MOST,
        "triggers": [_trigger(TARGET)],
        "sleep": {"freezeAfter": 600},
    }
    found = Followed()
    with calling(stage) as caller:
        stage.apply(SERVICE, autoScale=scale, tasks=[stage.slow_task()])
        stage.settle(SERVICE)
        address = caller.run(stage.names(SERVICE)) or ""
        with _sampled(stage, found):
            caller.run(lambda: asyncio.run(_loaded(address, shape, seconds, found)))
            deadline = time.monotonic() + FALL_SECONDS
            while found.samples[-1][2] > 1 and time.monotonic() < deadline:
                time.sleep(SAMPLE_SECONDS)
            time.sleep(4 * SAMPLE_SECONDS)
        stage.delete(SERVICE)
    return found


@contextmanager
def _sampled(stage: Instance, found: Followed) -> Iterator[None]:
    over = threading.Event()
    began = time.monotonic()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            (view,) = scaling(stage, SERVICE)
            found.samples.append((time.monotonic() - began, view["wanted"], view["ready"]))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(FALL_SECONDS)


async def _loaded(
    address: str, shape: Callable[[float], int], seconds: float, found: Followed
) -> None:
    """Each worker asks again as soon as it has its answer, on a connection of its own."""
    began = time.monotonic()

    async def work(number: int) -> None:
        while (at := time.monotonic() - began) < seconds:
            if number >= shape(at):
                await asyncio.sleep(SAMPLE_SECONDS)
                continue
            found.requests += 1
            found.failed += not await _answered(address)

    async with asyncio.TaskGroup() as group:
        for number in range(PEAK):
            group.create_task(work(number))


async def _answered(address: str) -> bool:
    request = f"GET /?ms={ANSWER_MS} HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(address, HTTP_PORT)
            writer.write(request.encode())
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return answer.startswith(b"HTTP/1.1 200 ")


def _step_figures(step: Followed) -> list[Figure]:
    reached, settled = step.reached(), step.settled(STEP_SECONDS)
    over = step.most - WANTED
    return [
        Figure(
            "scale-follow",
            f"step 0 → {PEAK} in flight: {WANTED} replicas ready",
            "s",
            reached,
            {},
            Goal(f"≤ {REACHED_SECONDS:g} s", reached is not None and reached <= REACHED_SECONDS),
            detail={"seconds, wanted, ready": _brief(step.samples)},
        ),
        Figure(
            "scale-follow",
            f"step: more than {WANTED} replicas at the most",
            "replicas",
            over,
            {},
            at_most(over, 1, "≤ 1"),
        ),
        Figure(
            "scale-follow",
            f"step {PEAK} → 0: one replica",
            "s",
            settled,
            {},
            Goal(f"≤ {SETTLED_SECONDS:g} s", settled is not None and settled <= SETTLED_SECONDS),
        ),
        _failures("step", step),
    ]


def _saw_figures(saw: Followed, seconds: float) -> list[Figure]:
    settled = saw.settled(seconds)
    return [
        Figure(
            "scale-follow",
            f"sawtooth 0 → {PEAK} in {TOOTH_SECONDS:g} s: most replicas",
            "replicas",
            saw.most,
            {},
            at_most(saw.most, WANTED + 1, f"≤ {WANTED + 1}"),
            detail={"seconds, wanted, ready": _brief(saw.samples), "settled": settled},
        ),
        Figure(
            "scale-follow",
            f"sawtooth, {TEETH} teeth: turns",
            "",
            saw.turns,
            {},
            at_most(saw.turns, 1, "≤ 1: up, and down in the end"),
        ),
        _failures("sawtooth", saw),
    ]


def _failures(word: str, followed: Followed) -> Figure:
    return Figure(
        "scale-follow",
        f"{word}: failed requests",
        f"of {followed.requests}",
        followed.failed,
        {},
        at_most(followed.failed, 0, "0"),
    )


def _brief(samples: Sequence[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """Where something changes."""
    kept = [s for s, t in itertools.pairwise(samples) if s[1:] != t[1:]]
    return [(round(at, 1), wanted, ready) for at, wanted, ready in (*kept, samples[-1])]


# ---------------------------------------------------------------------- the others


def _percent(pids: Sequence[int]) -> Callable[[], float]:
    return lambda: machine.cpu_seconds(pids) / IDLE_SECONDS * 100


def _pairs(connections: int, on: Sequence[Run], off: Sequence[Run]) -> Figure:
    ratios = {
        name: statistics.median(
            getattr(a, name) / getattr(b, name) for a, b in zip(on, off, strict=True)
        )
        for name in ("p50", "p99", "per_second", "proxy_us")
    }
    ratio = ratios["p50"]
    ours, fixed = (statistics.median(run.p50 for run in runs) for runs in (on, off))
    return Figure(
        "scale-warm",
        f"warm request, {connections} in flight: p50, scaling on",
        "µs",
        ours,
        {"off": fixed},
        Goal(f"≤ 1.01 {TIMES} off, in pairs (is {ratio:.3f})", ratio <= WITHIN_TIMES),
        detail={"medians of the pairs' ratios": {n: round(r, 4) for n, r in ratios.items()}},
    )
