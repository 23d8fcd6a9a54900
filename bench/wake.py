"""From a service that sleeps to its first answer, beside the bare engine that wakes as much."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bench import engine
from bench.bare_wake import BareContainers, first_byte
from bench.engine import Images
from bench.figures import TIMES, Figure, Goal, percentile, rounded
from bench.images import CHAIN, HTTP_PORT, TCP_PORT
from bench.instance import Instance
from bench.sleeping import (
    FIRST_SECONDS,
    MAY_SLEEP,
    Depth,
    First,
    NotFirst,
    Tasks,
    first,
    put_to_sleep,
    remove_route,
    route,
    sleepers,
    wake,
)
from bench.starting import calling

EACH = 10
"""Services in turn: all fall asleep at once, and are woken one after the other."""

ROUNDS: dict[Depth, int] = {"frozen": 10, "stopped": 3}
"""100 wakes of a frozen one, 30 of a stopped one."""

CHAIN_ROUNDS = 5
REST_SECONDS = 0.3
"""For what follows a wake: rows, a look, a push."""

FROZEN_P50_MS, FROZEN_P99_MS = 15.0, 40.0
STOPPED_MORE_MS, TCP_MORE_MS = 30.0, 60.0
CHAIN_TIMES = 1.3


def one(stage: Instance, images: Images) -> list[Figure]:
    """One service at a time, by its name and by its URL."""
    names, urls = ([f"{word}{n}" for n in range(EACH)] for word in ("name", "url"))
    try:
        with calling(stage) as caller, sleepers(stage, *names, *urls) as tasks:
            bare = BareContainers(images, EACH, images.server)
            paths = {service: route(stage, service) for service in urls}
            by = {
                "by name": (names, lambda s: caller.run(lambda: _by_name(stage, s))),
                "by URL": (urls, lambda s: _by_url(stage, paths[s])),
            }
            for service in (*names, *urls):
                # Once, so that a route that is not there yet is not taken for a slow wake.
                by["by name" if service in names else "by URL"][1](service)
            figures = _frozen(_woken(stage, tasks, "frozen", by, bare))
            figures += _stopped(_woken(stage, tasks, "stopped", by, bare))
            for service in urls:
                remove_route(stage, service)
    finally:
        engine.remove_all()
    return figures


def tcp(stage: Instance, images: Images) -> list[Figure]:
    """A server that speaks first: nothing that the client sends wakes it."""
    services = [f"tcp{n}" for n in range(EACH)]
    try:
        with (
            calling(stage) as caller,
            sleepers(stage, *services, tasks=[stage.slow_task()]) as tasks,
        ):
            bare = BareContainers(images, EACH, images.slow)
            ours: list[float] = []
            theirs: list[float] = []
            for _ in range(ROUNDS["stopped"]):
                _lay_down(stage, tasks, "stopped", services, bare)
                for n, service in enumerate(services):
                    time.sleep(REST_SECONDS)
                    ours.append(1000 * caller.run(lambda s=service: _tcp(stage, s)))  # type: ignore[misc]
                    time.sleep(REST_SECONDS)
                    theirs.append(1000 * bare.wake_tcp(n, "stopped"))
    finally:
        engine.remove_all()
    return [_more("wake-tcp", "TCP, server first: stopped → first byte", ours, theirs, TCP_MORE_MS)]


def chain(stage: Instance, images: Images) -> list[Figure]:
    """
    Three of which each asks the next, all stopped, beside each of them alone.

    A start is work, and three at once share the cores: bare starts of three say how much of it.
    """
    spent: dict[str, list[float]] = {"all": [], **{link: [] for link in CHAIN}}
    bare: dict[int, list[float]] = {1: [], len(CHAIN): []}
    with calling(stage) as caller, _chain(stage) as tasks:
        kept = BareContainers(images, len(CHAIN), images.server)
        for link in CHAIN:
            caller.run(lambda s=link: _by_name(stage, s))  # type: ignore[misc]
        for _ in range(CHAIN_ROUNDS):
            for asleep, asked in ((CHAIN, CHAIN[0]), *(((link,), link) for link in CHAIN)):
                wake(stage, *CHAIN)
                put_to_sleep(stage, "stopped", *asleep)
                for link in asleep:
                    tasks.prove(link, "stopped")
                time.sleep(REST_SECONDS)
                took = caller.run(lambda s=asked: _by_name(stage, s)).seconds  # type: ignore[misc]
                spent["all" if asleep == CHAIN else asked].append(1000 * took)
            for count, took_bare in bare.items():
                kept.lay_all_down(range(count), "stopped")
                time.sleep(REST_SECONDS)
                took_bare.append(1000 * kept.wake_at_once(range(count), "stopped"))
    engine.remove_all()
    medians = {name: statistics.median(of) for name, of in spent.items()}
    ours = medians.pop("all")
    slowest = max(medians.values())
    goal = Goal(
        f"≤ {CHAIN_TIMES:g} {TIMES} its slowest (is {ours / slowest:.2f})",
        ours <= CHAIN_TIMES * slowest,
    )
    at_once = {f"docker start of {n}": statistics.median(of) for n, of in bare.items()}
    runs = {name: rounded(of) for name, of in spent.items()}
    return [
        Figure(
            "wake-chain",
            "chain of three, stopped → first 200",
            "ms",
            ours,
            medians | at_once,
            goal,
            detail=runs,
        )
    ]


@contextmanager
def _chain(stage: Instance) -> Iterator[Tasks]:
    """From its end: a link finds the next one's name when it starts."""
    for link, onward in reversed([*zip(CHAIN, (*CHAIN[1:], ""), strict=True)]):
        upstreams = [{"projectId": "bench", "service": onward}] if onward else []
        tasks = [stage.task(f"to-{onward}" if onward else "a")]
        stage.apply(link, autoScale=MAY_SLEEP, upstreams=upstreams, tasks=tasks)
        stage.settle(link)
    try:
        yield Tasks(stage, CHAIN)
    finally:
        stage.delete(*CHAIN)


