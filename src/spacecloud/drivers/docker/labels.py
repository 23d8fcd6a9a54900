"""
What containers and networks carry, so that nothing else is needed to recognise them.

Desired state is in the store, observed state is in the engine: a crash between two calls
leaves things that say themselves what they are.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, cast, get_args

from spacecloud.model.refs import DNS_LABEL, ServiceKey, ServiceRef, replica_id
from spacecloud.model.refs import VERSION as VERSION_ID
from spacecloud.model.task import Probe, Restart, Task
from spacecloud.workloads.operations import CreateReplica

PREFIX = "space-cloud.io/"
INSTANCE = PREFIX + "instance"
PROJECT = PREFIX + "project"
SERVICE = PREFIX + "service"
VERSION = PREFIX + "version"
SLOT = PREFIX + "slot"
TASK = PREFIX + "task"
REVISION = PREFIX + "revision"
ADDRESS = PREFIX + "address"
TASKS = PREFIX + "tasks"
PROBE = PREFIX + "probe"
PORTS = PREFIX + "ports"
RESTART = PREFIX + "restart"
GRACE = PREFIX + "termination-grace-period-seconds"
PART = PREFIX + "part"
CONFIG = PREFIX + "config"
"""Hash of what a system container was made from: another one means that it is made anew."""

BRIDGE_NAME = "com.docker.network.bridge.name"
"""The engine's own option of a network."""

LONGEST = 65_536
"""Of a label that is looked at, in characters: an image may bring any."""

HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Tag:
    """What the labels of one container say."""

    ref: ServiceRef
    slot: int
    task: str
    """Empty for the sandbox."""

    revision: str
    address: str
    expected_tasks: tuple[str, ...]
    probe: Probe | None
    ports: tuple[int, ...]
    restart: Restart = "always"
    termination_grace_seconds: int | None = None
    """As its service declared it when it was made; None: it did not."""

    @property
    def replica(self) -> str:
        return replica_id(self.ref, self.slot)


def of_instance(instance: str) -> list[str]:
    """A label filter."""
    return [f"{INSTANCE}={instance}", PROJECT]


def of_service(instance: str, key: ServiceKey) -> list[str]:
    return [f"{INSTANCE}={instance}", f"{PROJECT}={key.project}", f"{SERVICE}={key.service}"]


def network_labels(instance: str, key: ServiceKey) -> dict[str, str]:
    return {INSTANCE: instance, PROJECT: key.project, SERVICE: key.service}


def pod_labels(instance: str, op: CreateReplica) -> dict[str, str]:
    """Of the sandbox, and the base of its tasks'."""
    grace = op.spec.termination_grace_period_seconds
    return {
        **network_labels(instance, op.ref.key),
        **({GRACE: str(grace)} if grace is not None else {}),
        VERSION: op.ref.version,
        SLOT: str(op.slot),
        REVISION: op.revision,
        ADDRESS: op.address,
        TASKS: json.dumps([task.id for task in op.spec.tasks]),
    }


def task_labels(instance: str, op: CreateReplica, task: Task) -> dict[str, str]:
    """The user's own labels are there too; those that look like ours are not."""
    written = _given(task.probe) if task.probe is not None else ""
    return {
        **{name: text for name, text in op.spec.labels.items() if not name.startswith(PREFIX)},
        **pod_labels(instance, op),
        TASK: task.id,
        PROBE: written,
        PORTS: json.dumps([port.port for port in task.ports]),
        RESTART: task.restart,
    }


def _given(probe: Probe) -> str:
    """With what was given alone: an interval that was not is another one for the prober."""
    return probe.model_dump_json(by_alias=True, exclude_unset=True)


def read(labels: Mapping[str, str]) -> Tag | None:
    """None where they are not the labels of a pod's container, in the form that we write."""
    try:
        key = _known(read_key(labels))
        task = labels.get(TASK, "")
        probe = _short(labels.get(PROBE, ""))
        return Tag(
            ref=ServiceRef(*key, _like(VERSION_ID, labels[VERSION])),
            slot=int(_like("[0-9]{1,9}", labels[SLOT])),
            task=_like(DNS_LABEL, task) if task else "",
            revision=_like("[!-~]{1,128}", labels[REVISION]),
            address=str(IPv4Address(_short(labels[ADDRESS]))),
            expected_tasks=_tasks(_listed(labels[TASKS])),
            probe=Probe.model_validate_json(probe) if probe else None,
            ports=_ports(_listed(labels.get(PORTS, "[]"))),
            restart=_restart(labels.get(RESTART, "always")),
            termination_grace_seconds=_seconds(labels.get(GRACE)),
        )
    except (KeyError, ValueError, RecursionError):
        return None


def read_key(labels: Mapping[str, str]) -> ServiceKey | None:
    """None where they are no labels of a service."""
    try:
        return ServiceKey(_like(DNS_LABEL, labels[PROJECT]), _like(DNS_LABEL, labels[SERVICE]))
    except (KeyError, ValueError):
        return None


def _known(key: ServiceKey | None) -> ServiceKey:
    if key is None:
        raise ValueError("not a service")
    return key


def _like(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, _short(text)):
        raise ValueError(f"not of the form {pattern}")
    return text


def _short(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError("longer than any that we write")
    return text


def _listed(text: str) -> list[Any]:
    items = json.loads(_short(text))
    if not isinstance(items, list):
        raise ValueError("not a list")  # noqa: TRY004 - one kind of error for what is not ours
    return items


def _tasks(ids: list[Any]) -> tuple[str, ...]:
    if not ids or not all(isinstance(one, str) for one in ids):
        raise ValueError("not the ids of tasks")
    return tuple(_like(DNS_LABEL, one) for one in ids)


def _ports(numbers: list[Any]) -> tuple[int, ...]:
    if not all(type(one) is int and 0 < one <= HIGHEST_PORT for one in numbers):
        raise ValueError("not ports")
    return tuple(numbers)


def _restart(text: str) -> Restart:
    for known in get_args(Restart):
        if text == known:
            return cast(Restart, known)
    raise ValueError("not a restart policy")


def _seconds(text: str | None) -> int | None:
    return None if text is None else int(_like("[0-9]{1,9}", text))


def scope(instance: str) -> str:
    """What our names on the engine start with."""
    return "space-cloud" if instance == "default" else f"space-cloud-{instance}"


def part_name(instance: str, part: str) -> str:
    return f"{scope(instance)}-{part}"


def network_name(instance: str, key: ServiceKey) -> str:
    return f"{scope(instance)}-{_joined(key.project, key.service)}"


def container_name(instance: str, ref: ServiceRef, slot: int, task: str) -> str:
    """The sandbox's ends with the slot, so that a task may be called anything."""
    tasks = (task,) if task else ()
    return f"{scope(instance)}-{_joined(*ref, str(slot), *tasks)}"


def belongs(labels: Mapping[str, str] | None, instance: str, key: ServiceKey) -> bool:
    """Carries the labels of this service of this instance. A name alone proves nothing."""
    return network_labels(instance, key).items() <= (labels or {}).items()


def _joined(*ids: str) -> str:
    """Readable, and different for different ids: ``a--b`` + ``c`` is not ``a`` + ``b--c``."""
    name = "--".join(ids)
    if not any("--" in id for id in ids):
        return name
    return f"{name}-{hashlib.sha256('/'.join(ids).encode()).hexdigest()[:8]}"
