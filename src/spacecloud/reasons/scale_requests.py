"""What comes of what a person asks about a version's replicas: how long it holds, and why not."""

from dataclasses import dataclass

from spacecloud.reasons.base import BaseReason


@dataclass(frozen=True, slots=True)
class UntilNextApply(BaseReason):
    replicas: int

    code = "UntilNextApply"

    def __str__(self) -> str:
        runs = "1 replica" if self.replicas == 1 else f"{self.replicas} replicas"
        return f"{runs} until the next apply of it, whatever the load"


@dataclass(frozen=True, slots=True)
class OutsideBounds(BaseReason):
    replicas: int
    minimum: int
    maximum: int

    code = "OutsideBounds"

    def __str__(self) -> str:
        bounds = f"{self.minimum} to {self.maximum}"
        return (
            f"{self.replicas} is outside of the {bounds} that are declared, and holds all the same"
        )


@dataclass(frozen=True, slots=True)
class NobodyWakesIt(BaseReason):
    """Of a number of 0 that a person has asked for."""

    code = "NobodyWakesIt"
    remedy = "where a call is to wake it: space-cli sleep"

    def __str__(self) -> str:
        return "no replica runs, and no call wakes one"


@dataclass(frozen=True, slots=True)
class StillWaking(BaseReason):
    seconds: float

    code = "StillWaking"
    remedy = "see why it does not become ready: space-cli why"

    def __str__(self) -> str:
        return f"it takes no calls yet after {self.seconds:g} s; its wake goes on"


@dataclass(frozen=True, slots=True)
class MinimumKeepsAwake(BaseReason):
    minimum: int
    field: str
    """That says so, as in ``scale.replicas``."""

    code = "MinimumKeepsAwake"

    @property
    def fix(self) -> str:
        return f"set {self.field.partition('.')[0]}.minReplicas to 0 and apply"

    def __str__(self) -> str:
        return f"{self.field} is {self.minimum}"


@dataclass(frozen=True, slots=True)
class ScaleNotWritten(BaseReason):
    code = "ScaleNotWritten"
    remedy = "write scale: {minReplicas: 0} and apply"

    def __str__(self) -> str:
        return "its document has neither scale nor autoScale: one replica runs always"


@dataclass(frozen=True, slots=True)
class NoPortToWakeIt(BaseReason):
    code = "NoPortToWakeIt"
    remedy = "declare an http or tcp port, or scale it to 0 until the next apply"

    def __str__(self) -> str:
        return "it has no port, so that no call could wake it"


@dataclass(frozen=True, slots=True)
class NoneAllowed(BaseReason):
    field: str

    code = "NoneAllowed"

    @property
    def fix(self) -> str:
        return f"set {self.field} to 1 or more and apply"

    def __str__(self) -> str:
        return f"{self.field} is 0: none runs that could sleep"


NeverSleeps = MinimumKeepsAwake | ScaleNotWritten | NoPortToWakeIt | NoneAllowed
"""Why a version may not sleep at all."""

ScaleRequestReason = UntilNextApply | OutsideBounds | NobodyWakesIt | StillWaking | NeverSleeps
