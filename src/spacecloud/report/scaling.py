"""How the number of a version's replicas comes about, from what was declared, decided and seen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spacecloud.autoscale.decision import Decision, Want
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.scale import (
    ScalePolicy,
    Tuning,
    policy_in_force,
    scale_policy,
    wanted_replicas,
)
from spacecloud.model.scaling import Scaling
from spacecloud.model.scaling_view import (
    CauseView,
    DecisionView,
    LimitView,
    NextView,
    ScaleState,
    ScaleView,
    TriggerView,
    WakesView,
    WindowName,
    WindowView,
)
from spacecloud.model.service import Service
from spacecloud.reasons.base import BaseReason
from spacecloud.reasons.scale_requests import (
    MinimumKeepsAwake,
    NeverSleeps,
    NobodyWakesIt,
    NoneAllowed,
    NoPortToWakeIt,
    OutsideBounds,
    ScaleNotWritten,
    ScaleRequestReason,
    UntilNextApply,
)
from spacecloud.reasons.scaling import Called
from spacecloud.report.sleeping import depth_of_all
from spacecloud.report.snapshot import Snapshot, replicas_of
from spacecloud.workloads.situation import in_service


@dataclass(frozen=True, slots=True)
class Decided:
    at: datetime
    decision: Decision


@dataclass(frozen=True, slots=True)
class Known:
    """What the control plane has decided about a version, and what became of it."""

    scaling: Scaling | None = None
    """What is wanted, as it was decided last."""

    latest: Decided | None = None
    """Also one that changed nothing, or is not valid."""

    changed: Decided | None = None
    """The last one that changed something."""

    held: int = 0
    wakes: WakesView = WakesView()


def scale_view(version: DeclaredVersion, snapshot: Snapshot | None, known: Known) -> ScaleView:
    """What is known goes before the scaling that the store had when ``version`` was read."""
    ref, scaling = version.ref, known.scaling
    policy = policy_in_force(replace(version, scaling=scaling))
    never = never_sleeps(version.spec)
    view = ScaleView(
        project=ref.project,
        service_id=ref.service,
        version=ref.version,
        state=_state(version, snapshot, known),
        since=scaling.since if scaling is not None else None,
        asleep=scaling.asleep if scaling is not None else None,
        wanted=wanted_replicas(policy, scaling),
        ready=_ready(version, snapshot),
        minimum=policy.minimum,
        maximum=policy.maximum,
        pinned=policy.pinned,
        may_sleep=never is None,
        never_sleeps=_cause(never) if never is not None else None,
        last_decision=_last(known),
        held=known.held,
        wakes=known.wakes,
    )
    return view.model_copy(update={**_sleep(policy), **_latest(policy.tuning, _current(known))})


def never_sleeps(service: Service) -> NeverSleeps | None:
    """Why a version may not sleep at all, with what would let it; None where it may."""
    policy = scale_policy(service)
    if policy.sleep is not None:
        return None
    if service.auto_scale is None and service.scale is None:
        return ScaleNotWritten()
    if policy.maximum == 0:
        return NoneAllowed("scale.maxReplicas")
    if policy.minimum:
        return MinimumKeepsAwake(policy.minimum, _field_of_minimum(service))
    return NoPortToWakeIt()


def _field_of_minimum(service: Service) -> str:
    scale = service.scale
    if service.auto_scale is not None:
        return "autoScale.minReplicas"
    if scale is not None and "min_replicas" in scale.model_fields_set:
        return "scale.minReplicas"
    return "scale.replicas"


def told_of_number(service: Service, replicas: int) -> Iterator[ScaleRequestReason]:
    """How long it holds that a person asks for so many, and what will surprise."""
    policy = scale_policy(service)
    yield UntilNextApply(replicas)
    if replicas == 0:
        yield NobodyWakesIt()
    elif not policy.minimum <= replicas <= policy.maximum:
        yield OutsideBounds(replicas, policy.minimum, policy.maximum)


def _state(version: DeclaredVersion, snapshot: Snapshot | None, known: Known) -> ScaleState:
    """As it was seen last, or woken since; where it was not seen yet, as it was decided."""
    scaling, woken = known.scaling, known.wakes.last
    if scaling is None or scaling.asleep is None:
        return "awake"
    if snapshot is None:
        return scaling.asleep
    if woken is not None and woken.at > snapshot.situation.now:
        return "awake"
    return depth_of_all(replicas_of(version.ref, snapshot)) or "awake"


def _ready(version: DeclaredVersion, snapshot: Snapshot | None) -> int:
    return sum(map(in_service, replicas_of(version.ref, snapshot)))


def _sleep(policy: ScalePolicy) -> dict[str, object]:
    if policy.sleep is None:
        return {}
    return {
        "freeze_after_seconds": policy.sleep.freeze_after_seconds,
        "stop_after_seconds": policy.sleep.stop_after_seconds,
    }


def _last(known: Known) -> DecisionView | None:
    scaling = known.scaling
    if scaling is None:
        return None
    cause = _cause_of(scaling, known)
    return DecisionView(
        at=scaling.since,
        replicas=scaling.replicas,
        asleep=scaling.asleep,
        cause=_cause(cause) if cause is not None else None,
    )


def _cause_of(scaling: Scaling, known: Known) -> BaseReason | None:
    """Of the scaling that is wanted now; None where the control plane did not see it decided."""
    changed, wake = known.changed, known.wakes.last
    if changed is not None and _is_of(changed.decision, scaling):
        return changed.decision.cause
    is_woken = scaling.asleep is None and wake is not None and wake.at >= scaling.since
    return Called() if is_woken and wake is not None and wake.why == "call" else None


def _is_of(decision: Decision, scaling: Scaling) -> bool:
    return (decision.replicas, decision.asleep) == (scaling.replicas, scaling.asleep)


def _current(known: Known) -> Decided | None:
    """The latest decision, where nobody has woken it or sent it to sleep since."""
    latest, scaling = known.latest, known.scaling
    if latest is None or scaling is None or latest.at >= scaling.since:
        return latest
    return latest if latest.decision.asleep == scaling.asleep else None


def _latest(tuning: Tuning, latest: Decided | None) -> dict[str, object]:
    """Fields of the view."""
    if latest is None:
        return {}
    decision = latest.decision
    why = decision.why_invalid
    return {
        "mode": decision.mode,
        "valid": decision.valid,
        "no_decision": _cause(why) if why is not None else None,
        "triggers": tuple(_trigger(want, decision, tuning) for want in decision.wants),
        "limits": tuple(
            LimitView(kind=each.kind, wanted=each.wanted, allowed=each.allowed)
            for each in decision.limits
        ),
        "busy": tuple(map(_cause, decision.busy)),
        "idle_seconds": decision.idle_seconds,
        "next": tuple(
            NextView(what=each.kind, at=latest.at + timedelta(seconds=each.seconds))
            for each in decision.next
        ),
    }


def _trigger(want: Want, decision: Decision, tuning: Tuning) -> TriggerView:
    name: WindowName = "stable"
    if decision.mode == "panic" and want.panic_replicas > want.stable_replicas:
        name = "panic"
    windows = tuple(_windows(want, tuning))
    decides = next((window for window in windows if window.name == name), windows[0])
    return TriggerView(
        name=want.trigger,
        type=want.metric,
        target=want.target,
        value=decides.value,
        window=decides.name,
        wants=decides.wants if want.has_data else None,
        windows=windows,
    )


def _windows(want: Want, tuning: Tuning) -> Iterator[WindowView]:
    yield WindowView(
        name="stable",
        seconds=tuning.stable_window_seconds,
        value=want.stable,
        wants=want.stable_replicas,
    )
    if want.metric in ("requests-per-second", "active-requests"):
        yield WindowView(
            name="panic",
            seconds=tuning.panic_window_seconds,
            value=want.panic,
            wants=want.panic_replicas,
        )


def _cause(reason: BaseReason) -> CauseView:
    fix = f": {reason.fix}" if reason.fix else ""
    return CauseView(reason=reason.code, message=f"{reason}{fix}")
