"""What a wake took, in its parts."""

from dataclasses import dataclass
from typing import Literal

RunName = Literal["thaw", "start"]

PartName = Literal["gate", RunName, "create", "ready"]


@dataclass(frozen=True, slots=True)
class WakePart:
    name: PartName
    seconds: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """A kept replica runs again and takes requests: what that took the driver."""

    by: RunName | None
    """``start`` where any task had ended; None: they all ran already."""

    run_seconds: float
    """Until all its tasks ran. What was done to them at that moment is waited for first."""

    ready_seconds: float
    """From then on, until its probes, or else its ports, said that it takes requests."""

    @property
    def parts(self) -> tuple[WakePart, ...]:
        run = () if self.by is None else (WakePart(self.by, self.run_seconds),)
        return (*run, WakePart("ready", self.ready_seconds))
