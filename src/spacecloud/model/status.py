"""What is reported back: status of services and plans, as the API answers them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, PlainSerializer, SkipValidation, WithJsonSchema

from spacecloud.model.declared import Event
from spacecloud.model.lines import message
from spacecloud.model.scaling import Depth
from spacecloud.model.view import View
from spacecloud.reasons.base import BaseReason
from spacecloud.reasons.notices import Notice, RouteNotServed
from spacecloud.reasons.services import CallDenied
from spacecloud.reasons.union import FailureReason

State = Literal["ready", "completed", "progressing", "degraded", "failed", "removing", "asleep"]
"""
``ready``: what is declared runs, is confirmed, and the gateway knows. ``completed``: all of it has
ended with 0 and is not started again, as its ``restart`` says. ``progressing``: on its way.
``degraded``: serves, but not as declared. ``failed``: nothing more will be tried, or every try
fails; ``message`` says why. ``removing``: deleted, not yet gone. ``asleep``: zero replicas wanted,
or it was idle for long and the next call wakes it; ``message`` says since when.
"""


ReplicaState = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "UNKNOWN"]
"""In the original's spelling."""

DocumentChangeKind = Literal["create", "update", "unchanged", "delete"]

Message = Annotated[str, AfterValidator(message)]
"""May hold what a container, an image or the engine said: short, and nothing that is obeyed."""

ReasonT = TypeVar("ReasonT", bound=BaseReason)

Sentence = Annotated[
    ReasonT,
    SkipValidation,
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string"}),
]
"""A reason that the API answers as its sentence."""


class TaskStatus(View):
    id: str
    state: Literal["missing", "created", "running", "frozen", "exited", "completed"]
    """
    ``completed``: exited with 0, and its ``restart`` says that it is not started again.
    ``frozen``: it would run, and the cgroup freezer holds it until it is woken.
    """

    health: str = ""
    image: str = ""
    restarts: int = 0
    exit_code: int | None = None
    reason: str = ""
    """Why it is not ready: a code of ``docs/reasons.md``; empty where it is."""

    message: Message = ""
    """The same as a sentence, with the last lines of its log where it exited."""

    fix: str = ""
    """What to do about it; empty where only its log can say."""


class ReplicaStatus(View):
    id: str
    status: ReplicaState
    ready: bool = False
    address: str = ""
    revision: str = ""
    draining: bool = False
    asleep: Literal["", "frozen", "stopped"] = ""
    """It is kept to be woken by the next call, which starts it again where it is ``stopped``."""

    tasks: tuple[TaskStatus, ...] = ()


class EventView(View):
    at: datetime
    project: str
    service: str
    kind: str
    message: Message
    severity: str = "info"
    count: int = 1
    reason: str = ""
    """The code of what it is about; empty where it has none."""


def event_view(event: Event) -> EventView:
    return EventView(
        at=event.at,
        project=event.project,
        service=event.service,
        kind=event.kind,
        message=event.message,
        severity=event.severity,
        count=event.count,
        reason=event.reason,
    )


class DeniedCallView(View):
    """Calls that policy refused since the control plane started."""

    caller: str
    """``project/service``, or the address where no service has it."""

    port: int
    count: int
    last: datetime
    reason: str = CallDenied.code
    """A code of ``docs/reasons.md``."""

    message: str
    """Which of the two sides lacks the permission, and the line that would give it."""


class PullView(View):
    """An image on its way from its registry."""

    image: str
    layers: int = 0
    layers_done: int = 0
    """Pulled and unpacked, or here already."""

    bytes: int = 0
    """Of the layers whose size is known so far."""

    bytes_done: int = 0
    """Downloaded."""

    def __str__(self) -> str:
        if not self.layers:
            return f"pulling {self.image}"
        layers = "layer" if self.layers == 1 else "layers"
        progress = f"pulling {self.image}: {self.layers_done} of {self.layers} {layers}"
        if self.bytes < 1_000_000:
            return progress
        return f"{progress}, {self.bytes_done // 1_000_000} of {self.bytes // 1_000_000} MB"


