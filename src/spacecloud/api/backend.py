"""What the API asks of the running control plane; ``reconcile`` answers."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from spacecloud.drivers.driver import LogRequest
from spacecloud.model.declared import Trial
from spacecloud.model.envelope import Envelope
from spacecloud.model.metrics import Metrics
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling import Depth
from spacecloud.model.scaling_view import ScaleView, WakeView
from spacecloud.model.status import Finding, PlanView, ServiceStatus
from spacecloud.reasons.notices import Notice
from spacecloud.reasons.scale_requests import ScaleRequestReason, StillWaking


class ScalingBackend(Protocol):
    """Of numbers of replicas, and of sleep."""

    async def views(
        self, project: str, service: str | None, version: str | None
    ) -> list[ScaleView]:
        """Of every declared version that fits; empty where there is none."""
        ...

    async def scale(self, ref: ServiceRef, replicas: int) -> tuple[ScaleRequestReason, ...]:
        """
        So many until the next apply: the answer says so, and what will surprise. ``NotFound`` for
        a version that is not declared.
        """
        ...

    async def sleep(self, ref: ServiceRef, depth: Depth) -> None:
        """
        Returns when it is written down. ``NotFound`` for a version that is not declared,
        ``Conflict`` with the fix for one that may not sleep.
        """
        ...

    async def wake(self, ref: ServiceRef) -> WakeView | StillWaking | None:
        """
        Returns when it takes calls; None: it was awake. Raises why it does not: ``NotFound`` for
        a version that is not declared, ``Transient``, ``Terminal``.
        """
        ...


class Backend(Protocol):
    async def status(
        self, project: str, service: str | None, version: str | None
    ) -> list[ServiceStatus]:
        """Of every declared version that fits; empty where there is none."""
        ...

    async def why(self, project: str, service: str, version: str | None) -> list[Finding]:
        """``NotFound`` for a service that is not declared."""
        ...

    @property
    def scaling(self) -> ScalingBackend: ...

    async def check(self, envelopes: Sequence[Envelope]) -> None:
        """Raises what accepting the documents together would. Touches nothing."""
        ...

    async def plan(
        self, envelopes: Sequence[Envelope], trial: Trial = "once", *, delete: bool
    ) -> PlanView:
        """What applying (or deleting) the documents together would change. Touches nothing."""
        ...

    def logs(self, request: LogRequest) -> AsyncIterator[bytes]:
        """Lines as they come. ``NotFound`` before the first one for an unknown replica or task."""
        ...

    def notices(self, envelope: Envelope) -> tuple[Notice, ...]:
        """What of the document is kept but not acted on, and what will surprise."""
        ...

    async def why_unavailable(self) -> str:
        """Why the control plane cannot do its work, for anybody; empty where it can."""
        ...

    def metrics(self) -> Metrics: ...
