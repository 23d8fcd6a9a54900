"""What the engine, the gateway and the machine refuse, or fail at."""

from dataclasses import dataclass
from typing import Literal

from spacecloud.reasons.base import BaseReason

DOCTOR = "it is tried again by itself; if it stays so: space-cloud doctor"


def _refusal(action: str, message: str, advice: str) -> str:
    return f"{action}: {message}: {advice}" if advice else f"{action}: {message}"


@dataclass(frozen=True, slots=True)
class HostFailed(BaseReason):
    """Files, rules, routes, connections or a program of the machine."""

    action: str
    message: str
    advice: str = ""

    code = "HostError"
    remedy = DOCTOR

    def __str__(self) -> str:
        return _refusal(self.action, self.message, self.advice)

    @property
    def fix(self) -> str:
        return self.advice or self.remedy


@dataclass(frozen=True, slots=True)
class ProgramUnusable(BaseReason):
    """What an image of ours is made of is not installed, or does not start here."""

    message: str
    advice: str

    code = "ProgramUnusable"

    def __str__(self) -> str:
        return f"{self.message}: {self.advice}"

    @property
    def fix(self) -> str:
        return self.advice


@dataclass(frozen=True, slots=True)
class NotRemoved(BaseReason):
    """What of an installation is still there when everything else has gone, with its reasons."""

    left: tuple[BaseReason, ...]

    code = "NotRemoved"

    def __str__(self) -> str:
        each = "".join(f"\n  {reason}" for reason in self.left)
        return f"some of it is still there; the same command tries it again:{each}"

    @property
    def fix(self) -> str:
        return self.left[0].fix if self.left else ""


@dataclass(frozen=True, slots=True)
class ControlPlaneStarting(BaseReason):
    what: str

    code = "ControlPlaneStarting"
    remedy = "wait a moment"

    def __str__(self) -> str:
        return f"{self.what} before the control plane runs"


@dataclass(frozen=True, slots=True)
class NotAwakeInTime(BaseReason):
    seconds: float

    code = "NotAwakeInTime"
    remedy = "see why it does not become ready: space-cli why"

    def __str__(self) -> str:
        return f"it was woken and took no call within {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class EngineUnavailable(BaseReason):
    message: str

    code = "EngineUnavailable"
    remedy = "see whether the Docker Engine runs: systemctl status docker; docker ps"

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class EngineFailed(BaseReason):
    """It may succeed another time."""

    action: str
    message: str
    advice: str = ""
    """What to do, where more is known than for any other refusal."""

    code = "EngineError"
    remedy = DOCTOR

    def __str__(self) -> str:
        return _refusal(self.action, self.message, self.advice)

    @property
    def fix(self) -> str:
        return self.advice or self.remedy


@dataclass(frozen=True, slots=True)
class EngineRefused(BaseReason):
    """The same request will be refused again."""

    action: str
    message: str
    advice: str = ""

    code = "EngineRefused"
    remedy = "the Docker Engine cannot run it as it is declared: change what it names, apply again"

    def __str__(self) -> str:
        return _refusal(self.action, self.message, self.advice)

    @property
    def fix(self) -> str:
        return self.advice or self.remedy


@dataclass(frozen=True, slots=True)
class NameTaken(BaseReason):
    kind: str
    """``container`` or ``network``."""

    name: str

    code = "NameConflict"
    remedy = "remove or rename it, then apply again"

    def __str__(self) -> str:
        remove = "docker network rm" if self.kind == "network" else "docker rm"
        return (
            f"a {self.kind} called {self.name} exists and is not ours: rename it, or remove "
            f"it with {remove} {self.name}"
        )


@dataclass(frozen=True, slots=True)
class SecretUnusable(BaseReason):
    task: str
    secret: str

    code = "InvalidVariableNames"
    remedy = "apply the secret again with keys that are names of environment variables"

    def __str__(self) -> str:
        return (
            f"task {self.task}: secret {self.secret} has a key that is no name of an environment "
            "variable: apply the secret again without it"
        )