def _woken(
    stage: Instance,
    tasks: Tasks,
    depth: Depth,
    by: dict[str, tuple[list[str], Callable[[str], First]]],
    bare: BareContainers,
) -> tuple[dict[str, list[First]], list[float]]:
    ours: dict[str, list[First]] = {way: [] for way in by}
    theirs: list[float] = []
    for _ in range(ROUNDS[depth]):
        _lay_down(stage, tasks, depth, [s for services, _ in by.values() for s in services], bare)
        for n in range(EACH):
            for way, (services, ask) in by.items():
                tasks.prove(services[n], depth)
                time.sleep(REST_SECONDS)
                ours[way].append(ask(services[n]))
            time.sleep(REST_SECONDS)
            theirs.append(1000 * bare.wake(n, depth))
    return ours, theirs


def _lay_down(
    stage: Instance, tasks: Tasks, depth: Depth, services: Sequence[str], bare: BareContainers
) -> None:
    put_to_sleep(stage, depth, *services)
    for service in services:
        tasks.prove(service, depth)
    for n in range(EACH):
        bare.lay_down(n, depth)


def _by_name(stage: Instance, service: str) -> First:
    return first(stage.names(service), HTTP_PORT, service)


def _by_url(stage: Instance, path: str) -> First:
    return first(lambda: "127.0.0.1", stage.lane.http_port, "localhost", path)


def _tcp(stage: Instance, service: str) -> float:
    began = time.perf_counter()
    address = stage.names(service)()
    came = first_byte(address or "", TCP_PORT, FIRST_SECONDS)
    if came is None:
        raise NotFirst(f"{service}: no first byte")
    return came - began


def _frozen(found: tuple[dict[str, list[First]], list[float]]) -> list[Figure]:
    ours, bare = found
    figures = []
    for way, firsts in ours.items():
        for percent, limit in ((50, FROZEN_P50_MS), (99, FROZEN_P99_MS)):
            spent = [1000 * each.seconds for each in firsts]
            value = percentile(spent, percent)
            figures.append(
                Figure(
                    "wake-one",
                    f"frozen → first 200 {way}: p{percent}",
                    "ms",
                    value,
                    {"docker unpause": percentile(bare, percent)},
                    Goal(f"≤ {limit:g} ms", value <= limit),
                    detail=_runs(firsts, bare) if percent == 50 else {},
                )
            )
    return figures


def _stopped(found: tuple[dict[str, list[First]], list[float]]) -> list[Figure]:
    ours, bare = found
    return [
        _more(
            "wake-one",
            f"stopped → first 200 {way}",
            [1000 * each.seconds for each in firsts],
            bare,
            STOPPED_MORE_MS,
            [each.held_ms for each in firsts],
        )
        for way, firsts in ours.items()
    ]


def _more(
    row: str,
    name: str,
    ours: Sequence[float],
    bare: Sequence[float],
    limit: float,
    held: Sequence[float | None] = (),
) -> Figure:
    found, script = statistics.median(ours), statistics.median(bare)
    more = found - script
    return Figure(
        row,
        f"{name}: p50",
        "ms",
        found,
        {"docker start": script},
        Goal(f"≤ docker start + {limit:g} ms (is {more:+.0f})", more <= limit),
        detail={
            "p99": {"ours": percentile(ours, 99), "bare": percentile(bare, 99)},
            "runs": {"ours": rounded(ours), "bare": rounded(bare), "held": list(held)},
        },
    )


def _runs(firsts: Sequence[First], bare: Sequence[float]) -> dict[str, object]:
    return {
        "runs": rounded(1000 * each.seconds for each in firsts),
        "held": [each.held_ms for each in firsts],
        "bare": rounded(bare),
    }
