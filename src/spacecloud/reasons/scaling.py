"""Why a version has the number of replicas that it has, why it sleeps, and why it does not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from spacecloud.reasons.base import BaseReason


@dataclass(frozen=True, slots=True)
class InFlight(BaseReason):
    """Requests or connections, of which long-lived streams are one each."""

    active: float

    code = "InFlight"

    def __str__(self) -> str:
        return f"it has {self.active:g} requests and connections in flight"


@dataclass(frozen=True, slots=True)
class ConnectionsOpen(BaseReason):
    connections: int

    code = "ConnectionsOpen"

    def __str__(self) -> str:
        many = "1 connection is" if self.connections == 1 else f"{self.connections} connections are"
        return f"{many} open"


@dataclass(frozen=True, slots=True)
class CallsOthers(BaseReason):
    callees: tuple[str, ...]

    code = "CallsOthers"

    def __str__(self) -> str:
        return f"it has calls under way to {', '.join(self.callees)}"


@dataclass(frozen=True, slots=True)
class CpuBusy(BaseReason):
    millicores: float
    floor: int

    code = "CpuBusy"

    def __str__(self) -> str:
        return f"a replica uses {self.millicores:.0f} thousandths of a core; {self.floor} is busy"


@dataclass(frozen=True, slots=True)
class LeaseHeld(BaseReason):
    """The application has said that it works."""

    until: datetime

    code = "LeaseHeld"

    def __str__(self) -> str:
        return f"it holds a lease until {self.until:%H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class AwakeHour(BaseReason):
    until: datetime | None

    code = "AwakeHour"

    def __str__(self) -> str:
        end = f", until {self.until:%Y-%m-%d %H:%M} UTC" if self.until is not None else ""
        return f"it is an hour in which it does not sleep{end}"


@dataclass(frozen=True, slots=True)
class ScheduleOpen(BaseReason):
    trigger: str
    replicas: int

    code = "ScheduleOpen"

    def __str__(self) -> str:
        return f"the trigger {self.trigger} wants {self.replicas} at this time"


@dataclass(frozen=True, slots=True)
class NoReplicaReady(BaseReason):
    code = "NoReplicaReady"

    def __str__(self) -> str:
        return "no replica is ready: none could be woken in an instant"


@dataclass(frozen=True, slots=True)
class NotSettled(BaseReason):
    """A new revision is on its way, or not confirmed."""

    code = "NotSettled"

    def __str__(self) -> str:
        return "its latest revision is not confirmed yet"


@dataclass(frozen=True, slots=True)
class LoadUnknown(BaseReason):
    """No data is not zero."""

    triggers: tuple[str, ...] = ()
    """Those of which nothing is known; empty: whether it is called at all."""

    code = "LoadUnknown"
    remedy = "wait a moment; if it stays so: space-cloud doctor"

    def __str__(self) -> str:
        return f"nothing was reported of {', '.join(self.triggers) or 'its calls'} lately"


@dataclass(frozen=True, slots=True)
class LoadChanged(BaseReason):
    trigger: str
    value: float
    """Of all replicas, as the window that decided has it."""

    target: float
    """Of one."""

    code = "LoadChanged"

    def __str__(self) -> str:
        return (
            f"{self.trigger} is {self.value:.4g} in all, {self.target:.4g} per replica is the aim"
        )


@dataclass(frozen=True, slots=True)
class BoundsChanged(BaseReason):
    minimum: int
    maximum: int

    code = "BoundsChanged"

    def __str__(self) -> str:
        return f"{self.minimum} to {self.maximum} replicas are allowed"


@dataclass(frozen=True, slots=True)
class Unused(BaseReason):
    seconds: float

    code = "Unused"

    def __str__(self) -> str:
        return f"nobody has called it for {self.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class Called(BaseReason):
    code = "Called"

    def __str__(self) -> str:
        return "it was called"


@dataclass(frozen=True, slots=True)
class SleepNotAllowed(BaseReason):
    depth: Literal["frozen", "stopped"] | None = None
    """That is not allowed; None: neither."""

    code = "SleepNotAllowed"

    def __str__(self) -> str:
        return f"its document does not let it {f'be {self.depth}' if self.depth else 'sleep'}"


@dataclass(frozen=True, slots=True)
class AskedFor(BaseReason):
    """By a person, until the next apply."""

    replicas: int

    code = "AskedFor"

    def __str__(self) -> str:
        many = "1 replica was" if self.replicas == 1 else f"{self.replicas} replicas were"
        return f"{many} asked for, until the next apply"


@dataclass(frozen=True, slots=True)
class AskedToSleep(BaseReason):
    """By a person, until the next call."""

    code = "AskedToSleep"

    def __str__(self) -> str:
        return "somebody sent it to sleep"


@dataclass(frozen=True, slots=True)
class AskedToWake(BaseReason):
    """By a person."""

    code = "AskedToWake"

    def __str__(self) -> str:
        return "somebody asked for it"


@dataclass(frozen=True, slots=True)
class CallerAwake(BaseReason):
    """Of what is declared behind it, or holds a connection to it."""

    connected: bool

    code = "CallerAwake"

    def __str__(self) -> str:
        how = "has a connection to it" if self.connected else "calls it"
        return f"what {how} woke"


@dataclass(frozen=True, slots=True)
class CalledAsleep(BaseReason):
    """By a request that the gateway had passed before it knew."""

    code = "CalledAsleep"

    def __str__(self) -> str:
        return "a request had reached it"


@dataclass(frozen=True, slots=True)
class LeaseTaken(BaseReason):
    code = "LeaseTaken"

    def __str__(self) -> str:
        return "it has taken a lease"


@dataclass(frozen=True, slots=True)
class TriggerNotSupported(BaseReason):
    trigger: str
    driver: str

    code = "TriggerNotSupported"
    remedy = "use requests-per-second, active-requests, cpu, memory or cron"

    def __str__(self) -> str:
        return f"the {self.driver} driver has no trigger {self.trigger}"


@dataclass(frozen=True, slots=True)
class MemoryShort(BaseReason):
    wanted_mib: int
    free_mib: int

    code = "MemoryShort"
    remedy = "wait until others need less, lower resources.memory, or give the machine more"

    def __str__(self) -> str:
        return f"it needs {self.wanted_mib} MiB of memory, and {self.free_mib} MiB are free"


BusyReason = (
    InFlight
    | ConnectionsOpen
    | CallsOthers
    | CpuBusy
    | LeaseHeld
    | AwakeHour
    | ScheduleOpen
    | NoReplicaReady
    | NotSettled
    | LoadUnknown
)
"""Why a version does not sleep now, though it may."""

WakeReason = Called | CallerAwake | CalledAsleep | LeaseTaken | AskedToWake
"""Why a version was woken."""

ScalingReason = (
    BusyReason
    | LoadChanged
    | BoundsChanged
    | Unused
    | SleepNotAllowed
    | AskedFor
    | AskedToSleep
    | WakeReason
    | TriggerNotSupported
    | MemoryShort
)
