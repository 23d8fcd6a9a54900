"""Every operation that a plan can hold. Each may run twice, late, or after a crash."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from spacecloud.model.refs import ServiceKey, ServiceRef, replica_id, short_image
from spacecloud.model.secret import SecretFacts
from spacecloud.model.service import Service
from spacecloud.model.traffic import Endpoint, Face
from spacecloud.reasons.steps import Unhealthy
from spacecloud.reasons.tasks import Ending


class Operation:
    __slots__ = ()


class Wait(Operation):
    """Nothing to do but to wait."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class CreateNetwork(Operation):
    key: ServiceKey
    subnet: str

    def __str__(self) -> str:
        return f"create network {self.subnet}"


@dataclass(frozen=True, slots=True)
class RemoveNetwork(Operation):
    key: ServiceKey

    def __str__(self) -> str:
        return "remove network"


@dataclass(frozen=True, slots=True)
class PullImage(Operation):
    """Begin a pull; its end is a hint, and is seen in ``Observed.pulls``."""

    ref: ServiceRef
    image: str
    secret: str
    """Id of the docker secret with the credentials; empty for none."""

    generation: int

    def __str__(self) -> str:
        return f"pull {self.image}"


@dataclass(frozen=True, slots=True)
class CancelPull(Operation):
    """Give a pull up that nobody wants any more."""

    pull: PullImage

    def __str__(self) -> str:
        return f"cancel the pull of {self.pull.image}"


@dataclass(frozen=True, slots=True)
class RecordRevision(Operation):
    """Write down what this generation runs, so that a moved tag changes nothing."""

    ref: ServiceRef
    generation: int
    number: int
    """The latest one's, where the same goes into its containers; else the next."""

    hash: str
    images: tuple[tuple[str, str], ...]
    """(task id, image id), sorted."""

    secrets: tuple[SecretFacts, ...]
    """Those that its tasks name, by id."""

    def __str__(self) -> str:
        return f"resolve {self.ref.version} to revision {self.number}: " + ", ".join(
            f"{task}={short_image(image)}" for task, image in self.images
        )


@dataclass(frozen=True, slots=True)
class RecordCompletion(Operation):
    """Write down that a revision is done: nothing of it is started again, whatever is removed."""

    ref: ServiceRef
    number: int

    def __str__(self) -> str:
        return f"record that revision {self.number} of {self.ref.version} is completed"


@dataclass(frozen=True, slots=True)
class RecordServing(Operation):
    """Write down that all replicas of a revision take requests: from then on it is on trial."""

    ref: ServiceRef
    generation: int
    number: int

    def __str__(self) -> str:
        return f"note that revision {self.number} of {self.ref.version} serves"


@dataclass(frozen=True, slots=True)
class ConfirmRevision(Operation):
    """Write down that a revision lasts: it is what is returned to from now on."""

    ref: ServiceRef
    generation: int
    number: int

    def __str__(self) -> str:
        return f"confirm revision {self.number} of {self.ref.version}"


@dataclass(frozen=True, slots=True)
class FailRevision(Operation):
    """Write down that a revision did not last, and why, before its replicas go."""

    ref: ServiceRef
    generation: int
    number: int
    replica: str
    task: str
    why: Ending | Unhealthy

    def __str__(self) -> str:
        return f"give up revision {self.number} of {self.ref.version}"


@dataclass(frozen=True, slots=True)
class CreateReplica(Operation):
    """Make a replica, or what is missing of it, and start it."""

    ref: ServiceRef
    slot: int
    revision: str
    address: str
    subnet: str
    spec: Service
    images: Mapping[str, str]
    """Task id to image id."""

    secrets: tuple[SecretFacts, ...]

    @property
    def replica(self) -> str:
        return replica_id(self.ref, self.slot)

    def __str__(self) -> str:
        return f"create replica {self.replica} at {self.address} (revision {self.revision})"


@dataclass(frozen=True, slots=True)
class StartTask(Operation):
    """Start an exited task again, in its pod."""

    ref: ServiceRef
    replica: str
    task: str
    container: str

    def __str__(self) -> str:
        return f"start task {self.replica}/{self.task}"


@dataclass(frozen=True, slots=True)
class RestartTask(Operation):
    """Stop a running task and start it again."""

    ref: ServiceRef
    replica: str
    task: str
    container: str
    grace_seconds: int | None = None
    """Between the stop signal and the end; None: as long as the platform gives every task."""

    def __str__(self) -> str:
        return f"restart task {self.replica}/{self.task}"


@dataclass(frozen=True, slots=True)
class StopReplica(Operation):
    """Ask all tasks to end (SIGTERM); does not wait for them."""

    ref: ServiceRef
    replica: str
    then: Literal["remove", "keep"] = "remove"
    """``keep``: it sleeps, and its tasks are started again by a wake."""

    def __str__(self) -> str:
        return f"stop replica {self.replica}"


@dataclass(frozen=True, slots=True)
class KillReplica(Operation):
    """End all tasks at once (SIGKILL), and keep them and their sandbox."""

    ref: ServiceRef
    replica: str

    def __str__(self) -> str:
        return f"kill replica {self.replica}"


