"""What ``make bench`` writes, and what it says when a row cannot be measured."""

import io
import itertools
import json
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import __main__ as bench
from bench import engine, mesh
from bench import lane as bench_lane
from bench.figures import Figure, Goal, percentile, ratio, show, write
from bench.lane import LANES, Lane
from bench.load import Run
from bench.scale import Followed
from eventually import next_line
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.settings import Settings


def test_a_figure_is_written_with_what_programs_read(tmp_path: Path) -> None:
    figure = Figure("start", "apply", "ms", 12.5, {"bare": 10.0, "gone": None}, Goal("≤ 2", True))

    write([figure], tmp_path / "build" / "bench.json")

    (written,) = json.loads((tmp_path / "build" / "bench.json").read_text("utf-8"))
    expected = {"name": "apply", "unit": "ms", "ours": 12.5, "goal": "≤ 2", "ok": True}
    assert written.items() >= expected.items()
    assert written["peers"] == {"bare": 10.0, "gone": None}


@pytest.mark.parametrize(("ours", "ok"), [(14.9, True), (15.1, False)])
def test_a_ratio_holds_up_to_its_limit(ours: float, ok: bool) -> None:
    assert ratio(ours, 10.0, 1.5, "bare").ok is ok


@pytest.mark.parametrize(
    ("caddy", "envoy", "reached"),
    [
        (1300.0, 1400.0, [False, False]),
        (1000.0, 1400.0, [True, False]),
        (990.0, 1360.0, [True] * 2),
    ],
)
def test_many_connections_are_held_against_two_peers(
    caddy: float, envoy: float, reached: list[bool]
) -> None:
    per_second = next(measure for measure in mesh.MEASURES if measure.more_is_better)
    runs = {"mesh": [run(1310.0)], "Caddy": [run(caddy)], "plain Envoy": [run(envoy)]}

    figures = mesh.measured("L7", 32, per_second, runs, ())

    assert [figure.goal is not None and figure.goal.ok for figure in figures] == reached
    assert len({figure.name for figure in figures}) == 2


def test_one_connection_is_held_against_one_peer() -> None:
    per_second = next(measure for measure in mesh.MEASURES if measure.more_is_better)
    runs = {"mesh": [run(1010.0)], "Caddy": [run(1000.0)], "plain Envoy": [run(2000.0)]}

    (figure,) = mesh.measured("L7", 1, per_second, runs, ())

    assert figure.goal is not None
    assert figure.goal.ok


def run(per_second: float) -> Run:
    return Run(
        p50=1, p99=1, per_second=per_second, proxy_us=1, client=0, proxy=0, server=0, others=0
    )


def test_a_percentile_is_near_the_worst_and_not_beyond_it() -> None:
    assert 98 <= percentile([float(n) for n in range(1, 101)], 99) <= 100


def test_a_row_that_fails_says_so_and_is_no_goal_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> list[Figure]:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(bench, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(engine, "remove_all", lambda: None)
    console = Console(file=io.StringIO(), width=200)

    (figure,) = bench.measured("mesh", broken, None, None, console)  # type: ignore[arg-type]

    assert (figure.ours, figure.goal) == (None, None)
    assert "no such thing" in figure.note


def test_a_row_that_does_not_exist_is_named_with_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench.main(["mash"]) == 2
    assert "mash" in (errors := capsys.readouterr().err)
    assert all(row in errors for row in bench.ROWS)


def test_what_a_machine_lacks_is_named_under_the_table() -> None:
    out = io.StringIO()

    show(
        [Figure("mesh", "L7", "µs", 1.0, {"Caddy": None}, note="Caddy: no network")],
        Console(file=out, width=200),
    )

    assert "Caddy -" in out.getvalue()
    assert "Caddy: no network" in out.getvalue()


def test_runs_beside_each_other_share_no_network_no_port_and_no_bridge() -> None:
    lanes = [Lane(number) for number in range(LANES)]
    pools = [
        IPv4Network(pool)
        for its in lanes
        for pool in (f"{its.bare(0, 0)}/16", its.vip_pool, its.subnet_pool)
    ]

    assert not any(a.overlaps(b) for a, b in itertools.combinations(pools, 2))
    assert all(abs(a.http_port - b.http_port) > 3 for a, b in itertools.combinations(lanes, 2))
    bridges = {networking_of(Settings(instance=its.name)).interface_prefix for its in lanes}
    assert len(bridges) == LANES


def test_another_run_takes_another_lane_and_a_killed_one_leaves_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench_lane, "FOLDER", tmp_path)
    take = bench_lane.lane.__wrapped__
    program = "import bench.lane as l, pathlib, sys; l.FOLDER = pathlib.Path(sys.argv[1]); print(l.lane().number, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert int(next_line(other)) == 0

        assert take().number == 1

        other.kill()
        other.wait(30)
    assert take().number == 0


@pytest.mark.parametrize("word", ["wake", "scale"])
def test_a_word_may_choose_several_rows(word: str) -> None:
    assert word not in bench.ROWS
    assert len(bench.SETS[word]) > 1
    assert set(bench.SETS[word]) < bench.ROWS.keys()


def test_what_followed_load_is_told_by_its_samples() -> None:
    up_and_down = [(0.5, 1, 1), (1.0, 9, 1), (3.0, 9, 8), (80.0, 4, 9), (90.0, 1, 1), (91.0, 1, 1)]

    followed = Followed(up_and_down)

    assert followed.reached() == 3.0
    assert followed.settled(75.0) == 15.0
    assert followed.most == 9
    assert followed.turns == 1


def test_what_never_came_down_has_not_settled() -> None:
    followed = Followed([(1.0, 9, 9), (200.0, 9, 9)])

    assert followed.settled(75.0) is None
