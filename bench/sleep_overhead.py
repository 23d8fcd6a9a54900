"""What two hundred services that sleep cost, and what it costs a warm request that one may."""

import statistics
import time
from collections.abc import Callable, Sequence

from bench import machine
from bench.engine import Images
from bench.figures import TIMES, Figure, Goal, at_most
from bench.images import HTTP_PORT
from bench.instance import PROJECT, Instance
from bench.load import Place, Run, load
from bench.sleeping import MAY_SLEEP, put_to_sleep, sleepers
from bench.starting import calling

ASLEEP, IDLE_SECONDS = 200, 60.0
REST_SECONDS = 30.0
"""Load reports leave out what has slept for ten."""

CONTROL_PLANE_PERCENT, GATEWAY_PERCENT = 0.5, 0.2

ROUNDS, SECONDS = 20, 1
CONNECTIONS = (1, 32)
WITHIN_TIMES = 1.01
TRIGGER = {"type": "active-requests", "metadata": {"target": "1000000"}}


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
    stage.apply(on, autoScale={**MAY_SLEEP, "triggers": [TRIGGER]})
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