@dataclass(frozen=True, slots=True)
class FreezeReplica(Operation):
    """
    Let no task of it run until it is thawed: the cgroup freezer. Memory, connections and address
    stay.
    """

    ref: ServiceRef
    replica: str

    def __str__(self) -> str:
        return f"freeze replica {self.replica}"


@dataclass(frozen=True, slots=True)
class ThawReplica(Operation):
    """Let all its tasks run again, as if nothing had been."""

    ref: ServiceRef
    replica: str

    def __str__(self) -> str:
        return f"thaw replica {self.replica}"


@dataclass(frozen=True, slots=True)
class RemoveReplica(Operation):
    """Remove all containers of a replica, whatever state they are in."""

    ref: ServiceRef
    replica: str

    def __str__(self) -> str:
        return f"remove replica {self.replica}"


@dataclass(frozen=True, slots=True)
class PublishNames(Operation):
    """Make the resolver answer for exactly these names of the service; none removes them all."""

    key: ServiceKey
    names: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return (
            "publish names " + ", ".join(f"{n}={a}" for n, a in self.names)
            if self.names
            else "withdraw names"
        )


@dataclass(frozen=True, slots=True)
class PublishTraffic(Operation):
    """Make the gateway treat the service like this, and have it acknowledged."""

    face: Face
    endpoints: tuple[Endpoint, ...]
    gated: tuple[str, ...] = ()
    """Sorted; versions whose calls all pass the gate: each is one of the face's ``gates``."""

    def __str__(self) -> str:
        shown = ", ".join(
            f"{e.version}={e.address}{' draining' if e.draining else ''}" for e in self.endpoints
        )
        gate = f", behind the gate: {' '.join(self.gated)}" if self.gated else ""
        return f"publish endpoints [{shown}]{gate}"


@dataclass(frozen=True, slots=True)
class PublishPolicy(Operation):
    """Make the gateway let in whom the face does, and leave its endpoints as they are."""

    face: Face

    def __str__(self) -> str:
        return "publish who may call"


@dataclass(frozen=True, slots=True)
class WithdrawTraffic(Operation):
    """Make the gateway forget the service."""

    key: ServiceKey

    def __str__(self) -> str:
        return "withdraw from the gateway"


@dataclass(frozen=True, slots=True)
class ReleaseAddresses(Operation):
    """Give subnet and virtual IPs back. The last step of a deletion."""

    key: ServiceKey

    def __str__(self) -> str:
        return "release addresses"


@dataclass(frozen=True, slots=True)
class AwaitPull(Wait):
    pull: PullImage

    def __str__(self) -> str:
        return f"wait until {self.pull.image} is pulled"


@dataclass(frozen=True, slots=True)
class AwaitReady(Wait):
    replica: str

    def __str__(self) -> str:
        return f"wait until {self.replica} is ready"


@dataclass(frozen=True, slots=True)
class AwaitConfirmed(Wait):
    ref: ServiceRef
    number: int
    until: datetime

    def __str__(self) -> str:
        return f"wait until revision {self.number} of {self.ref.version} is confirmed"


@dataclass(frozen=True, slots=True)
class AwaitIdle(Wait):
    replica: str
    until: datetime | None = None
    """When it is stopped even if it still has requests; None until draining has begun."""

    def __str__(self) -> str:
        return f"wait until {self.replica} has no request in flight"


@dataclass(frozen=True, slots=True)
class AwaitStopped(Wait):
    replica: str

    def __str__(self) -> str:
        return f"wait until {self.replica} has stopped"


@dataclass(frozen=True, slots=True)
class AwaitRestart(Wait):
    replica: str
    task: str
    until: datetime

    def __str__(self) -> str:
        return f"wait for the next start of {self.replica}/{self.task}"


@dataclass(frozen=True, slots=True)
class AwaitEnd(Wait):
    """An earlier look has begun it, and it has not ended yet."""

    op: "Op"

    def __str__(self) -> str:
        return f"wait for the end of: {self.op}"


@dataclass(frozen=True, slots=True)
class AwaitRetry(Wait):
    """It failed, and is tried again later."""

    op: "Op"
    until: datetime

    def __str__(self) -> str:
        return f"wait for the next try to {self.op}"


WorkloadOp = (
    CreateNetwork
    | RemoveNetwork
    | PullImage
    | CancelPull
    | CreateReplica
    | StartTask
    | RestartTask
    | StopReplica
    | KillReplica
    | FreezeReplica
    | ThawReplica
    | RemoveReplica
)
"""What a driver's Workloads carries out."""

StoreOp = (
    RecordRevision
    | RecordCompletion
    | RecordServing
    | ConfirmRevision
    | FailRevision
    | ReleaseAddresses
)
TrafficOp = PublishTraffic | PublishPolicy | WithdrawTraffic
WaitOp = (
    AwaitPull
    | AwaitReady
    | AwaitConfirmed
    | AwaitIdle
    | AwaitStopped
    | AwaitRestart
    | AwaitEnd
    | AwaitRetry
)
Op = WorkloadOp | StoreOp | TrafficOp | PublishNames | WaitOp


def key_of(op: WorkloadOp) -> ServiceKey:
    match op:
        case CreateNetwork() | RemoveNetwork():
            return op.key
        case CancelPull():
            return op.pull.ref.key
        case _:
            return op.ref.key
