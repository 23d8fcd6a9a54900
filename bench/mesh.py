"""
A request through the mesh, beside the same request through other proxies and through none.

One topology for all: a caller in a network namespace of its own, the proxy in the host's
network, a replica in another namespace. The proxy has a core to itself; client and server
share another (on a machine of more than two, each has its own), and what they used is reported.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from bench import engine, machine
from bench.caller import Caller, first_200
from bench.engine import Images
from bench.figures import TIMES, Figure, Goal
from bench.images import HTTP_PORT, TCP_PORT
from bench.instance import PROJECT, Instance
from bench.lane import lane
from bench.load import Place, Run, load
from bench.proxies import Proxy, proxies

ROUNDS = 10
SECONDS = 1
CONNECTIONS = (1, 32)
SERVICE, CALLER = "server", "caller"
NEAR, FAR = 200, 201
"""Numbers of the bare networks: the caller's, and the servers'."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a server."""

    name: str
    place: Place
    url: str
    proxy: Sequence[int]
    server: Sequence[int]


@dataclass(frozen=True, slots=True)
class Measure:
    field: str
    unit: str
    more_is_better: bool = False
    """Of requests per second; less is better of all others."""


@dataclass(frozen=True, slots=True)
class Standard:
    """What a figure is held against: so many times as good as the peer, at least."""

    peer: str
    times: float
    text: str


AHEAD = Standard("Caddy", 1.0, "ahead of Caddy")
LEVEL = Standard("HAProxy", 1 / 1.1, "level with HAProxy")
"""No more than a tenth worse, which is what the machine's noise is."""

OF_MANY = (
    Standard("Caddy", 1.3, f"≥ 1.3 {TIMES} Caddy"),
    Standard("plain Envoy", 0.95, f"≥ 0.95 {TIMES} plain Envoy"),
)
"""Of requests per second of L7 on many connections."""

MEASURES = (
    Measure("p50", "µs"),
    Measure("p99", "µs"),
    Measure("per_second", "requests/s", more_is_better=True),
    Measure("proxy_us", "µs CPU/request"),
)
WORDS = {"per_second": "requests per second", "proxy_us": "proxy's CPU"}


def mesh(stage: Instance, images: Images) -> list[Figure]:
    missing: list[str] = []
    figures: list[Figure] = []
    with _routes(stage, images, missing) as (l7, l4):
        for connections in CONNECTIONS:
            figures += _figures("L7", l7, connections, missing)
        for connections in CONNECTIONS:
            figures += _figures("L4", l4, connections, missing)
    return figures


def _figures(
    layer: str, routes: Sequence[Route], connections: int, missing: Sequence[str]
) -> list[Figure]:
    runs: dict[str, list[Run]] = {route.name: [] for route in routes}
    for turn in range(ROUNDS):
        for route in routes if turn % 2 == 0 else reversed(routes):
            watched = {"proxy": route.proxy, "server": route.server}
            runs[route.name].append(load(route.place, route.url, connections, SECONDS, watched))
    return [f for m in MEASURES for f in measured(layer, connections, m, runs, missing)]


def measured(
    layer: str,
    connections: int,
    measure: Measure,
    runs: Mapping[str, Sequence[Run]],
    missing: Sequence[str],
) -> list[Figure]:
    """One figure for each standard that it is held against."""
    found = {
        name: statistics.median(getattr(run, measure.field) for run in of)
        for name, of in runs.items()
        if not (measure.field == "proxy_us" and name == "direct")
    }
    ours = found.pop("mesh")
    standard, *others = _standards(layer, connections, measure)
    is_first = measure.field == "p50"
    figure = Figure(
        "mesh",
        f"{layer}, {connections} connection{'s' if connections > 1 else ''}: "
        f"{WORDS.get(measure.field, measure.field)}",
        measure.unit,
        ours,
        found,
        _goal(measure, ours, found.get(standard.peer), standard),
        note="; ".join(missing) if is_first and connections == 1 else "",
        detail=_shares(runs) if is_first else {},
    )
    return [figure, *(_beside(figure, measure, ours, other) for other in others)]


def _standards(layer: str, connections: int, measure: Measure) -> tuple[Standard, ...]:
    if layer == "L4":
        return (LEVEL,)
    return OF_MANY if measure.more_is_better and connections > 1 else (AHEAD,)


def _beside(figure: Figure, measure: Measure, ours: float, standard: Standard) -> Figure:
    theirs = figure.peers.get(standard.peer)
    return replace(
        figure,
        name=f"{figure.name}, beside {standard.peer}",
        peers={standard.peer: theirs},
        goal=_goal(measure, ours, theirs, standard),
    )


