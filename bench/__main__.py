"""
Measure, print a table, write ``build/bench.json``.

    make bench                        every row
    make bench ROWS=start,mesh        these
"""

import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console

from bench import (
    commands,
    control_plane,
    engine,
    killed,
    machine,
    mass_wakes,
    mesh,
    neighbours,
    rules,
    scale,
    sleep_overhead,
    starting,
    tools,
    wake,
)
from bench.engine import Images
from bench.figures import Figure, show, write
from bench.images import ensure_images
from bench.instance import Instance, instance
from bench.lane import NoLane, lane

PLAIN_WIDTH = 150
INTERRUPTED = 130
FAILED = "failed"
QUIET_SECONDS = 1.0
QUIET_CORES = 0.3
"""More than this, used by others, is said beside the figures: they are not of a quiet machine."""

OUTPUT = Path("build/bench.json")

Row = Callable[[Instance, Images], list[Figure]]

FEW: dict[str, Row] = {
    "start": starting.start,
    "more": starting.more,
    "twenty": starting.twenty,
    "mesh": mesh.mesh,
    "rules": rules.rules,
    "wake-one": wake.one,
    "wake-tcp": wake.tcp,
    "wake-chain": wake.chain,
    "wake-hundred": mass_wakes.hundred,
    "wake-thousand": mass_wakes.thousand_first,
    "scale-follow": scale.follow,
    "scale-idle": sleep_overhead.idle,
    "scale-warm": sleep_overhead.warm,
    "cli": commands.commands,
    "neighbours": neighbours.neighbours,
    "killed": killed.killed,
}
MANY: dict[str, Row] = {
    "plane": control_plane.plane,
    "change": control_plane.change,
    "list": control_plane.listing,
}
ROWS = FEW | MANY
"""In the order of the table. Those of a group share an installation."""

SETS = {
    word: tuple(row for row in ROWS if row.startswith(f"{word}-")) for word in ("wake", "scale")
}
"""Words that choose several rows."""


def main(chosen: Sequence[str]) -> int:
    chosen = [row for word in chosen for row in SETS.get(word, (word,))]
    unknown = [word for word in chosen if word not in ROWS]
    if unknown:
        print(f"error: there is no row {unknown[0]}: choose of {', '.join(ROWS)}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        lane()
    except NoLane as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    figures: list[Figure] = []
    interrupted = False
    try:
        engine.remove_all()
        rules.tidy()
        images = ensure_images(tools.program("nginx"))
        for group in (FEW, MANY):
            wanted = {word: row for word, row in group.items() if not chosen or word in chosen}
            _group(wanted, images, console, figures)
    except KeyboardInterrupt:
        interrupted = True
        console.print("interrupted: what was measured so far")
    finally:
        engine.remove_all()
    show(figures, console)
    write(figures, OUTPUT)
    if interrupted:
        return INTERRUPTED
    return 1 if any(figure.note.startswith(FAILED) for figure in figures) else 0


def _group(
    rows: Mapping[str, Row], images: Images, console: Console, figures: list[Figure]
) -> None:
    """A row that fails says so, and the others go on; what is measured is added at once."""
    if not rows:
        return
    try:
        with instance(images) as stage:
            for word, row in rows.items():
                figures += measured(word, row, stage, images, console)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other group is measured
        traceback.print_exc()
        done = {figure.row for figure in figures}
        figures += [_failed(word, error) for word in rows if word not in done]


def measured(
    word: str, row: Row, stage: Instance, images: Images, console: Console
) -> list[Figure]:
    console.print(f"[dim]{word} …[/dim]")
    began, busy = time.monotonic(), _busy_cores()
    try:
        first, *others = row(stage, images)
        return [_disturbed(first, busy), *others]
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are measured
        traceback.print_exc()
        with suppress(engine.EngineError):
            engine.remove_all()
        return [_failed(word, error)]
    finally:
        console.print(f"[dim]{word}: {time.monotonic() - began:.0f} s[/dim]")


def _busy_cores() -> float:
    """What the machine does while nothing is measured."""
    before = machine.machine_seconds()
    time.sleep(QUIET_SECONDS)
    return (machine.machine_seconds() - before) / QUIET_SECONDS


def _disturbed(figure: Figure, busy: float) -> Figure:
    detail = {**figure.detail, "cores busy before": round(busy, 2)}
    if busy <= QUIET_CORES:
        return replace(figure, detail=detail)
    disturbance = f"something else used {busy:.1f} of {len(machine.cores())} cores before it began"
    return replace(figure, detail=detail, note="; ".join(filter(None, (figure.note, disturbance))))


def _failed(word: str, error: Exception) -> Figure:
    return Figure(word, word, "", None, note=f"{FAILED}: {type(error).__name__}: {error}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
