"""
What the engine's own rules cost a call between services: one for each container of the machine.

From 28.0.2 on it drops, in the kernel's ``raw PREROUTING``, what goes to a container's address
and not by its bridge. Every packet walks that list; ours accept what goes to a virtual IP or to
the gateway before it. Where the engine writes none, as many of the same shape are written.

The control plane is stopped meanwhile: it would put our own rules right, and a call needs none.
"""

import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bench import engine, machine
from bench.engine import Images
from bench.figures import TIMES, Figure, Goal, rounded
from bench.images import HTTP_PORT
from bench.instance import PROJECT, Instance
from bench.lane import lane
from bench.load import Place, Run, load
from bench.starting import calling

NETWORKS = (202, 203)
"""Numbers of the bare networks."""

CONTAINERS = 150
"""In each."""

PARALLEL = 4
ROUNDS, SECONDS = 20, 1
CONNECTIONS = (1, 32)
AT_LEAST, AT_MOST = 0.9, 1.1
COMMAND_SECONDS = 60.0
SERVICE = "ruled"
ACCEPTED, WALKED, NONE = "accepted", "not accepted", "no rules"
BESIDE = "the engine writes no such rules: the bench has written them, in the same shape"

Lines = Sequence[str]
"""Of the table ``raw``, as ``iptables-save`` prints them."""


def rules(stage: Instance, images: Images) -> list[Figure]:
    stage.apply(SERVICE)
    stage.settle(SERVICE)
    figures: list[Figure] = []
    with calling(stage):
        place = Place(stage.task_pid("caller"), stage.state_dir / "resolv" / f"{PROJECT}.conf")
        server = machine.family(stage.task_pid(SERVICE))
        watched = {"proxy": [stage.gateway_pid()], "server": server}
        with _direct_access(images) as (theirs, note), _stopped(stage):
            ours = _accepting(stage.chain_prefix)
            ways = {ACCEPTED: [*theirs, *ours], WALKED: theirs, NONE: ours}
            try:
                for connections in CONNECTIONS:
                    runs = _runs(place, connections, watched, ways)
                    word = f"{len(theirs)} rules of the engine, {connections} in flight"
                    figures += _figures(word, runs, "" if figures else note)
            finally:
                _arrange(ways[ACCEPTED], ways[ACCEPTED])
    stage.delete(SERVICE)
    return figures


def _runs(
    place: Place,
    connections: int,
    watched: Mapping[str, Sequence[int]],
    ways: Mapping[str, Lines],
) -> dict[str, list[Run]]:
    url = f"http://{SERVICE}:{HTTP_PORT}/"
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    for turn in range(ROUNDS):
        for way in ways if turn % 2 == 0 else reversed([*ways]):
            _arrange(ways[way], ways[ACCEPTED])
            runs[way].append(load(place, url, connections, SECONDS, watched))
    return runs


def _figures(word: str, runs: Mapping[str, Sequence[Run]], note: str) -> list[Figure]:
    """CPU tells more than requests where other work takes some of the machine."""
    speeds = {way: [run.per_second for run in of] for way, of in runs.items()}
    costs = {way: [_cpu_us(run) for run in of] for way, of in runs.items()}
    speed, cost = (_ratio(found[ACCEPTED], found[NONE]) for found in (speeds, costs))
    faster = Goal(f"≥ {AT_LEAST:g} {TIMES} {NONE}, in rounds (is {speed:.2f})", speed >= AT_LEAST)
    cheaper = Goal(f"≤ {AT_MOST:g} {TIMES} {NONE}, in rounds (is {cost:.2f})", cost <= AT_MOST)
    return [
        _figure(f"{word}: requests per second", "requests/s", speeds, faster, note),
        _figure(f"{word}: CPU of client, gateway and server", "µs/request", costs, cheaper, ""),
    ]


def _figure(
    name: str, unit: str, found: Mapping[str, Sequence[float]], goal: Goal, note: str
) -> Figure:
    medians = {way: statistics.median(of) for way, of in found.items()}
    ratios = {way: round(_ratio(of, found[NONE]), 3) for way, of in found.items()}
    detail = {"runs": {way: rounded(of) for way, of in found.items()}, "ratios": ratios}
    return Figure("rules", name, unit, medians.pop(ACCEPTED), medians, goal, note, detail)


def _cpu_us(run: Run) -> float:
    return (run.client + run.proxy + run.server) / run.per_second * 1e6


def _ratio(values: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(values, others, strict=True))


@contextmanager
def _stopped(stage: Instance) -> Iterator[None]:
    stage.stop()
    try:
        yield
    finally:
        stage.start()


def tidy() -> None:
    """What was written for an engine that writes none, by a run that was killed too."""
    _arrange((), _theirs())


@contextmanager
def _direct_access(images: Images) -> Iterator[tuple[Lines, str]]:
    """The engine's rules for so many containers, and what is to be said of them."""
    try:
        first, *others = [(n, lane().bare(n, 2 + i)) for n in NETWORKS for i in range(CONTAINERS)]
        for number in NETWORKS:
            engine.network(_name(number), lane().bare_subnet(number))
        _make(images, *first)
        if _theirs():
            with ThreadPoolExecutor(PARALLEL) as pool:
                list(pool.map(lambda at: _make(images, *at), others))
            yield _theirs(), ""
        else:
            yield [_dropping(address) for _, address in (first, *others)], BESIDE
    finally:
        engine.remove_all()
        tidy()


def _make(images: Images, number: int, address: str) -> None:
    name = _name(address.replace(".", "-"))
    engine.container(name, images.pause, _name(number), address)


def _name(what: object) -> str:
    return lane().resource(f"rules-{what}")


def _dropping(address: str) -> str:
    """As the engine writes it, of a bridge that no packet comes by."""
    return f"-A PREROUTING -d {address}/32 ! -i br-none -j DROP"


def _theirs() -> Lines:
    """For addresses of these networks."""
    subnets = (lane().bare_subnet(number) for number in NETWORKS)
    beginnings = tuple(f"-A PREROUTING -d {s.removesuffix('0/24')}" for s in subnets)
    return [line for line in _saved() if line.startswith(beginnings)]


def _accepting(chain_prefix: str) -> Lines:
    """Ours, by which a packet does not meet the engine's."""
    beginning = f"-A {chain_prefix}-RAW "
    return [s for s in _saved() if s.startswith(beginning) and s.endswith("-j ACCEPT")]


def _arrange(wanted: Lines, known: Lines) -> None:
    """Of the known ones these are there, at the end of their chains, and no other."""
    there = set(_saved())
    gone = [line.replace("-A", "-D", 1) for line in known if line in there and line not in wanted]
    new = [line for line in wanted if line not in there]
    text = "\n".join(["*raw", *gone, *new, "COMMIT", ""])
    _iptables("iptables-restore", "--noflush", "--wait", "5", given=text)


def _saved() -> list[str]:
    return _iptables("iptables-save", "-t", "raw").splitlines()


def _iptables(*command: str, given: str = "") -> str:
    return subprocess.run(
        command, input=given, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS
    ).stdout
