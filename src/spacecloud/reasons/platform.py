"""What the engine, the gateway and the machine refuse, or fail at."""

from dataclasses import dataclass

from spacecloud.reasons.base import BaseReason

DOCTOR = "it is tried again by itself; if it stays so: space-cloud doctor"


def _refusal(action: str, message: str, advice: str) -> str:
    return f"{action}: {message}: {advice}" if advice else f"{action}: {message}"


@dataclass(frozen=True, slots=True)
class PlatformFailed(BaseReason):
    """Of the platform below, in its words; tried again."""

    message: str

    code = "PlatformFailed"
    remedy = DOCTOR

    def __str__(self) -> str:
        return self.message


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
    message: str

    code = "SecretNotFound"
    remedy = "apply the secret"

    def __str__(self) -> str:
        return self.message


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
class PartDown(BaseReason):
    part: str
    """``gateway`` or ``resolver``."""

    message: str = ""
    container: str = ""

    code = "PartDown"

    def __str__(self) -> str:
        return f"the {self.part} does not run" + (f": {self.message}" if self.message else "")

    @property
    def fix(self) -> str:
        doctor = "space-cloud doctor says more"
        return f"docker logs {self.container}; {doctor}" if self.container else doctor


@dataclass(frozen=True, slots=True)
class SubnetFull(BaseReason):
    message: str

    code = "AddressesUsedUp"
    remedy = "delete what is not needed, or configure a larger pool"

    def __str__(self) -> str:
        return self.message


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


PlatformReason = (
    PlatformFailed
    | EngineUnavailable
    | EngineFailed
    | EngineRefused
    | NameTaken
    | SecretUnusable
    | SecretMissing
    | SecretNotWritten
    | GatewayRejected
    | GatewayUnavailable
    | PartDown
    | SubnetFull
    | StoreRefused
    | InternalError
)