@dataclass(frozen=True, slots=True)
class SecretMissing(BaseReason):
    project: str
    id: str
    version: int | None = None
    """The one that a revision names; None: the latest."""

    code = "SecretNotFound"
    remedy = "apply the secret"

    def __str__(self) -> str:
        if self.version is None:
            return f"there is no secret {self.project}/{self.id}"
        return f"version {self.version} of secret {self.project}/{self.id} is not kept any more"


@dataclass(frozen=True, slots=True)
class SecretNotWritten(BaseReason):
    task: str
    message: str

    code = "FailedMount"
    remedy = "check rootPath of the secret: the image may have a file where a folder goes"

    def __str__(self) -> str:
        return f"task {self.task}: its file secrets cannot be written: {self.message}"


@dataclass(frozen=True, slots=True)
class GatewayRejected(BaseReason):
    """It serves what it had before."""

    message: str
    exceeded: Literal["", "regex size"] = ""
    """Which of its limits, where it is one that it may have of an earlier release."""

    code = "GatewayRejected"
    remedy = "the gateway keeps what it had: change ports or routes of the service, apply again"

    def __str__(self) -> str:
        return f"the gateway refuses it: {self.message}"


@dataclass(frozen=True, slots=True)
class GatewayUnavailable(BaseReason):
    message: str

    code = "GatewayUnavailable"
    remedy = DOCTOR

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class ConnectionsRefused(BaseReason):
    """From outside alone: calls between services are not touched."""

    code = "ConnectionsRefused"
    remedy = "raise SPACE_CLOUD_PUBLIC_CONNECTIONS, or give the machine more memory"

    def __str__(self) -> str:
        return (
            "the public port closed connections: there were more than "
            "SPACE_CLOUD_PUBLIC_CONNECTIONS, or memory was short; calls between services are not "
            "touched"
        )


@dataclass(frozen=True, slots=True)
class PartEnded(BaseReason):
    """Only its log can say what to do."""

    exit_code: int
    last_output: str = ""

    code = "PartEnded"

    def __str__(self) -> str:
        return f"it ended with code {self.exit_code}: {self.last_output or 'it said nothing'}"


@dataclass(frozen=True, slots=True)
class PartDown(BaseReason):
    part: str
    """``gateway`` or ``resolver``."""

    why: BaseReason | None = None
    container: str = ""

    code = "PartDown"

    def __str__(self) -> str:
        return f"the {self.part} does not run" + (f": {self.why}" if self.why else "")

    @property
    def fix(self) -> str:
        """Its log, where nothing else is known: one that was never made has none."""
        if self.why is not None and self.why.fix:
            return self.why.fix
        doctor = "space-cloud doctor says more"
        return f"docker logs {self.container}; {doctor}" if self.container else doctor


@dataclass(frozen=True, slots=True)
class SubnetFull(BaseReason):
    subnet: str
    replicas: int
    """So many it holds."""

    code = "AddressesUsedUp"
    remedy = "delete what is not needed, or configure a larger pool"

    def __str__(self) -> str:
        return f"the network {self.subnet} is full: it holds {self.replicas} replicas"


@dataclass(frozen=True, slots=True)
class StoreRefused(BaseReason):
    """What the store says of a step that it carries out."""

    message: str

    code = "StoreRefused"
    remedy = DOCTOR

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class InternalError(BaseReason):
    message: str

    code = "InternalError"
    remedy = "it is a bug, and tried again: report it with the control plane's log"

    def __str__(self) -> str:
        return f"internal error, please report it: {self.message}"


@dataclass(frozen=True, slots=True)
class WokenMeanwhile(BaseReason):
    """It was decided that a replica sleeps, and then a call woke it."""

    replica: str

    code = "WokenMeanwhile"

    def __str__(self) -> str:
        return f"{self.replica} was woken a moment ago, and is not laid down again yet"


PlatformReason = (
    EngineUnavailable
    | EngineFailed
    | EngineRefused
    | NameTaken
    | SecretUnusable
    | SecretMissing
    | SecretNotWritten
    | GatewayRejected
    | GatewayUnavailable
    | ConnectionsRefused
    | PartEnded
    | PartDown
    | HostFailed
    | ProgramUnusable
    | NotRemoved
    | ControlPlaneStarting
    | NotAwakeInTime
    | WokenMeanwhile
    | SubnetFull
    | StoreRefused
    | InternalError
    | WokenMeanwhile
)
