"""
How many replicas of a version may run, what moves that number, and when it sleeps. Pure.

| written                                  | minimum     | maximum          | triggers         |
|------------------------------------------|-------------|------------------|------------------|
| neither ``scale`` nor ``autoScale``      | 1           | 1                | none             |
| ``scale`` with ``replicas`` and no bound | replicas    | replicas         | none             |
| any other ``scale``                      | minReplicas | maxReplicas      | one, of its mode |
| ``autoScale`` with triggers              | minReplicas | maxReplicas      | as given         |
| ``autoScale`` without                    | minReplicas | minReplicas or 1 | none             |

Bounds that are not written are 0 and 100. A maximum below the minimum is the minimum, but for
``scale.maxReplicas: 0`` without a minimum: none run.
"""

from dataclasses import dataclass, replace
from typing import Literal

from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.quantity import quantity
from spacecloud.model.scale_spec import AutoScale, Scale, Sleep, Trigger
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.schedule import Schedule
from spacecloud.model.service import Service
from spacecloud.model.trigger_metadata import (
    cron_replicas,
    cron_schedule,
    per_cent,
    request_target,
    usage_type,
)

DEFAULT_MAXIMUM = 100
DEFAULT_CONCURRENCY = 50
POLLING_SECONDS = 15
LONGEST_POLLING_SECONDS = 30
"""So that there are two looks in a stable window."""

COOL_DOWN_SECONDS = 120
FREEZE_AFTER_SECONDS = 60.0
STOP_AFTER_SECONDS = 900.0
UNWRITTEN_MEMORY_BYTES = 64 << 20
CPU_REQUEST_MILLICORES = 250
"""Of a task that writes 0."""

RequestMetric = Literal["requests-per-second", "active-requests"]
UsageMetric = Literal["cpu", "memory"]


@dataclass(frozen=True, slots=True)
class RequestTrigger:
    name: str
    metric: RequestMetric
    total: float
    """What one replica is to have at most, as it is written."""


@dataclass(frozen=True, slots=True)
class UsageTrigger:
    name: str
    metric: UsageMetric
    target: float
    """Of one replica, on average: thousandths of a core, or bytes."""


@dataclass(frozen=True, slots=True)
class ScheduleTrigger:
    name: str
    schedule: Schedule
    replicas: int
    """While it is open."""


@dataclass(frozen=True, slots=True)
class UnusedTrigger:
    """Of another platform, or one that an earlier release accepted and that means nothing."""

    name: str
    type: str


PolicyTrigger = RequestTrigger | UsageTrigger | ScheduleTrigger | UnusedTrigger


@dataclass(frozen=True, slots=True)
class Tuning:
    """Of the autoscaler, with the names and the defaults of Knative's."""

    target_utilization: float = 0.7
    """Share of a request trigger's total that is steered for."""

    stable_window_seconds: float = 60
    panic_window_seconds: float = 6
    panic_threshold: float = 2
    """Panic begins where the panic window wants so many times the ready replicas."""

    max_scale_up_rate: float = 1000
    max_scale_down_rate: float = 2
    scale_down_delay_seconds: float = 0
    activation_scale: int = 1
    """How many run at least where any are wanted."""

    usage_tolerance: float = 0.1
    """Of the horizontal pod autoscaler: so far from a usage's target nothing is changed."""


@dataclass(frozen=True, slots=True)
class SleepPolicy:
    freeze_after_seconds: float | None = FREEZE_AFTER_SECONDS
    """None: never."""

    stop_after_seconds: float | None = STOP_AFTER_SECONDS
    awake: tuple[Schedule, ...] = ()
    busy_cpu_millicores: int = 0
    """Of one replica, on average; 0: CPU does not count."""

    waiting_page: bool = False
    max_held: int | None = None
    """None: the platform's own number."""


@dataclass(frozen=True, slots=True)
class ScalePolicy:
    minimum: int = 1
    maximum: int = 1
    initial: int = 1
    """How many run before anything was decided."""

    triggers: tuple[PolicyTrigger, ...] = ()
    sleep: SleepPolicy | None = None
    """None: it may not sleep."""

    polling_seconds: float = POLLING_SECONDS
    """Between two looks at CPU and memory."""

    pinned: int | None = None
    """How many a person has asked for, until the next apply; the bounds are this number then."""

    tuning: Tuning = Tuning()

    @property
    def floor(self) -> int:
        """How few run while it is awake: one, where it is not a schedule alone that wakes it."""
        is_scheduled = any(isinstance(trigger, ScheduleTrigger) for trigger in self.triggers)
        if self.minimum or (self.sleep is None and is_scheduled):
            return self.minimum
        return min(1, self.maximum)

    def clamp(self, replicas: int) -> int:
        return max(self.floor, min(replicas, self.maximum))


def scale_policy(service: Service) -> ScalePolicy:
    """What is declared."""
    policy = _bounds(service)
    if not _is_sleeper(service, policy):
        return policy
    return replace(policy, sleep=_sleep(service))


def policy_in_force(version: DeclaredVersion) -> ScalePolicy:
    """What is declared, or the number that a person has asked for since."""
    policy, scaling = scale_policy(version.spec), version.scaling
    if scaling is None or scaling.pinned != version.generation:
        return policy
    n = scaling.replicas
    return replace(policy, minimum=n, maximum=n, initial=n, triggers=(), sleep=None, pinned=n)


def wanted_replicas(policy: ScalePolicy, scaling: Scaling | None) -> int:
    """Within the bounds in force, which may have changed since it was decided."""
    return policy.initial if scaling is None else policy.clamp(scaling.replicas)


