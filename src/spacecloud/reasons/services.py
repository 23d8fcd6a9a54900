"""How it is with a version, where no task, image or platform is to blame."""

from dataclasses import dataclass

from spacecloud.reasons.base import BaseReason
from spacecloud.reasons.images import ImageReason
from spacecloud.reasons.platform import PlatformReason
from spacecloud.reasons.tasks import TaskReason


@dataclass(frozen=True, slots=True)
class NotObserved(BaseReason):
    code = "NotObserved"
    remedy = "wait a moment; if it stays so: space-cloud doctor"

    def __str__(self) -> str:
        return "accepted, not looked at yet"


@dataclass(frozen=True, slots=True)
class BeingObserved(BaseReason):
    """The look began, and the engine has not answered."""

    code = "BeingObserved"
    remedy = "wait for the Docker Engine; if it stays so, see whether docker ps answers"

    def __str__(self) -> str:
        return "accepted, a look at it has begun and the Docker Engine has not answered yet"


@dataclass(frozen=True, slots=True)
class LookFailed(BaseReason):
    why: TaskReason | ImageReason | PlatformReason

    code = "ObservationFailed"

    def __str__(self) -> str:
        return f"it cannot be looked at: {self.why}"

    @property
    def fix(self) -> str:
        return self.why.fix


@dataclass(frozen=True, slots=True)
class Asleep(BaseReason):
    code = "NoReplicaWanted"
    remedy = "set minReplicas (of autoScale, else of scale) to 1 or more"

    def __str__(self) -> str:
        return "no replica is wanted"


@dataclass(frozen=True, slots=True)
class Progressing(BaseReason):
    next_step: str = ""

    code = "Progressing"

    def __str__(self) -> str:
        return "it is on its way"

    @property
    def fix(self) -> str:
        return f"wait: {self.next_step}" if self.next_step else "wait a moment"


@dataclass(frozen=True, slots=True)
class CallDenied(BaseReason):
    caller: str
    port: int
    count: int
    permission: str
    """The line that would allow it; empty where both sides do now."""

    code = "CallDenied"

    def __str__(self) -> str:
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"{self.caller} was refused on port {self.port}, {times}"

    @property
    def fix(self) -> str:
        return self.permission or "nothing: both sides allow it now"


@dataclass(frozen=True, slots=True)
class NoCaller(BaseReason):
    code = "NoCaller"
    remedy = "name callers in its whitelists (and it in their upstreams), or add an ingress route"

    def __str__(self) -> str:
        return "nobody may call it, and no ingress route leads to it"


ServiceReason = (
    NotObserved | BeingObserved | LookFailed | Asleep | Progressing | CallDenied | NoCaller
)
