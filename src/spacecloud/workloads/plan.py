"""
The vocabulary of planning: an ordered list of operations, each with its cause.

A plan decides everything; whoever executes it chooses nothing. Steps that wait
(``Await…``) end an execution: what comes after them is a forecast, shown to people and
planned anew when the wait is over. ``str(plan)`` is stable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from spacecloud.workloads.ops import Op, Wait


@dataclass(frozen=True, slots=True)
class Step:
    op: Op
    cause: str
    after: tuple[int, ...] = ()
    """Indexes of the steps that must have succeeded first."""


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...] = ()
    problem: str = ""
    """Why the declaration cannot be carried out as it is; empty when it can."""

    look_again_at: datetime | None = None
    """When the passing of time alone makes another look worth while."""

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __str__(self) -> str:
        lines = (f"{list(s.after)} -> #{i} {s.op}: {s.cause}" for i, s in enumerate(self.steps))
        return "\n".join(lines)

    def executable(self) -> tuple[int, ...]:
        """Indexes of the steps to carry out now: those that no wait and no discovery precedes."""
        blocked: set[int] = set()
        ready: list[int] = []
        for index, step in enumerate(self.steps):
            if isinstance(step.op, Wait) or any(earlier in blocked for earlier in step.after):
                blocked.add(index)
                continue
            ready.append(index)
            if step.op.discovers:
                blocked.add(index)
        return tuple(ready)
