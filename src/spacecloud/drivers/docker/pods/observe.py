"""What the engine shows, as the world that decisions are made from. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
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
PAUSED = "paused"
"""The engine's state of what it has frozen."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container: what its labels say, and how it is."""

    tag: Tag
    run: ObservedTask
    """As of a task. Of a sandbox its state and its times mean the same; it has no probe."""

    pid: int = 0
    paused: bool = False
    """By the engine, by its own word; ``run.frozen``: by whomever."""

    has_address: bool = True
    """On a network, with the address that it was made for. Said of a sandbox; tasks join it."""

    @property
    def target(self) -> Target | None:
        """Whom to probe; None where there is nothing to ask."""
        tag, run = self.tag, self.run
        if not tag.task or run.state != "running" or run.started_at is None:
            return None
        return Target(
            run.container, run.started_at, tag.address, self.pid, tag.ports, tag.probe, tag.ref.key
        )


def listed(item: Json) -> Container | None:
    """From a listing: whether it runs, not since when."""
    tag = labels.read(item["Labels"] or {})
    if tag is None:
        return None
    run = ObservedTask(
        item["Id"],
        tag.task,
        _state(item["State"]),
        item["ImageID"],
        frozen=item["State"] == PAUSED,
    )
    return Container(tag, run, has_address=_has_address(tag, item))


def inspected(item: Json) -> Container | None:
    tag = labels.read(item["Config"]["Labels"] or {})
    if tag is None:
        return None
    its, state = item["State"], _state(item["State"]["Status"])
    ended = state == "exited"
    run = ObservedTask(
        container=item["Id"],
        task=tag.task,
        state=state,
        image=item["Image"],
        started_at=_time(its["StartedAt"]),
        exited_at=_time(its["FinishedAt"]) if ended else None,
        exit_code=its["ExitCode"] if ended else None,
        out_of_memory=bool(its.get("OOMKilled")) and ended,
        error=message(its.get("Error") or "") if state != "running" else "",
        frozen=its["Status"] == PAUSED,
    )
    return Container(tag, run, its.get("Pid") or 0, run.frozen, _has_address(tag, item))


def subnet(listing: Iterable[Json], network: str) -> str | None:
    """
    Of the network, as a container says that runs in it: one that is in use is not removed. None
    where none does.
    """
    for item in listing:
        its = (item.get("NetworkSettings") or {}).get("Networks") or {}
        at = its.get(network) or {}
        if item["State"] == "running" and at.get("IPAddress") and at.get("IPPrefixLen"):
            return str(ip_network(f"{at['IPAddress']}/{at['IPPrefixLen']}", strict=False))
    return None


def workloads(
    key: ServiceKey,
    subnet: str | None,
    containers: Iterable[Container],
    health: Mapping[str, Health],
) -> ObservedWorkloads:
    """``health``: container id to what its probes say."""
    pods: dict[str, list[Container]] = {}
    for container in containers:
        pods.setdefault(container.tag.replica, []).append(container)
    replicas = tuple(_replica(id, pods[id], health) for id in sorted(pods))
    return ObservedWorkloads(key, subnet, replicas)


def _replica(id: str, pod: list[Container], health: Mapping[str, Health]) -> ObservedReplica:
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
    sandbox: Container | None,
) -> Literal["missing", "running", "stopped", "off its network"]:
    if sandbox is None:
        return "missing"
    if sandbox.run.state != "running":
        return "stopped"
    return "running" if sandbox.has_address else "off its network"


def _has_address(tag: Tag, item: Json) -> bool:
    """Whoever disconnects a container, or removes its network, takes it away."""
    networks = (item.get("NetworkSettings") or {}).get("Networks")
    if networks is None:
        return True
    return any(network.get("IPAddress") == tag.address for network in networks.values())


def _task(
    container: Container, sandbox: Container | None, health: Mapping[str, Health]
) -> ObservedTask:
    probe = container.tag.probe or Probe()
    return replace(
        container.run,
        grace_seconds=probe.grace_seconds,
        tolerated_failures=probe.failures,
        health=health.get(container.run.container, Health()),
        orphaned=sandbox is not None and _is_orphaned(container.run, sandbox.run),
        restart=container.tag.restart,
        is_job=_is_job(container.tag),
    )


def _is_job(tag: Tag) -> bool:
    return tag.restart != "always" and not tag.ports and tag.probe is None


def _is_orphaned(task: ObservedTask, sandbox: ObservedTask) -> bool:
    """It joined the namespace of an earlier run of its sandbox."""
    return (
        task.state == "running"
        and task.started_at is not None
        and sandbox.started_at is not None
        and task.started_at < sandbox.started_at
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
