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
CALLER = "caller"


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
            ended = caller.run(
                lambda: first_200(stage.names(service), HTTP_PORT, service, WITHIN)
            )
            stage.delete(service)
            return ended - began

        def bare(run: int) -> float:
            began = time.perf_counter()
            _bare_service(images, run)
            ended = _answers(f"{BARE_POOL}.{run}.2")
            engine.remove_all()
            return ended - began

        found, script = alternately(RUNS, ours, bare)
    return [_compared("start", "apply → first 200, new service", found, script, 1.2)]


def more(stage: Instance, images: Images) -> list[Figure]:
    """One more replica, then another version of its task, of a service that is there."""
    service, words = "more", ("a", "b")
    stage.apply(service)
    stage.settle(service)
    net = engine.network("space-cloud-bench-more", f"{BARE_POOL}.0.0/24")
    with calling(stage) as caller:

        def first(said: str) -> float:
            return caller.run(
                lambda: first_200(stage.names(service), HTTP_PORT, service, WITHIN, said)
            )

        def scaled(_run: int) -> float:
            began = time.perf_counter()
            stage.apply(service, scale={"replicas": 2})
            ended = first("more--v1--1")
            stage.apply(service, scale={"replicas": 1})
            _until_replicas(stage, service, 1)
            return ended - began

        def changed(run: int) -> float:
            said = words[(run + 1) % 2]
            began = time.perf_counter()
            stage.apply(service, tasks=[stage.task(said)])
            ended = first(f"says {said}")
            _until_replicas(stage, service, 1)
            return ended - began

        def one_container(run: int) -> float:
            name, address = f"space-cloud-bench-{run}", f"{BARE_POOL}.0.{10 + run}"
            began = time.perf_counter()
            engine.container(name, images.server, net, address)
            ended = _answers(address)
            engine.remove_container(name)
            return ended - began

        def with_pause(run: int) -> float:
            name, address = f"space-cloud-bench-{run}", f"{BARE_POOL}.0.{100 + run}"
            began = time.perf_counter()
            engine.replica(name, images, net, address)
            ended = _answers(address)
            engine.remove_container(f"{name}-main")
            engine.remove_container(name)
            return ended - began

        grown, container, pod = alternately(RUNS, scaled, one_container, with_pause)
        other, container2, pod2 = alternately(RUNS, changed, one_container, with_pause)
    stage.delete(service)
    engine.remove_all()
    return [
        _compared("more", "one more replica → its first 200", grown, container, 1.5, pod),
        _compared("more", "changed version → its first 200", other, container2, 1.5, pod2),
    ]


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
    return [_compared("twenty", "20 services at once → all answer", found, script, 1.15)]


def _bare_service(images: Images, number: int) -> None:
    name = f"space-cloud-bench-{number}"
    net = engine.network(name, f"{BARE_POOL}.{number}.0/24")
    engine.replica(name, images, net, f"{BARE_POOL}.{number}.2")


def _answers(address: str) -> float:
    return first_200(lambda: address, HTTP_PORT, "bare", WITHIN)


def _until_replicas(stage: Instance, service: str, count: int) -> None:
    """Until there are no more and no fewer containers of its task, and it is settled."""
    wait_until(lambda: len(stage.containers(service=service, task="main")) == count, within=WITHIN)
    stage.settle(service)


def _compared(
    row: str,
    name: str,
    ours: Sequence[float],
    script: Sequence[float],
    times: float,
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
