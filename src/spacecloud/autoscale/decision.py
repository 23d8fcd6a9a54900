"""What was decided about a version, with all that it was decided by; and what is kept for next."""

from dataclasses import dataclass, replace
from typing import Literal

from spacecloud.model.scaling import Depth
from spacecloud.reasons.scaling import BusyReason, LoadUnknown, ScalingReason

Mode = Literal["stable", "panic"]


@dataclass(frozen=True, slots=True)
class Want:
    """Of one trigger."""

    trigger: str
    metric: str
    target: float
    """Of one replica."""

    stable: float | None
    """The metric's mean in the stable window, of all replicas; None: no data."""

    panic: float | None = None
    """In the panic window; None: no data, or a metric that begins no panic."""

    stable_replicas: int = 0
    panic_replicas: int = 0

    @property
    def has_data(self) -> bool:
        return self.stable is not None

    def replicas(self, mode: Mode) -> int:
        """In panic, the more of what both windows want."""
        if mode == "panic":
            return max(self.stable_replicas, self.panic_replicas)
        return self.stable_replicas

    def value(self, mode: Mode) -> float:
        """The mean in the window that decides; 0 where there is no data."""
        is_panic = mode == "panic" and self.panic_replicas > self.stable_replicas
        return (self.panic if is_panic else self.stable) or 0


LimitKind = Literal[
    "max-scale-up-rate",
    "max-scale-down-rate",
    "activation-scale",
    "panic",
    "scale-down-delay",
    "no-data",
    "minimum",
    "maximum",
]


@dataclass(frozen=True, slots=True)
class Limit:
    """What has moved the number that the triggers want."""

    kind: LimitKind
    wanted: int
    allowed: int


NextKind = Literal["freezes", "stops", "panic-ends", "scales-down", "schedule-changes"]


@dataclass(frozen=True, slots=True)
class Next:
    """What comes where nothing else happens."""

    kind: NextKind
    seconds: float
    """From now."""


@dataclass(frozen=True, slots=True)
class Decision:
    replicas: int
    """Asleep: how many are kept to be woken."""

    asleep: Depth | None = None
    why_invalid: LoadUnknown | None = None
    """Nothing may be changed by it: the rest is what was before."""

    cause: ScalingReason | None = None
    """What has decided; None where nothing is changed."""

    mode: Mode = "stable"
    wants: tuple[Want, ...] = ()
    minimum: int = 1
    maximum: int = 1
    limits: tuple[Limit, ...] = ()
    """In the order in which they held."""

    busy: tuple[BusyReason, ...] = ()
    """Why it does not sleep, where it may."""

    idle_seconds: float | None = None
    """Since when it could sleep; None: it may not, is busy or asleep, or it is not known."""

    next: tuple[Next, ...] = ()
    """The soonest first."""

    @property
    def valid(self) -> bool:
        return self.why_invalid is None


@dataclass(frozen=True, slots=True)
class ScalerState:
    """What one decision keeps for the next. Times are those of ``now``."""

    awake_since: float
    """Or busy last: it was not idle before."""

    asleep: Depth | None = None
    asleep_since: float = 0
    """Since when it is idle, while it is asleep: a deeper sleep is counted from here."""

    panic_since: float | None = None
    """When it was over the threshold last; None: stable."""

    panic_replicas: int = 0
    """The most that were wanted since panic began."""

    recent: tuple[tuple[float, int], ...] = ()
    """Of the scale-down delay: when which number was wanted, each above those after it."""


def begin(now: float, running: int) -> ScalerState:
    """
    Of a version that is awake, when nothing is known of what was before.

    ``running``: how many are ready or wanted, whichever is more. Above 1 it begins in panic, so
    that a history that is lost makes none fewer.
    """
    if running > 1:
        return ScalerState(now, panic_since=now, panic_replicas=running)
    return ScalerState(now)


def begin_asleep(now: float, depth: Depth, idle_seconds: float) -> ScalerState:
    """Of a version that sleeps, and that nobody has called for so long."""
    return ScalerState(now, depth, now - idle_seconds)


def woken(now: float) -> ScalerState:
    """By a call, or by a person: it is idle from now on at the earliest."""
    return ScalerState(now)


def asleep(state: ScalerState, depth: Depth, now: float) -> ScalerState:
    """Sent to sleep by a person."""
    return replace(begin_asleep(now, depth, 0), awake_since=state.awake_since)
