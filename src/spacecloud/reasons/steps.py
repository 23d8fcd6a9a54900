"""Why a step of a plan is due. Nothing has to be done about them."""

from dataclasses import dataclass
from typing import Literal

from spacecloud.reasons.base import BaseReason
from spacecloud.reasons.tasks import ProbeReason


@dataclass(frozen=True, slots=True)
class Deleted(BaseReason):
    code = "Deleted"

    def __str__(self) -> str:
        return "deleted"


@dataclass(frozen=True, slots=True)
class NotDeclared(BaseReason):
    """The store does not know the service."""

    code = "NotDeclared"

    def __str__(self) -> str:
        return "not declared"


@dataclass(frozen=True, slots=True)
class VersionRemoved(BaseReason):
    code = "VersionRemoved"

    def __str__(self) -> str:
        return "not declared any more"


@dataclass(frozen=True, slots=True)
class NothingLeft(BaseReason):
    code = "NothingLeft"

    def __str__(self) -> str:
        return "nothing is left"


@dataclass(frozen=True, slots=True)
class PullNotWanted(BaseReason):
    code = "PullNotWanted"

    def __str__(self) -> str:
        return "nobody wants it any more"


@dataclass(frozen=True, slots=True)
class NetworkMissing(BaseReason):
    code = "NetworkMissing"

    def __str__(self) -> str:
        return "the service has no network"


@dataclass(frozen=True, slots=True)
class NetworkDiffers(BaseReason):
    found: str
    wanted: str

    code = "NetworkDiffers"

    def __str__(self) -> str:
        return f"the network is {self.found}, not {self.wanted}"


@dataclass(frozen=True, slots=True)
class NamesMissing(BaseReason):
    code = "NamesMissing"

    def __str__(self) -> str:
        return "no names yet"


@dataclass(frozen=True, slots=True)
class NamesDiffer(BaseReason):
    code = "NamesDiffer"

    def __str__(self) -> str:
        return "names differ"


@dataclass(frozen=True, slots=True)
class NotPublished(BaseReason):
    code = "NotPublished"

    def __str__(self) -> str:
        return "the gateway does not know the service yet"


@dataclass(frozen=True, slots=True)
class FaceChanged(BaseReason):
    code = "PolicyChanged"

    def __str__(self) -> str:
        return "ports, names or callers changed"


@dataclass(frozen=True, slots=True)
class EndpointsChanged(BaseReason):
    """Addresses, sorted."""

    ready: tuple[str, ...] = ()
    draining: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    code = "EndpointsChanged"

    def __str__(self) -> str:
        parts = {"ready": self.ready, "draining": self.draining, "gone": self.gone}
        return ", ".join(f"{' '.join(names)} {word}" for word, names in parts.items() if names)


@dataclass(frozen=True, slots=True)
class NotAcknowledged(BaseReason):
    code = "NotAcknowledged"

    def __str__(self) -> str:
        return "the gateway has not acknowledged what it was sent last"


@dataclass(frozen=True, slots=True)
class SlotEmpty(BaseReason):
    wanted: int
    slot: int

    code = "ReplicaMissing"

    def __str__(self) -> str:
        return f"{self.wanted} wanted, slot {self.slot} is empty"


@dataclass(frozen=True, slots=True)
class SandboxLost(BaseReason):
    state: str

    code = "SandboxChanged"

    def __str__(self) -> str:
        return f"its sandbox is {self.state}"


@dataclass(frozen=True, slots=True)
class TasksMissing(BaseReason):
    tasks: tuple[str, ...]

    code = "TasksMissing"

    def __str__(self) -> str:
        if len(self.tasks) < 4:
            return f"{' and '.join(self.tasks)} not there"
        return "tasks are not there"


@dataclass(frozen=True, slots=True)
class RevisionMissing(BaseReason):
    generation: int

    code = "RevisionMissing"

    def __str__(self) -> str:
        return f"generation {self.generation} has no revision yet"


@dataclass(frozen=True, slots=True)
class RevisionImageGone(BaseReason):
    revision: int

    code = "RevisionImageGone"

    def __str__(self) -> str:
        return f"an image of revision {self.revision} is not here any more"


@dataclass(frozen=True, slots=True)
class SecretChanged(BaseReason):
    secrets: tuple[str, ...]

    code = "SecretChanged"

    def __str__(self) -> str:
        return f"secret {', '.join(self.secrets)} changed"


@dataclass(frozen=True, slots=True)
class ImageMissing(BaseReason):
    code = "ImageMissing"

    def __str__(self) -> str:
        return "the image is not here"


@dataclass(frozen=True, slots=True)
class PullAlways(BaseReason):
    code = "PullAlways"

    def __str__(self) -> str:
        return "imagePullPolicy is always"


@dataclass(frozen=True, slots=True)
class RevisionReplaced(BaseReason):
    hash: str

    code = "RevisionReplaced"

    def __str__(self) -> str:
        return f"replaced by revision {self.hash}"


