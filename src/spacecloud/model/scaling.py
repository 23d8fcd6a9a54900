"""How many replicas of a version are wanted, as it was decided last: a stored value."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Depth = Literal["frozen", "stopped"]
"""How deep a version sleeps: with its memory kept (the cgroup freezer), or with it given back."""


@dataclass(frozen=True, slots=True)
class Scaling:
    replicas: int
    """Awake: how many are to run. Asleep: how many are kept to be woken, one as a rule."""

    since: datetime
    """When this was decided."""

    asleep: Depth | None = None
    """None: awake."""

    pinned: int | None = None
    """The generation for which a person asked for this; None: load decides."""
