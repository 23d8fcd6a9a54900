"""One thing that was looked at, as doctors of all drivers tell it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    said: str
    """What was found; where it is wrong, with the fix."""

    ok: bool
