"""What the engine shows, as the world that decisions are made from. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.labels import Tag
from spacecloud.drivers.docker.probes.target import Target
from spacecloud.model.json import Json
from spacecloud.model.lines import message
from spacecloud.model.refs import ServiceKey
from spacecloud.model.task import Probe
from spacecloud.workloads.observed import (
    Health,
    ObservedReplica,
    ObservedTask,
    ObservedWorkloads,
)

State = Literal["created", "running", "exited"]
NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Seen:
    """One container: what it says of itself, and how it is."""

    tag: Tag
    id: str
    state: State
    image: str
    started_at: datetime | None = None
    exited_at: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    error: str = ""
    pid: int = 0
    has_address: bool = True
    """On a network, with the address that it was made for. Said of a sandbox; tasks join it."""

    @property
    def target(self) -> Target | None:
        """Whom to probe; None where there is nothing to ask."""
        if not self.tag.task or self.state != "running" or self.started_at is None:
            return None
        tag = self.tag
        return Target(
            self.id, self.started_at, tag.address, self.pid, tag.ports, tag.probe, tag.ref.key
        )


def listed(item: Json) -> Seen | None:
    """From a listing: whether it runs, not since when."""
    tag = labels.read(item["Labels"] or {})
    if tag is None:
        return None
    return Seen(
        tag, item["Id"], _state(item["State"]), item["ImageID"], has_address=_has_address(tag, item)
    )


def inspected(item: Json) -> Seen | None:
    tag = labels.read(item["Config"]["Labels"] or {})
    if tag is None:
        return None
    state = item["State"]
    ended = _state(state["Status"]) == "exited"
    return Seen(
        tag=tag,
        id=item["Id"],
        state=_state(state["Status"]),
        image=item["Image"],
        started_at=_time(state["StartedAt"]),
        exited_at=_time(state["FinishedAt"]) if ended else None,
        exit_code=state["ExitCode"] if ended else None,
        out_of_memory=bool(state.get("OOMKilled")) and ended,
        error=message(state.get("Error") or ""),
        pid=state.get("Pid") or 0,
        has_address=_has_address(tag, item),
    )


def workloads(
    key: ServiceKey, subnet: str | None, seen: Iterable[Seen], health: Mapping[str, Health]
) -> ObservedWorkloads:
    """``health``: container id to what its probes say."""
    pods: dict[str, list[Seen]] = {}
    for container in seen:
        pods.setdefault(container.tag.replica, []).append(container)
    replicas = tuple(_replica(id, pods[id], health) for id in sorted(pods))
    return ObservedWorkloads(key, subnet, replicas)


def _replica(id: str, pod: list[Seen], health: Mapping[str, Health]) -> ObservedReplica:
    sandbox = next((c for c in pod if not c.tag.task), None)
    tag = (sandbox or pod[0]).tag
    tasks = sorted((c for c in pod if c.tag.task), key=lambda c: c.tag.task)
    return ObservedReplica(
        id=id,
        ref=tag.ref,
        slot=tag.slot,
        revision=tag.revision,
        address=tag.address,
        sandbox=_sandbox_state(sandbox),
        expected_tasks=tag.expected_tasks,
        tasks=tuple(_task(c, sandbox, health) for c in tasks),
        termination_grace_seconds=tag.termination_grace_seconds,
    )


def _sandbox_state(
    sandbox: Seen | None,
) -> Literal["missing", "running", "stopped", "off its network"]:
    if sandbox is None:
        return "missing"
    if sandbox.state != "running":
        return "stopped"
    return "running" if sandbox.has_address else "off its network"


def _has_address(tag: Tag, item: Json) -> bool:
    """Whoever disconnects a container, or removes its network, takes it away."""
    networks = (item.get("NetworkSettings") or {}).get("Networks")
    if networks is None:
        return True
    return any(network.get("IPAddress") == tag.address for network in networks.values())


def _task(seen: Seen, sandbox: Seen | None, health: Mapping[str, Health]) -> ObservedTask:
    probe = seen.tag.probe or Probe()
    return ObservedTask(
        container=seen.id,
        task=seen.tag.task,
        state=seen.state,
        image=seen.image,
        started_at=seen.started_at,
        exited_at=seen.exited_at,
        exit_code=seen.exit_code,
        out_of_memory=seen.out_of_memory,
        error=seen.error if seen.state != "running" else "",
        health=health.get(seen.id, Health()),
        grace_seconds=probe.grace_seconds,
        tolerated_failures=probe.failures,
        orphaned=_is_orphaned(seen, sandbox),
        restart=seen.tag.restart,
        is_job=_is_job(seen.tag),
    )


def _is_job(tag: Tag) -> bool:
    return tag.restart != "always" and not tag.ports and tag.probe is None


def _is_orphaned(seen: Seen, sandbox: Seen | None) -> bool:
    """It joined the namespace of an earlier run of its sandbox."""
    return (
        sandbox is not None
        and seen.state == "running"
        and seen.started_at is not None
        and sandbox.started_at is not None
        and seen.started_at < sandbox.started_at
    )


def _state(engine: str) -> State:
    """The engine's seven states; ``removing`` and ``dead`` are as good as gone."""
    match engine:
        case "running" | "paused":
            return "running"
        case "created":
            return "created"
        case _:
            return "exited"


def _time(text: str) -> datetime | None:
    """The engine writes nanoseconds, of which six digits are kept."""
    if not text or text == NEVER:
        return None
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")