@dataclass(frozen=True, slots=True)
class RevisionGivenUp(BaseReason):
    revision: int

    code = "RevisionGivenUp"

    def __str__(self) -> str:
        return f"revision {self.revision} is given up"


@dataclass(frozen=True, slots=True)
class NoneWanted(BaseReason):
    code = "ScaledToZero"

    def __str__(self) -> str:
        return "none are wanted"


@dataclass(frozen=True, slots=True)
class Surplus(BaseReason):
    wanted: int

    code = "ScaledDown"

    def __str__(self) -> str:
        return f"more than {self.wanted}"


GoingReason = (
    Deleted
    | NotDeclared
    | VersionRemoved
    | RevisionReplaced
    | RevisionGivenUp
    | NoneWanted
    | Surplus
    | NetworkDiffers
)
"""Why a replica goes."""


@dataclass(frozen=True, slots=True)
class Idle(BaseReason):
    why: GoingReason

    code = "Drained"

    def __str__(self) -> str:
        return f"{self.why}; nothing in flight"


@dataclass(frozen=True, slots=True)
class StillBusy(BaseReason):
    why: GoingReason
    seconds: float

    code = "DrainTimeout"

    def __str__(self) -> str:
        return f"{self.why}; still busy after {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class AskedToEnd(BaseReason):
    code = "Killing"

    def __str__(self) -> str:
        return "asked to end"


@dataclass(frozen=True, slots=True)
class GraceOver(BaseReason):
    seconds: float

    code = "StopTimeout"

    def __str__(self) -> str:
        return f"did not end within {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class Orphaned(BaseReason):
    code = "SandboxRestarted"

    def __str__(self) -> str:
        return "its sandbox was restarted and left it behind"


@dataclass(frozen=True, slots=True)
class Unhealthy(BaseReason):
    failures: int
    why: ProbeReason | None

    code = "Unhealthy"

    def __str__(self) -> str:
        return f"failed {self.failures} probes: {self.why or ''}"


@dataclass(frozen=True, slots=True)
class NotReadyInTime(BaseReason):
    seconds: float
    why: ProbeReason | None

    code = "GraceExceeded"

    def __str__(self) -> str:
        return f"not ready after {self.seconds:g} s: {self.why or ''}"


@dataclass(frozen=True, slots=True)
class NotEveryTaskReady(BaseReason):
    code = "ContainersNotReady"

    def __str__(self) -> str:
        return "not every task is ready"


@dataclass(frozen=True, slots=True)
class FallsAsleep(BaseReason):
    depth: Literal["frozen", "stopped"]

    code = "FallingAsleep"

    def __str__(self) -> str:
        return f"its version is to sleep, {self.depth}"


@dataclass(frozen=True, slots=True)
class BusyWhileFrozen(BaseReason):
    """A worker of the gateway sent it a request after the gate was acknowledged."""

    code = "BusyWhileFrozen"

    def __str__(self) -> str:
        return "it has something in flight"


@dataclass(frozen=True, slots=True)
class Awake(BaseReason):
    code = "Awake"

    def __str__(self) -> str:
        return "its version is awake"


@dataclass(frozen=True, slots=True)
class GateChanged(BaseReason):
    """Versions, sorted."""

    shut: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    code = "GateChanged"

    def __str__(self) -> str:
        parts = {"wait at the gate": self.shut, "pass": self.open}
        return ", ".join(f"calls of {' '.join(v)} {word}" for word, v in parts.items() if v)


@dataclass(frozen=True, slots=True)
class UnderWay(BaseReason):
    code = "UnderWay"

    def __str__(self) -> str:
        return "it has been begun"


@dataclass(frozen=True, slots=True)
class AllServe(BaseReason):
    code = "AllReplicasServe"

    def __str__(self) -> str:
        return "all replicas take requests"


@dataclass(frozen=True, slots=True)
class Lasted(BaseReason):
    seconds: float

    code = "Confirmed"

    def __str__(self) -> str:
        return f"it has served for {self.seconds:g} s"


StepReason = (
    GoingReason
    | AllServe
    | Lasted
    | NothingLeft
    | PullNotWanted
    | NetworkMissing
    | NamesMissing
    | NamesDiffer
    | NotPublished
    | FaceChanged
    | EndpointsChanged
    | NotAcknowledged
    | SlotEmpty
    | SandboxLost
    | TasksMissing
    | RevisionMissing
    | RevisionImageGone
    | SecretChanged
    | ImageMissing
    | PullAlways
    | Idle
    | StillBusy
    | AskedToEnd
    | GraceOver
    | Orphaned
    | Unhealthy
    | NotReadyInTime
    | NotEveryTaskReady
    | UnderWay
    | FallsAsleep
    | BusyWhileFrozen
    | Awake
    | GateChanged
)