def wanted_depth(policy: ScalePolicy, scaling: Scaling | None) -> Depth | None:
    """None: awake, or it may not sleep any more."""
    return scaling.asleep if scaling is not None and policy.sleep is not None else None


def is_allowed(sleep: SleepPolicy | None, depth: Depth) -> bool:
    """Would it sleep so deep by itself? A person may ask for either depth."""
    if sleep is None:
        return False
    after = sleep.freeze_after_seconds if depth == "frozen" else sleep.stop_after_seconds
    return after is not None


def may_sleep(service: Service) -> bool:
    """Does a call wake it? Only what has ports can be called."""
    return scale_policy(service).sleep is not None


def declared_replicas(service: Service) -> int:
    """How many run before load has moved the number."""
    return scale_policy(service).initial


def _bounds(service: Service) -> ScalePolicy:
    if service.auto_scale is not None:
        return _auto_scale(service.auto_scale, service)
    if service.scale is not None:
        return _scale(service.scale)
    return ScalePolicy()


def _is_sleeper(service: Service, policy: ScalePolicy) -> bool:
    return policy.minimum == 0 and policy.maximum > 0 and bool(service.ports)


def _scale(scale: Scale) -> ScalePolicy:
    written = scale.model_fields_set
    if "replicas" in written and not written & {"min_replicas", "max_replicas"}:
        n = scale.replicas
        return ScalePolicy(n, n, n)
    minimum = scale.min_replicas
    maximum = max(minimum, scale.max_replicas)
    initial = max(minimum, min(scale.replicas, maximum), min(1, maximum))
    metric: RequestMetric = "active-requests" if scale.mode == "parallel" else "requests-per-second"
    trigger = RequestTrigger(metric, metric, float(scale.concurrency or DEFAULT_CONCURRENCY))
    return ScalePolicy(minimum, maximum, initial, (trigger,))


def _auto_scale(scale: AutoScale, service: Service) -> ScalePolicy:
    minimum = scale.min_replicas
    maximum = max(minimum, scale.max_replicas or DEFAULT_MAXIMUM)
    if not scale.triggers:
        maximum = max(minimum, 1)
    return ScalePolicy(
        minimum,
        maximum,
        initial=max(minimum, 1),
        triggers=tuple(_trigger(trigger, service) for trigger in scale.triggers),
        polling_seconds=min(scale.polling_interval or POLLING_SECONDS, LONGEST_POLLING_SECONDS),
    )


def _trigger(trigger: Trigger, service: Service) -> PolicyTrigger:
    name = trigger.name or trigger.type
    match trigger.type:
        case "requests-per-second" | "active-requests" as metric:
            aim = request_target(trigger.metadata)
            return RequestTrigger(name, metric, aim) if aim else UnusedTrigger(name, metric)
        case "cpu" | "memory" as metric:
            target = _usage_target(metric, trigger, service)
            return UsageTrigger(name, metric, target) if target else UnusedTrigger(name, metric)
        case "cron":
            schedule, n = cron_schedule(trigger.metadata), cron_replicas(trigger.metadata)
            return ScheduleTrigger(name, schedule, n) if n else UnusedTrigger(name, "cron")
        case other:
            return UnusedTrigger(name, other)


def _usage_target(metric: UsageMetric, trigger: Trigger, service: Service) -> float | None:
    """None: it cannot be read, or is a share of a memory that has no limit."""
    if usage_type(trigger.metadata) == "Utilization":
        share = per_cent(trigger.metadata)
        return requested(metric, service) * share / 100 if share else None
    amount = quantity(trigger.metadata.get("value", ""))
    return amount * 1000 if amount is not None and metric == "cpu" else amount


def requested(metric: UsageMetric, service: Service) -> float:
    """Of one replica: thousandths of a core, or bytes; 0 where a task's memory has no limit."""
    if metric == "cpu":
        return sum(task.resources.cpu or CPU_REQUEST_MILLICORES for task in service.tasks)
    limits = [task.resources.memory for task in service.tasks]
    return sum(limits) * 2**20 if all(limits) else 0


def memory_request(service: Service) -> int:
    """
    Bytes that a replica which starts is expected to need, where nothing was measured of it yet.

    What is written is a limit, and is taken at its word. The limit of a task that writes none is
    not: most need a fraction of it.
    """
    return sum(
        task.resources.memory * 2**20
        if "memory" in task.resources.model_fields_set
        else UNWRITTEN_MEMORY_BYTES
        for task in service.tasks
    )


def _sleep(service: Service) -> SleepPolicy:
    scale = service.auto_scale or service.scale
    written = scale.sleep if scale is not None else None
    sleep = written or Sleep()
    return SleepPolicy(
        freeze_after_seconds=_seconds(sleep.freeze_after, _cool_down(service.auto_scale)),
        stop_after_seconds=_seconds(sleep.stop_after, STOP_AFTER_SECONDS),
        awake=tuple(hours.schedule for hours in sleep.awake),
        busy_cpu_millicores=sleep.busy_cpu,
        waiting_page=sleep.waiting_page,
        max_held=sleep.max_held,
    )


def _cool_down(scale: AutoScale | None) -> float:
    """``coolDownInterval`` where it is written."""
    if scale is None or "cool_down_interval" not in scale.model_fields_set:
        return FREEZE_AFTER_SECONDS
    return scale.cool_down_interval or COOL_DOWN_SECONDS


def _seconds(written: int | str | None, default: float) -> float | None:
    if written is None:
        return default
    return None if written == "never" else float(written)
