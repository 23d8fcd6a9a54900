"""
The vocabulary of planning: an ordered list of operations, each with its cause.

A plan decides everything; whoever executes it chooses nothing. Its first ``now`` steps are
carried out; what follows is a forecast of later looks, shown to people and decided anew when
the world has answered. ``str(plan)`` is stable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from spacecloud.workloads.operations import Op


@dataclass(frozen=True, slots=True)
class Step:
    op: Op
    cause: str
    after: tuple[int, ...] = ()
    """Indexes of the steps that must have succeeded first."""


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...] = ()
    now: int = 0
    """How many of the steps are decided; those that follow are forecast."""

    problem: str = ""
    """Why the declaration cannot be carried out as it is; empty when it can."""

    look_again_at: datetime | None = None
    """When the passing of time alone makes another look worth while."""

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __str__(self) -> str:
        return "\n".join(
            f"{list(s.after)} -> #{i} {s.op}: {s.cause}" for i, s in enumerate(self.steps)
        )