class ServiceStatus(View):
    """The first four fields are the original's; all others are additions."""

    service_id: str
    version: str
    desired_replicas: int
    replicas: tuple[ReplicaStatus, ...] = ()
    project: str = ""
    ready_replicas: int = 0
    generation: int = 0
    """Of the latest acknowledged apply of this version."""

    observed_generation: int = 0
    """The latest that was looked at; smaller than ``generation`` means: not yet."""

    revision: int = 0
    """Number of the latest that was recorded; 0 until images are resolved for the first time."""

    revision_hash: str = ""
    """Of the same one: what its replicas carry as their ``revision``."""

    confirmed_revision: int = 0
    """Number of the last one that has served for ``rollout.confirmSeconds``; 0: none yet."""

    serving: bool = False
    """As many replicas as are wanted take requests, of what was applied last: it is ready, or
    will be if it lasts until it is confirmed."""

    confirmed_at: datetime | None = None
    """When it is, while that is all that is waited for."""

    state: State = "progressing"
    message: Message = ""
    """One line: why it is not ready; empty when it is."""

    reason: str = ""
    """The code of what ``message`` tells."""

    cause: str = ""
    """The code of what broke a revision that did not last; empty where ``reason`` is all."""

    fix: Message = ""
    """What to do about it; empty where nothing has to be done, or only a log can say."""

    subject: str = ""
    """``replica/task`` (or the replica) that ``message`` is about; empty: the version itself."""

    task: str = ""
    """The task of it; empty where it is about no single one."""

    next_step: Message = ""
    """What is being waited for or done now."""

    asleep: Depth | None = None
    """How deep it sleeps; a call wakes it. Null: awake, or none is wanted at all."""

    asleep_since: datetime | None = None
    """When that was decided."""

    pulls: tuple[PullView, ...] = ()
    """Of its images, those on their way now."""

    domain: str = ""
    version_domain: str = ""
    default_version: bool = False
    """The service's own domain leads to this version."""

    ports: tuple[str, ...] = ()
    """``8080/http``."""

    urls: tuple[str, ...] = ()
    """Where the outside reaches it, by ingress routes."""

    not_served: tuple[Sentence[RouteNotServed], ...] = ()
    """The ingress routes to it that are left out, each with the reason."""

    admits: tuple[str, ...] = ()
    """Who may call it: services and projects for which both sides say yes."""

    calls: tuple[str, ...] = ()
    """Whom it may call, by the same rule."""

    refusals: tuple[DeniedCallView, ...] = ()
    notices: tuple[Sentence[Notice], ...] = ()
    """What is kept but not acted on, and what will surprise."""

    events: tuple[EventView, ...] = ()
    """The last ten, newest first."""


class Finding(View):
    """One thing that is wrong or will surprise, and what to do about it."""

    severity: Literal["error", "warning", "note"]
    subject: str
    """``shop/api@v1``, a replica or task of it, or ``platform``."""

    problem: Message
    fix: Message
    """What to do, as a sentence or a command."""

    reason: str
    """The code of the problem."""


class PlannedStep(View):
    number: int
    after: tuple[int, ...] = ()
    kind: str
    operation: str
    cause: str
    reason: str
    """The code of the cause."""

    forecast: bool = False
    """Behind a wait: what will follow if the world answers as expected."""


class ServicePlan(View):
    service: str
    """``project/service``."""

    steps: tuple[PlannedStep, ...] = ()
    problem: Message = ""
    notices: tuple[Sentence[Notice], ...] = ()


class DocumentChange(View):
    kind: str
    id: str
    change: DocumentChangeKind
    fields: tuple[str, ...] = ()
    """Paths that differ from what is stored."""


class PlanView(View):
    documents: tuple[DocumentChange, ...] = ()
    services: tuple[ServicePlan, ...] = ()
    """Only those with steps or a problem."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostState:
    """Are rules, gateway and resolver, which all services need, as they should be?"""

    repaired: tuple[str, ...] = ()
    """What had to be mended just now, a sentence each."""

    problems: tuple[FailureReason, ...] = ()
    """What could not be mended."""

    parts: Mapping[str, Literal["running", "down"]] = field(default_factory=dict)
    """``gateway``, ``resolver``."""

    fixes: Mapping[str, str] = field(default_factory=dict)
    """For each part, what to do when it is down: a sentence or a command, in the driver's words."""
