"""How the number of a version's replicas comes about, as the API answers it: values, no prose."""

from datetime import datetime
from typing import Literal

from spacecloud.model.scaling import Depth
from spacecloud.model.status import Message
from spacecloud.model.view import View

ScaleState = Literal["awake", "frozen", "stopped"]
"""What it is. Falling asleep or waking up it is what it was, and ``asleep`` says what is wanted."""

WindowName = Literal["stable", "panic"]


class WindowView(View):
    """What one window of a trigger's signal says."""

    name: WindowName
    seconds: float
    value: float | None = None
    """Mean of the signal over it, of all replicas; null: no data, which is not zero."""

    wants: int = 0
    """Replicas, by this window alone."""


class TriggerView(View):
    name: str
    type: str
    target: float
    """What one replica is to have."""

    value: float | None = None
    """In the window that decides; null: no data."""

    window: WindowName = "stable"
    """The one that decides."""

    wants: int | None = None
    """Replicas; null: no data."""

    windows: tuple[WindowView, ...] = ()


class LimitView(View):
    """What has moved the number that the triggers want, in the order in which it did."""

    kind: str
    """As in ``max-scale-up-rate``, ``scale-down-delay`` or ``maximum``."""

    wanted: int
    allowed: int


class CauseView(View):
    reason: str
    """A code of ``docs/reasons.md``."""

    message: Message


class NextView(View):
    """What comes where nothing else happens."""

    what: str
    """As in ``freezes``, ``stops``, ``panic-ends`` or ``schedule-changes``."""

    at: datetime


class DecisionView(View):
    """The last one that changed something."""

    at: datetime
    replicas: int
    asleep: Depth | None = None
    cause: CauseView | None = None
    """Null where it was made before the control plane started."""


class WakePartView(View):
    name: str
    """``gate``, ``thaw``, ``start``, ``create`` or ``ready``, as in ``docs/scaling.md``."""

    milliseconds: float


class WakeView(View):
    at: datetime
    """When it took calls again."""

    why: str
    """``call``, ``upstream``, ``person``, ``load``, ``connection`` or ``lease``."""

    was: Depth | None = None
    """How deep it slept; null: it was on its way already."""

    milliseconds: float
    """In all, from when it was asked for."""

    parts: tuple[WakePartView, ...] = ()
    """Of it, in their order."""


class WakesView(View):
    """Since the control plane started."""

    count: int = 0
    failed: int = 0
    last: WakeView | None = None


class ScaleView(View):
    project: str
    service_id: str
    version: str
    state: ScaleState = "awake"
    since: datetime | None = None
    """When that was decided which is wanted; null: nothing was, yet."""

    asleep: Depth | None = None
    """How deep it is to sleep; null: it is to be awake."""

    wanted: int = 0
    """Replicas. Asleep: how many are kept to be woken."""

    ready: int = 0
    """Those that take requests."""

    minimum: int = 1
    maximum: int = 1
    pinned: int | None = None
    """What a person has asked for: it holds until the next apply, whatever the load."""

    may_sleep: bool = False
    never_sleeps: CauseView | None = None
    """Why it may not."""

    freeze_after_seconds: float | None = None
    """Of idleness; null: never."""

    stop_after_seconds: float | None = None
    mode: WindowName = "stable"
    """``panic``: the short window decides, and nothing is scaled down."""

    valid: bool = False
    """Is there a decision? Else all stays as it is."""

    no_decision: CauseView | None = None
    """Why there is none."""

    triggers: tuple[TriggerView, ...] = ()
    limits: tuple[LimitView, ...] = ()
    busy: tuple[CauseView, ...] = ()
    """Why it does not sleep now, though it may."""

    idle_seconds: float | None = None
    """How long nobody has needed it; null: somebody does, or it is not known."""

    next: tuple[NextView, ...] = ()
    """The soonest first."""

    last_decision: DecisionView | None = None
    held: int = 0
    """Calls that wait at the gate now."""

    wakes: WakesView = WakesView()


class ScaleAnswer(View):
    """What came of asking for a number, for sleep or for a wake."""

    notices: tuple[str, ...] = ()
    """How long it holds, and what will surprise."""

    replicas: int | None = None
    """That were asked for."""

    asleep: Depth | None = None
    """It falls asleep; null: it is awake."""

    milliseconds: float | None = None
    """Of a wake: until it took calls; 0: it was awake. Null: it is on its way, and goes on."""

    parts: tuple[WakePartView, ...] = ()
    """Of a wake, in their order; empty where it was awake."""
