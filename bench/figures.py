"""What was measured: one figure a line, as a table for people and as JSON for programs."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class Goal:
    """What ``ours`` is held against."""

    text: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Figure:
    row: str
    """The word that chooses it: ``make bench ROWS=mesh``."""

    name: str
    unit: str
    ours: float | None
    """None: it could not be measured; ``note`` says why."""

    peers: Mapping[str, float | None] = field(default_factory=dict)
    """None: this machine has not got the peer; ``note`` says what is missing."""

    goal: Goal | None = None
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What lies behind it: all runs, CPU shares."""

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "peers": dict(self.peers),
            "goal": self.goal.text if self.goal else None,
            "ok": self.goal.ok if self.goal else None,
            "row": self.row,
            "note": self.note,
            "detail": dict(self.detail),
        }


def at_most(ours: float, limit: float, text: str) -> Goal:
    return Goal(text, ours <= limit)


def ratio(ours: float, peer: float, times: float, against: str) -> Goal:
    """No slower than ``times`` the peer."""
    return Goal(f"≤ {times:g} {TIMES} {against} (is {ours / peer:.2f})", ours <= times * peer)


def percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def rounded(values: Iterable[float]) -> list[float]:
    return [round(value, 2) for value in values]


def show(figures: Sequence[Figure], console: Console) -> None:
    table = Table(title="Space Cloud on this machine", show_lines=False)
    for column in ("figure", "unit"):
        table.add_column(column)
    table.add_column("ours", justify="right")
    for column in ("peers", "goal", "ok"):
        table.add_column(column)
    row = ""
    for figure in figures:
        if row and figure.row != row:
            table.add_section()
        row = figure.row
        table.add_row(*_cells(figure))
    console.print(table)
    for figure in figures:
        if figure.note:
            console.print(f"  [dim]{figure.name}: {figure.note}[/dim]", highlight=False)


def write(figures: Sequence[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    documents = [figure.document() for figure in figures]
    path.write_text(json.dumps(documents, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _cells(figure: Figure) -> tuple[str, ...]:
    peers = ", ".join(f"{name} {_number(value)}" for name, value in figure.peers.items())
    if figure.goal is None:
        goal, verdict = "", "" if figure.ours is not None else "[red]failed[/red]"
    else:
        goal = figure.goal.text
        verdict = "[green]yes[/green]" if figure.goal.ok else "[red]no[/red]"
    return (figure.name, figure.unit, _number(figure.ours), peers, goal, verdict)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
