"""A plan in the making."""

from collections.abc import Iterable
from datetime import datetime

from spacecloud.workloads.operations import Op
from spacecloud.workloads.plan import Plan, Step

Steps = tuple[int, ...]
"""Indexes of steps, to come after."""


class PlanBuilder:
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
