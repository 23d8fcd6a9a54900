"""The live view of a deployment on a terminal."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from spacecloud.cli.output import COLOURS

if TYPE_CHECKING:
    from spacecloud.cli.deployment import DeploymentView


class LiveScreen:
    def __init__(self) -> None:
        self._live = Live(Spinner("dots", "waiting"), transient=True, refresh_per_second=8)
        self._since = time.monotonic()

    def __enter__(self) -> "LiveScreen":
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, views: "Sequence[DeploymentView]", note: str) -> None:
        rows = Table.grid(padding=(0, 2))
        for view in views:
            mark = "…" if view.outcome == "waiting" else "✓" if view.outcome == "ready" else "✗"
            rows.add_row(
                mark,
                Text(str(view.awaited)),
                Text(view.state, COLOURS.get(view.state, "")),
                view.replicas,
                Text(view.message, overflow="ellipsis", no_wrap=True),
            )
        ready = sum(view.outcome == "ready" for view in views)
        elapsed = f"{time.monotonic() - self._since:.0f} s"
        heading = Spinner("dots", Text(f"{ready} of {len(views)} ready, {elapsed} {note}"))
        self._live.update(Group(rows, heading))
