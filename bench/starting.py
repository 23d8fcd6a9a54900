"""From a declaration to its first answer, beside a bare script that makes the same containers."""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from bench import compose, engine, swarm
from bench.caller import Caller, NotAnswered, first_200
from bench.engine import Images
from bench.figures import Figure, ratio, rounded
from bench.images import HTTP_PORT
from bench.instance import Instance, wait_until
from bench.lane import lane
from bench.tools import Missing

RUNS = 9
TWENTY = 20
TWENTY_RUNS = 3
PARALLEL = 8
"""Services that the control plane works on at once."""

CONTAINERS = 2
"""Of a replica of one task: the pause and the task."""

REST_SECONDS = 0.5
"""For the kernel: it takes namespaces apart long after the engine has said that they are gone."""

WITHIN = 60.0
CALLER, MORE = "caller", "more"
WORDS = ("a", "b")
"""What answers of one version and of the next have in them."""


@contextmanager
def calling(stage: Instance) -> Iterator[Caller]:
    """A service of the same project, called from."""
    stage.apply(CALLER)
    stage.settle(CALLER)
    caller = Caller(stage.task_pid(CALLER))
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
            time.sleep(REST_SECONDS)
            spent.append(work(run) * 1000)
    return found


def start(stage: Instance, images: Images) -> list[Figure]:
    """A new service of one task."""
    with calling(stage) as caller:

        def ours(run: int) -> float:
            return called_anew(stage, caller, f"start{run}")

        def bare(run: int) -> float:
            began = time.perf_counter()
            _bare_service(images, run)
            ended = _answers(lane().bare(run, 2))
            engine.remove_all()
            return ended - began

        found, script = alternately(RUNS, ours, bare)
    return [_compared("start", "apply → first 200, new service", 1.2, found, script)]


def called_anew(stage: Instance, caller: Caller, service: str) -> float:
    """Seconds from apply to the first 200; the service is gone again."""
    began = time.perf_counter()
    stage.apply(service)
    ended = _called(stage, caller, service)
    stage.delete(service)
    return ended - began


def more(stage: Instance, images: Images) -> list[Figure]:
    """One more replica, then another version of its task, of a service that is there."""
    stage.apply(MORE)
    stage.settle(MORE)
    bare = _BareReplicas(images, engine.network(lane().resource("more"), lane().bare_subnet(0)))
    with calling(stage) as caller:

        def scaled(_run: int) -> float:
            began = time.perf_counter()
            stage.apply(MORE, scale={"replicas": 2})
            ended = _called(stage, caller, MORE, f"{MORE}--v1--1")
            stage.apply(MORE, scale={"replicas": 1})
            _until_one_replica(stage, MORE)
            return ended - began

        def changed(run: int) -> float:
            expected = WORDS[(run + 1) % 2]
            began = time.perf_counter()
            stage.apply(MORE, tasks=[stage.task(expected)])
            ended = _called(stage, caller, MORE, f"says {expected}")
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
        name, address = lane().resource(run), lane().bare(0, 10 + run)
        began = time.perf_counter()
        engine.container(name, self._images.server, self._net, address)
        ended = _answers(address)
        engine.remove_container(name)
        return ended - began

    def with_pause(self, run: int) -> float:
        name, address = lane().resource(run), lane().bare(0, 100 + run)
        began = time.perf_counter()
        engine.replica(name, self._images, self._net, address)
        ended = _answers(address)
        engine.remove_container(f"{name}-main")
        engine.remove_container(name)
        return ended - began


def twenty(stage: Instance, images: Images) -> list[Figure]:
    """As many services at once; over when the last one answers."""
    addresses = {lane().bare_subnet(n): lane().bare(n, 2) for n in range(TWENTY)}

    def all_answer() -> float:
        return max(_answers(address) for address in addresses.values())

    with calling(stage) as caller:

        def ours(run: int) -> float:
            services = [f"twenty{run}-{n}" for n in range(TWENTY)]
            began = time.perf_counter()
            for service in services:
                stage.apply(service)
            # One after the other: to ask all of them all the time would keep them from starting.
            ended = max(_called(stage, caller, service) for service in services)
            stage.delete(*services)
            return ended - began

        def bare(_run: int) -> float:
            began = time.perf_counter()
            with ThreadPoolExecutor(PARALLEL) as pool:
                list(pool.map(lambda n: _bare_service(images, n), range(TWENTY)))
            ended = all_answer()
            engine.remove_all()
            return ended - began

        found, script = alternately(TWENTY_RUNS, ours, bare)
    figure = _compared("twenty", "20 services at once → all answer", 1.15, found, script)
    others, notes = _orchestrators(images, addresses, all_answer)
    return [replace(figure, peers={**figure.peers, **others}, note="; ".join(notes))]


def _orchestrators(
    images: Images, addresses: dict[str, str], all_answer: Callable[[], float]
) -> tuple[dict[str, float | None], list[str]]:
    """Reported and held against nothing: one run each."""
    found: dict[str, float | None] = {}
    notes = []
    try:
        found["Compose"] = compose.up(images, addresses, all_answer) * 1000
        notes.append("Compose makes one container for each, without a pause, policy or gateway")
    except (Missing, OSError, subprocess.SubprocessError, NotAnswered) as error:
        found["Compose"] = None
        notes.append(f"Compose: {error}")
    try:
        found["Swarm"] = swarm.up(images, TWENTY, PARALLEL, _answers_at) * 1000
        notes.append("Swarm makes one container for each, in an engine that it has to itself")
    except (Missing, OSError, subprocess.SubprocessError, NotAnswered) as error:
        found["Swarm"] = None
        notes.append(f"Swarm: {error}")
    return found, notes


def _bare_service(images: Images, number: int) -> None:
    name = lane().resource(number)
    net = engine.network(name, lane().bare_subnet(number))
    engine.replica(name, images, net, lane().bare(number, 2))


def _answers(address: str) -> float:
    return _answers_at(address, HTTP_PORT)


def _answers_at(address: str, port: int) -> float:
    return first_200(lambda: address, port, "bare", WITHIN)


def _called(stage: Instance, caller: Caller, service: str, expected: str = "") -> float:
    """The moment of the first 200, by name and from another service, with this word in it."""
    find = stage.names(service)
    return caller.run(lambda: first_200(find, HTTP_PORT, service, WITHIN, expected))


def _until_one_replica(stage: Instance, service: str) -> None:
    """With its pause; of those that go nothing is left either."""
    wait_until(lambda: len(stage.containers(service=service)) == CONTAINERS, within=WITHIN)
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