def _goal(measure: Measure, ours: float, theirs: float | None, standard: Standard) -> Goal | None:
    if theirs is None:
        return None
    ratio = ours / theirs
    times_as_good = ratio if measure.more_is_better else 1 / ratio
    return Goal(f"{standard.text} (is {ratio:.2f})", times_as_good >= standard.times)


def _shares(runs: Mapping[str, Sequence[Run]]) -> dict[str, object]:
    """Of a core, who used how much; and every run."""
    parties = ("client", "proxy", "server", "others")
    return {
        "cpu": {
            name: {p: round(statistics.median(getattr(r, p) for r in of), 2) for p in parties}
            for name, of in runs.items()
        },
        "runs": {name: [asdict(run) for run in of] for name, of in runs.items()},
    }


# ---------------------------------------------------------------------- what is loaded


@contextmanager
def _routes(
    stage: Instance, images: Images, missing: list[str]
) -> Iterator[tuple[list[Route], list[Route]]]:
    client, server, proxy = _cores()
    stage.apply(SERVICE)
    stage.apply(CALLER)
    stage.settle(SERVICE, CALLER)
    calls_from, serves = stage.task_pid(CALLER), stage.task_pid(SERVICE)
    resolv = stage.state_dir / "resolv" / f"{PROJECT}.conf"
    inside = Place(calls_from, resolv, client)
    stage.confine_gateway({proxy})
    stage.settle(SERVICE, CALLER)
    gateway = [stage.gateway_pid()]
    servers = machine.family(serves)

    with (
        _bare(images) as bare,
        proxies(bare.listen, bare.server, stage.folder, proxy, missing) as peers,
    ):
        bare_servers = machine.family(bare.pids[bare.server])
        outside, beside = (
            Place(bare.pids[bare.caller], core=client),
            Place(bare.pids[bare.neighbour], core=client),
        )
        _await(outside, bare.listen, peers)
        machine.pin([*servers, *bare_servers], {server})
        proxying = [*gateway, *(pid for peer in peers for pid in peer.pids)]
        machine.pin(proxying, {proxy})
        machine.prefer([*proxying, *servers, *bare_servers])

        def through(peer: Proxy, port: int) -> Route:
            url = f"http://{bare.listen}:{port}/"
            return Route(peer.name, outside, url, peer.pids, bare_servers)

        def straight(port: int) -> Route:
            return Route("direct", beside, f"http://{bare.server}:{port}/", (), bare_servers)

        def ours(port: int) -> Route:
            return Route("mesh", inside, f"http://{SERVICE}:{port}/", gateway, servers)

        yield (
            [ours(HTTP_PORT), *(through(p, p.http_port) for p in peers), straight(HTTP_PORT)],
            [
                ours(TCP_PORT),
                *(through(p, p.tcp_port) for p in peers if p.tcp_port is not None),
                straight(TCP_PORT),
            ],
        )
    stage.confine_gateway(set(machine.cores()))
    stage.delete(SERVICE, CALLER)


@dataclass(frozen=True, slots=True)
class _Bare:
    """Two plain networks: a caller in one, a server and a neighbour of it in the other."""

    listen: str
    """The host's address in the caller's."""

    caller: str
    server: str
    neighbour: str
    pids: Mapping[str, int]


@contextmanager
def _bare(images: Images) -> Iterator[_Bare]:
    its = lane()
    near = engine.network(its.resource("callers"), its.bare_subnet(NEAR))
    far = engine.network(its.resource("servers"), its.bare_subnet(FAR))
    caller, server, neighbour = its.bare(NEAR, 2), its.bare(FAR, 2), its.bare(FAR, 3)
    homes = {caller: near, server: far, neighbour: far}
    try:
        pids = {
            address: engine.pid(
                engine.container(
                    its.resource(address.replace(".", "-")), images.server, net, address
                )
            )
            for address, net in homes.items()
        }
        yield _Bare(its.bare(NEAR, 1), caller, server, neighbour, pids)
    finally:
        engine.remove_all()


def _await(outside: Place, listen: str, peers: Sequence[Proxy]) -> None:
    caller = Caller(outside.pid)
    try:
        for peer in peers:
            for port in filter(None, (peer.http_port, peer.tcp_port)):
                caller.run(lambda p=port: first_200(lambda: listen, p, listen, 10))  # type: ignore[misc]
    finally:
        caller.close()


def _cores() -> tuple[int, int, int]:
    """Of client, server and proxy."""
    have = machine.cores()
    match have:
        case [only]:
            return only, only, only
        case [first, second]:
            return first, first, second
        case [first, second, third, *_]:
            return first, third, second
    raise AssertionError("a machine has a core")
