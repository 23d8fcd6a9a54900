"""What ``make bench`` writes, and what it says when a row cannot be measured."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import __main__ as bench
from bench import engine
from bench.figures import Figure, Goal, percentile, ratio, show, write


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
