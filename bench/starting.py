"""From a declaration to its first answer, beside a bare script that makes the same containers."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bench import engine
from bench.caller import Caller, first_200
from bench.engine import Images
from bench.figures import Figure, ratio, rounded
from bench.images import HTTP_PORT
from bench.instance import BARE_POOL, Instance, wait_until

RUNS = 9
TWENTY = 20
TWENTY_RUNS = 3
PARALLEL = 8
"""Services that the control plane works on at once."""

WITHIN = 60.0
CALLER, MORE = "caller", "more"
WORDS = ("a", "b")
"""What answers of one version and of the next have in them."""


@contextmanager
def calling(stage: Instance, threads: int = 1) -> Iterator[Caller]:
    """A service of the same project, called from."""
    stage.apply(CALLER)
    stage.settle(CALLER)
    caller = Caller(stage.task_pid(CALLER), threads)
    try:
        yield caller
    finally:
        caller.close()
        stage.delete(CALLER)


def alternately(runs: int, *works: Callable[[int], float]) -> list[list[float]]:
    """A B, B A, …, in milliseconds: what disturbs the machine disturbs both."""
    found: list[list[float]] = [[] for _ in works]
    for run in range(runs):
        pairs = list(zip(works, found, strict=True))
        for work, spent in pairs if run % 2 == 0 else reversed(pairs):
            spent.append(work(run) * 1000)
    return found


def start(stage: Instance, images: Images) -> list[Figure]:
    """A new service of one task."""
    with calling(stage) as caller:

        def ours(run: int) -> float:
            service = f"start{run}"
            began = time.perf_counter()
            stage.apply(service)
            ended = caller.run(lambda: first_200(stage.names(service), HTTP_PORT, service, WITHIN))
            stage.delete(service)
            return ended - began

        def bare(run: int) -> float:
            began = time.perf_counter()
            _bare_service(images, run)
            ended = _answers(f"{BARE_POOL}.{run}.2")
            engine.remove_all()
            return ended - began

        found, script = alternately(RUNS, ours, bare)
    return [_compared("start", "apply → first 200, new service", 1.2, found, script)]


def more(stage: Instance, images: Images) -> list[Figure]:
    """One more replica, then another version of its task, of a service that is there."""
    stage.apply(MORE)
    stage.settle(MORE)
    bare = _BareReplicas(images, engine.network("space-cloud-bench-more", f"{BARE_POOL}.0.0/24"))
    with calling(stage) as caller:

        def scaled(_run: int) -> float:
            began = time.perf_counter()
            stage.apply(MORE, scale={"replicas": 2})
            ended = _first(stage, caller, f"{MORE}--v1--1")
            stage.apply(MORE, scale={"replicas": 1})
            _until_one_replica(stage, MORE)
            return ended - began

        def changed(run: int) -> float:
            said = WORDS[(run + 1) % 2]
            began = time.perf_counter()
            stage.apply(MORE, tasks=[stage.task(said)])
            ended = _first(stage, caller, f"says {said}")
            _until_one_replica(stage, MORE)
            return ended - began

        grown = alternately(RUNS, scaled, bare.container, bare.with_pause)
        other = alternately(RUNS, changed, bare.container, bare.with_pause)
    stage.delete(MORE)
    engine.remove_all()
    return [
        _compared("more", "one more replica → its first 200", 1.5, *grown),
        _compared("more", "changed version → its first 200", 1.5, *other),
    ]


class _BareReplicas:
    """In a network that is there."""

    def __init__(self, images: Images, net: str) -> None:
        self._images = images
        self._net = net

    def container(self, run: int) -> float:
        """One, with an address of its own."""
        name, address = f"space-cloud-bench-{run}", f"{BARE_POOL}.0.{10 + run}"
        began = time.perf_counter()
        engine.container(name, self._images.server, self._net, address)
        ended = _answers(address)
        engine.remove_container(name)
        return ended - began

    def with_pause(self, run: int) -> float:
        name, address = f"space-cloud-bench-{run}", f"{BARE_POOL}.0.{100 + run}"
        began = time.perf_counter()
        engine.replica(name, self._images, self._net, address)
        ended = _answers(address)
        engine.remove_container(f"{name}-main")
        engine.remove_container(name)
        return ended - began


def twenty(stage: Instance, images: Images) -> list[Figure]:
    """As many services at once; over when the last one answers."""
    with calling(stage, TWENTY) as caller:

        def ours(run: int) -> float:
            services = [f"twenty{run}-{n}" for n in range(TWENTY)]
            began = time.perf_counter()
            for service in services:
                stage.apply(service)
            asked = [
                caller.start(
                    lambda s=service: first_200(stage.names(s), HTTP_PORT, s, WITHIN)  # type: ignore[misc]
                )
                for service in services
            ]
            ended = max(answer.result() for answer in asked)
            stage.delete(*services)
            return ended - began

        def bare(_run: int) -> float:
            began = time.perf_counter()
            with ThreadPoolExecutor(PARALLEL) as pool:
                list(pool.map(lambda n: _bare_service(images, n), range(TWENTY)))
            ended = max(_answers(f"{BARE_POOL}.{n}.2") for n in range(TWENTY))
            engine.remove_all()
            return ended - began

        found, script = alternately(TWENTY_RUNS, ours, bare)
    return [_compared("twenty", "20 services at once → all answer", 1.15, found, script)]


def _bare_service(images: Images, number: int) -> None:
    name = f"space-cloud-bench-{number}"
    net = engine.network(name, f"{BARE_POOL}.{number}.0/24")
    engine.replica(name, images, net, f"{BARE_POOL}.{number}.2")


def _answers(address: str) -> float:
    return first_200(lambda: address, HTTP_PORT, "bare", WITHIN)


def _first(stage: Instance, caller: Caller, said: str) -> float:
    return caller.run(lambda: first_200(stage.names(MORE), HTTP_PORT, MORE, WITHIN, said))


def _until_one_replica(stage: Instance, service: str) -> None:
    wait_until(lambda: len(stage.containers(service=service, task="main")) == 1, within=WITHIN)
    stage.settle(service)


def _compared(
    row: str,
    name: str,
    times: float,
    ours: Sequence[float],
    script: Sequence[float],
    with_pause: Sequence[float] = (),
) -> Figure:
    found, bare = statistics.median(ours), statistics.median(script)
    peers = {"one container" if with_pause else "bare script": bare}
    runs = {"ours": rounded(ours), "bare": rounded(script)}
    if with_pause:
        peers["pause and task"] = statistics.median(with_pause)
        runs["pause and task"] = rounded(with_pause)
    goal = ratio(found, bare, times, next(iter(peers)))
    return Figure(row, name, "ms", found, peers, goal, detail={"runs": runs})
