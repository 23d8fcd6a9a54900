"""
The vocabulary of planning: an ordered list of operations, each with its cause.

A plan decides everything; whoever executes it chooses nothing. Its first ``now`` steps are
carried out; what follows is a forecast of later looks, shown to people and decided anew when
the world has answered. ``str(plan)`` is stable.
"""

from collections.abc import Iterable, Iterator
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


Steps = tuple[int, ...]
"""Indexes of steps, to come after."""


class PlanBuilder:
    """A plan in the making."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._problems: dict[str, None] = {}
        self._looks: list[datetime] = []

    def add(self, op: Op, cause: str, after: Iterable[int] = ()) -> Steps:
        self._steps.append(Step(op, cause, tuple(sorted(set(after)))))
        return (len(self._steps) - 1,)

    def problem(self, reason: str) -> None:
        self._problems.setdefault(reason)

    def look_again(self, at: datetime) -> None:
        self._looks.append(at)

    def plan(self) -> Plan:
        return Plan(
            steps=tuple(self._steps),
            now=len(self._steps),
            problem="; ".join(self._problems),
            look_again_at=min(self._looks, default=None),
        )
