"""A service: one version of one program, how many copies of it run, and who may call whom."""

from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from spacecloud.model.refs import MESH_DOMAIN, Id
from spacecloud.model.resource import Resource, Whole, located
from spacecloud.model.rollout import CONFIRM_SECONDS, RolloutPolicy
from spacecloud.model.scale_spec import AutoScale, Scale
from spacecloud.model.task import NO_VOLUMES, Port, Task

ANY = "*"


class Peer(Resource):
    """A service, a whole project (``service: "*"``), or everybody (``projectId: "*"``)."""

    project_id: str = Field(pattern=r"^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$")
    service: str = Field(default=ANY, pattern=r"^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$")

    @model_validator(mode="before")
    @classmethod
    def _long_form(cls, given: Any) -> Any:
        """A service's domain is that service; the original's export has it, also doubled."""
        if not isinstance(given, dict) or not isinstance(given.get("service"), str):
            return given
        suffix = f".{given.get('projectId')}.{MESH_DOMAIN}"
        service = given["service"]
        while service.endswith(suffix):
            service = service.removesuffix(suffix)
        return {**given, "service": service}

    def covers(self, project: str, service: str) -> bool:
        if self.project_id == ANY:
            return self.service in (ANY, service)
        return self.project_id == project and self.service in (ANY, service)


class MatchExpression(Resource):
    key: str
    operator: str
    values: tuple[str, ...] = ()
    attribute: str = "label"


class Affinity(Resource):
    """Kept for Kubernetes; one host has nothing to choose between."""

    id: str = ""
    type: Literal["node", "service"]
    weight: Whole = Field(default=0, ge=-100, le=100)
    operator: Literal["preferred", "required"] = "preferred"
    topology_key: str = ""
    projects: tuple[str, ...] = ()
    match_expressions: tuple[MatchExpression, ...] = ()


class Service(Resource):
    """What is declared for one version. ``id``, ``projectId`` and ``version`` follow the URL."""

    id: str | None = None
    name: str | None = None
    project_id: str | None = None
    version: str | None = None
    scale: Scale | None = None
    auto_scale: AutoScale | None = None
    rollout: RolloutPolicy | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    tasks: tuple[Task, ...] = Field(min_length=1, max_length=32)
    """They start together, share one network namespace and stop together."""

    affinity: tuple[Affinity, ...] = ()
    termination_grace_period_seconds: Whole | None = Field(default=None, ge=0, le=86_400)
    """How long a replica that goes may finish what it has: its requests and connections in flight,
    and then, from the stop signal (SIGTERM) on, its processes, which are killed when it is over.
    Both end sooner when there is nothing left. Absent: 30 and 10."""

    whitelists: tuple[Peer, ...] | None = None
    """Who may call me. Absent: all of my project. Empty: nobody."""

    upstreams: tuple[Peer, ...] | None = None
    """Whom I call. Absent: all of my project. Empty: nobody."""

    stats_inclusion_prefixes: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _refused_fields(cls, given: Any) -> Any:
        if isinstance(given, dict):
            if "volumes" in given:
                raise located(NO_VOLUMES, "volumes")
            if "rules" in given and "tasks" not in given:
                raise ValueError("this is a service-role, not a service: it has rules and no tasks")
        return given

    @field_validator("labels")
    @classmethod
    def _labels_are_not_ours(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if not name or len(name) > 253:
                raise ValueError("a label's name has 1 to 253 characters")
        return labels

    @model_validator(mode="after")
    def _tasks_fit_together(self) -> "Service":
        seen: dict[int, str] = {}
        names: set[str] = set()
        for t, task in enumerate(self.tasks):
            if task.id in names:
                raise located(f"two tasks have the id {task.id}", "tasks", t, "id")
            names.add(task.id)
            for p, port in enumerate(task.ports):
                if port.port in seen:
                    other = seen[port.port]
                    message = (
                        f"port {port.port} is in task {other} and in task {task.id}: all tasks "
                        "share one localhost, so each port belongs to one task"
                        if other != task.id
                        else f"port {port.port} is in task {task.id} twice"
                    )
                    raise located(message, "tasks", t, "ports", p, "port")
                seen[port.port] = task.id
        return self

    @property
    def ports(self) -> tuple[Port, ...]:
        """Of all tasks, by number."""
        return tuple(sorted((p for t in self.tasks for p in t.ports), key=lambda p: p.port))


def confirm_seconds(service: Service) -> float:
    """How long a new revision serves before it is confirmed; of jobs what counts is their end."""
    if all(task.is_job for task in service.tasks):
        return 0
    return service.rollout.confirm_seconds if service.rollout is not None else CONFIRM_SECONDS


def callers_of(service: Service, project: Id) -> tuple[Peer, ...]:
    """The whitelist in force: what is written, or everybody of the project."""
    return _in_force(service.whitelists, project)


def callees_of(service: Service, project: Id) -> tuple[Peer, ...]:
    """The upstreams in force: what is written, or everything of the project."""
    return _in_force(service.upstreams, project)


def _in_force(written: tuple[Peer, ...] | None, project: str) -> tuple[Peer, ...]:
    return written if written is not None else _all_of(project)


@lru_cache(4096)
def _all_of(project: str) -> tuple[Peer, ...]:
    return (Peer.model_validate({"projectId": project, "service": ANY}),)
