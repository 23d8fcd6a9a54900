"""Calls that wait at the gate for a version that sleeps, and what they are told."""

from dataclasses import dataclass

from spacecloud.model.refs import ServiceRef


@dataclass(frozen=True, slots=True)
class HeldCall:
    ref: ServiceRef
    """Which version is called."""

    port: int
    accepts_html: bool
    """The client says that it can show a page."""

    at: float
    """When it arrived, by the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Passed:
    """It goes on to a replica."""

    wake_ms: int | None
    """For how long it was held, as the caller is told; None: the version was awake."""


@dataclass(frozen=True, slots=True)
class CallRefused:
    """It is answered with 503."""

    sentence: str
    retry_after_seconds: int
    html: str | None = None
    """What a client gets that can show a page; None: the sentence, as JSON."""


@dataclass(frozen=True, slots=True)
class WaitingCalls:
    """Those of one version that wait now."""

    calls: int
    oldest_seconds: float
