"""
What is known of one applied service at one moment, from its status.

| its status                                | outcome     | waiting ends            |
|-------------------------------------------|-------------|-------------------------|
| of a later apply, or gone                 | superseded  | when all are settled    |
| of an earlier apply, or not looked at yet | waiting     |                         |
| failed                                    | failed      | at once                 |
| ready, completed or asleep                | ready       | when all are settled    |
| serves and is not confirmed yet           | waiting     |                         |
| … where serving is all that is awaited    | ready       | when all are settled    |
| anything else                             | waiting     |                         |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

Status = dict[str, Any]
Goal = Literal["confirmed", "serving"]
"""What is waited for."""

Outcome = Literal["waiting", "ready", "failed", "superseded"]

OUTCOMES: Mapping[str, Outcome] = {
    "ready": "ready",
    "completed": "ready",
    "asleep": "ready",
    "failed": "failed",
}
"""Of a state that is the last one."""


@dataclass(frozen=True, slots=True)
class Awaited:
    project: str
    service: str
    version: str
    generation: int
    notices: tuple[str, ...] = ()
    """Told when it was accepted."""

    def __str__(self) -> str:
        return f"{self.project}/{self.service}@{self.version}"


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """What is known of one service at one moment."""

    awaited: Awaited
    outcome: Outcome = "waiting"
    status: Status = field(default_factory=dict)
    progress: str = ""
    """Since when it serves and for how long it has to, once it does."""

    @property
    def state(self) -> str:
        if self.outcome == "superseded":
            return "superseded"
        return str(self.status.get("state", "progressing"))

    @property
    def replicas(self) -> str:
        if "readyReplicas" not in self.status:
            return "-"
        return f"{self.status['readyReplicas']}/{self.status['desiredReplicas']}"

    @property
    def message(self) -> str:
        if self.outcome == "superseded" or self.outcome == "ready":
            return ""
        if self.progress:
            return self.progress
        if self.outcome == "failed":
            return str(self.status.get("message", ""))
        parts = (self.status.get("message"), self.status.get("nextStep"))
        return "; ".join(str(part) for part in parts if part)


def view_of(
    awaited: Awaited, statuses: Iterable[Status], goal: Goal = "confirmed"
) -> DeploymentView:
    """By the table above."""
    status = next((s for s in statuses if _is_of(s, awaited)), None)
    if status is None or status["state"] == "removing":
        return DeploymentView(awaited, "superseded", status or {})
    if status["generation"] > awaited.generation:
        return DeploymentView(awaited, "superseded", status)
    if min(status["generation"], status["observedGeneration"]) < awaited.generation:
        return DeploymentView(awaited, "waiting", {**status, "state": "progressing"})
    outcome = OUTCOMES.get(status["state"], "waiting")
    if outcome == "waiting" and goal == "serving" and status.get("serving"):
        outcome = "ready"
    return DeploymentView(awaited, outcome, status)


def with_progress(
    view: DeploymentView, before: DeploymentView, seconds: float, now: datetime
) -> DeploymentView:
    """Told as it was seen first, ``seconds`` after the apply: a line is not said every second."""
    if view.outcome != "waiting" or not view.status.get("confirmedAt"):
        return view
    if before.progress:
        return replace(view, progress=before.progress)
    left = (datetime.fromisoformat(view.status["confirmedAt"]) - now).total_seconds()
    progress = f"serving after {seconds:.1f} s, confirming {max(0, left):.0f} s"
    return replace(view, progress=progress)


def _is_of(status: Status, awaited: Awaited) -> bool:
    return (status["serviceId"], status["version"]) == (awaited.service, awaited.version)
