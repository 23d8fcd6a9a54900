"""What is known of a version when it is decided about. Pure."""

from dataclasses import dataclass

from spacecloud.autoscale.samples import Means, Samples
from spacecloud.model.scale import Tuning
from spacecloud.reasons.scaling import BusyReason


@dataclass(frozen=True, slots=True)
class Signals:
    """None is no data, and never zero."""

    active: Means | None = None
    """Requests and connections in flight, of all replicas."""

    rate: Means | None = None
    """Requests and connections that begin in a second, of all replicas."""

    last_active: float | None = None
    """When the last report that told of something began, as ``now`` counts; None: none did."""

    quiet_since: float | None = None
    """Since when nothing is; None: something is, or it is not known."""

    cpu_millicores: float | None = None
    """Of a ready replica, on average, over the stable window."""

    memory_bytes: float | None = None
    """Working set of a ready replica, on average, over the stable window."""

    busy: tuple[BusyReason, ...] = ()
    """What else keeps it awake."""


def signals_of(
    samples: Samples,
    tuning: Tuning,
    now: float,
    *,
    cpu_millicores: float | None = None,
    memory_bytes: float | None = None,
    busy: tuple[BusyReason, ...] = (),
) -> Signals:
    stable, panic = tuning.stable_window_seconds, tuning.panic_window_seconds
    return Signals(
        samples.active.means(now, stable, panic),
        samples.rate.means(now, stable, panic),
        samples.last_active,
        samples.quiet_since if samples.is_fresh(now) else None,
        cpu_millicores,
        memory_bytes,
        busy,
    )
