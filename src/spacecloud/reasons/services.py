"""How it is with a version, where no task, image or platform is to blame."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from spacecloud.reasons.base import BaseReason
from spacecloud.reasons.images import ImageReason
from spacecloud.reasons.platform import PlatformReason
from spacecloud.reasons.scaling import MemoryShort
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
    why: TaskReason | ImageReason | PlatformReason | MemoryShort

    code = "ObservationFailed"

    def __str__(self) -> str:
        return f"it cannot be looked at: {self.why}"

    @property
    def fix(self) -> str:
        return self.why.fix


@dataclass(frozen=True, slots=True)
class Asleep(BaseReason):
    code = "NoReplicaWanted"
    remedy = "set scale.maxReplicas to 1 or more"

    def __str__(self) -> str:
        return "no replica is wanted"


@dataclass(frozen=True, slots=True)
class NoneAskedFor(BaseReason):
    code = "NoneAskedFor"
    remedy = "ask for another number (space-cli scale), or apply again"

    def __str__(self) -> str:
        return "0 replicas were asked for, until the next apply"


@dataclass(frozen=True, slots=True)
class Sleeping(BaseReason):
    """It has no traffic, and a replica of it is kept to be woken by the next call."""

    depth: Literal["frozen", "stopped"]
    since: datetime

    code = "Asleep"

    def __str__(self) -> str:
        return f"{self.depth} since {self.since:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def fix(self) -> str:
        return "nothing: the next call wakes it"


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
class Confirming(BaseReason):
    """A new revision serves as declared, and may yet turn out not to last."""

    seconds: float

    code = "Confirming"

    @property
    def fix(self) -> str:
        return f"wait: it is confirmed when it has served for {self.seconds:g} s"

    def __str__(self) -> str:
        return f"it serves, and is confirmed when it has for {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class RolledBack(BaseReason):
    """A new revision did not last, and the one before it serves again."""

    revision: int
    serving: int
    """The revision that was returned to."""

    subject: str
    why: str
    """A plain line of bounded length, as ``fix_of_cause`` is."""

    fix_of_cause: str = ""
    cause: str = ""
    """Its code."""

    code = "RolledBack"

    @property
    def fix(self) -> str:
        return _then(self.fix_of_cause, "apply again: the same document is tried once more, too")

    def __str__(self) -> str:
        return (
            f"revision {self.revision} did not last, revision {self.serving} serves: "
            f"{self.subject}: {self.why}"
        )


@dataclass(frozen=True, slots=True)
class NotConfirmed(BaseReason):
    """The first revision did not last: there is nothing to return to."""

    revision: int
    subject: str
    why: str
    """A plain line of bounded length, as ``fix_of_cause`` is."""

    fix_of_cause: str = ""
    cause: str = ""
    """Its code."""

    code = "NotConfirmed"

    @property
    def fix(self) -> str:
        return _then(self.fix_of_cause, "apply again: until then it is restarted")

    def __str__(self) -> str:
        return f"revision {self.revision} did not last: {self.subject}: {self.why}"


def _then(first: str, then: str) -> str:
    return f"{first or 'mend it'}; then {then}"


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
    NotObserved
    | BeingObserved
    | LookFailed
    | Asleep
    | NoneAskedFor
    | Sleeping
    | Progressing
    | Confirming
    | RolledBack
    | NotConfirmed
    | CallDenied
    | NoCaller
)
