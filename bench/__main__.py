"""
Measure, print a table, write ``build/bench.json``.

    python -m bench                   every row
    python -m bench start mesh        these
"""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from rich.console import Console

from bench import engine, mesh, starting, tools
from bench.engine import Images
from bench.figures import Figure, show, write
from bench.images import ensure_images
from bench.instance import Instance, instance

OUTPUT = Path("build/bench.json")

Row = Callable[[Instance, Images], list[Figure]]

ROWS: dict[str, Row] = {
    "start": starting.start,
    "more": starting.more,
    "twenty": starting.twenty,
    "mesh": mesh.mesh,
}


def main(chosen: Sequence[str]) -> int:
    unknown = [word for word in chosen if word not in ROWS]
    if unknown:
        print(f"error: there is no row {unknown[0]}: choose of {', '.join(ROWS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    figures: list[Figure] = []
    try:
        engine.remove_all()
        images = ensure_images(tools.program("nginx"))
        with instance(images) as stage:
            for row in chosen or ROWS:
                figures += _measured(row, stage, images, console)
    except KeyboardInterrupt:
        console.print("interrupted: what was measured so far")
    finally:
        engine.remove_all()
    show(figures, console)
    write(figures, OUTPUT)
    return 0


def _measured(row: str, stage: Instance, images: Images, console: Console) -> list[Figure]:
    console.print(f"[dim]{row} …[/dim]")
    began = time.monotonic()
    try:
        return ROWS[row](stage, images)
    except Exception as error:
        with suppress(engine.EngineError):
            engine.remove_all()
        return [Figure(row, row, "", None, note=f"failed: {type(error).__name__}: {error}")]
    finally:
        console.print(f"[dim]{row}: {time.monotonic() - began:.0f} s[/dim]")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
