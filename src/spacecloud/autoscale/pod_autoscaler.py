"""
How many replicas two windows ask for: the algorithm of Knative's pod autoscaler. Pure.

| step                | what it does                                                              |
|---------------------|---------------------------------------------------------------------------|
| rates               | from ready / max down rate, rounded down, to ready x max up rate, up      |
| activation scale    | the least where any are wanted                                            |
| panic               | begins where the panic window wants threshold x ready, and ends when that |
|                     | was not so for a whole stable window                                      |
| in panic            | the most that either window has wanted since panic began                  |
| scale-down delay    | the most that was wanted in that time                                     |

At least one replica counts as ready.
"""

from dataclasses import dataclass, replace
from math import ceil, floor

from spacecloud.autoscale.decision import Limit, LimitKind, ScalerState
from spacecloud.model.scale import Tuning


@dataclass(frozen=True, slots=True)
class Wanted:
    """By all triggers together: the most that one of them wants."""

    stable: int
    panic: int


def scale(
    tuning: Tuning, state: ScalerState, wanted: Wanted, ready: int, now: float
) -> tuple[int, tuple[Limit, ...], ScalerState]:
    """The number before the bounds, what has limited it, and the state for the next time."""
    state = _panic(tuning, state, wanted, ready, now)
    stable, limits = _limited(tuning, wanted.stable, ready)
    if state.panic_since is not None:
        panic, of_panic = _limited(tuning, wanted.panic, ready)
        if panic > stable:
            stable, limits = panic, of_panic
        state = replace(state, panic_replicas=max(state.panic_replicas, stable))
        limits += _moved("panic", stable, state.panic_replicas)
        stable = state.panic_replicas
    delayed, state = _delayed(tuning, state, stable, now)
    return delayed, (*limits, *_moved("scale-down-delay", stable, delayed)), state


def _panic(
    tuning: Tuning, state: ScalerState, wanted: Wanted, ready: int, now: float
) -> ScalerState:
    if wanted.panic / max(1, ready) >= tuning.panic_threshold:
        return replace(state, panic_since=now)
    since = state.panic_since
    if since is not None and since + tuning.stable_window_seconds < now:
        return replace(state, panic_since=None, panic_replicas=0)
    return state


def _limited(tuning: Tuning, wanted: int, ready: int) -> tuple[int, tuple[Limit, ...]]:
    most = ceil(tuning.max_scale_up_rate * max(1, ready))
    least = floor(max(1, ready) / tuning.max_scale_down_rate)
    up = min(max(wanted, least), most)
    limits = _moved("max-scale-down-rate" if up > wanted else "max-scale-up-rate", wanted, up)
    scale = tuning.activation_scale
    if wanted > 0 and scale > max(up, 1):
        return scale, (*limits, *_moved("activation-scale", up, scale))
    return up, limits


def _delayed(
    tuning: Tuning, state: ScalerState, wanted: int, now: float
) -> tuple[int, ScalerState]:
    """The most that was wanted within the delay. Only numbers above all later ones are kept."""
    oldest = now - tuning.scale_down_delay_seconds
    recent = tuple((at, n) for at, n in state.recent if at > oldest and n > wanted)
    recent = (*recent, (now, wanted))
    return recent[0][1], replace(state, recent=recent)


def _moved(kind: LimitKind, wanted: int, allowed: int) -> tuple[Limit, ...]:
    return (Limit(kind, wanted, allowed),) if wanted != allowed else ()
