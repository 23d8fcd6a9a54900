"""A control plane without a platform: it answers from the store, and nothing ever runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from spacecloud.drivers.driver import LogRequest
from spacecloud.errors import NotFound, SpaceCloudError, Transient
from spacecloud.model.declared import DeclaredVersion, Trial
from spacecloud.model.envelope import Envelope
from spacecloud.model.metrics import Metrics
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scale import declared_replicas
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.scaling_view import WakePartView, WakeView
from spacecloud.model.status import (
    DocumentChange,
    DocumentChangeKind,
    Finding,
    PlanView,
    ServiceStatus,
)
from spacecloud.reasons.notices import FieldIgnored, Notice
from spacecloud.reasons.platform import EngineUnavailable
from spacecloud.reconcile.dry_run import dry_run
from spacecloud.reconcile.scaling.queries import ScalingQueries
from spacecloud.report.scaling import Decided, Known
from spacecloud.report.snapshot import Snapshot
from spacecloud.store.port import Store

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
PARTS = (
    WakePartView(name="gate", milliseconds=0.3),
    WakePartView(name="start", milliseconds=10),
    WakePartView(name="ready", milliseconds=2),
)


class KeptScaler:
    """Does what a person asks at once; nothing else decides. Fulfils ``Scaler``."""

    def __init__(self) -> None:
        self.kept: dict[ServiceRef, Scaling] = {}
        self.decided: dict[ServiceRef, Decided] = {}
        """What the autoscaler would say."""

        self.why_no_wake: SpaceCloudError | None = None
        self.is_stuck = False

    def known(self, version: DeclaredVersion) -> Known:
        scaling, latest = self.kept.get(version.ref), self.decided.get(version.ref)
        return Known(scaling, latest, latest)

    async def pin(self, version: DeclaredVersion, replicas: int) -> None:
        self.kept[version.ref] = Scaling(replicas, NOON, pinned=version.generation)

    async def put_to_sleep(self, version: DeclaredVersion, depth: Depth) -> None:
        self.kept[version.ref] = Scaling(1, NOON, depth)

    async def wake(self, ref: ServiceRef) -> WakeView | None:
        if self.is_stuck:
            await asyncio.Event().wait()
        if self.why_no_wake is not None:
            raise self.why_no_wake
        known = self.kept.get(ref)
        if known is None or known.asleep is None:
            return None
        self.kept[ref] = Scaling(1, NOON)
        return WakeView(at=NOON, why="person", was=known.asleep, milliseconds=12.3, parts=PARTS)


@dataclass
class StoreBackend:
    """Replicas have the logs that the test gives them; ``follow`` waits until the client goes."""

    store: Store
    log_lines: dict[str, list[bytes]] = field(default_factory=dict)
    unavailable_because: str = ""
    open_logs: int = 0
    asked: list[LogRequest] = field(default_factory=list)
    snapshots: dict[ServiceKey, Snapshot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scaler = KeptScaler()
        self.scaling = ScalingQueries(self.store, self.snapshots.get, self.scaler, wake_seconds=0.5)

    async def status(
        self, project: str, service: str | None, version: str | None
    ) -> list[ServiceStatus]:
        return [
            ServiceStatus(
                service_id=declared.ref.service,
                version=declared.ref.version,
                desired_replicas=declared_replicas(declared.spec),
                generation=declared.generation,
            )
            for declared in await self.store.versions(project, service)
            if version in (None, declared.ref.version)
        ]

    async def why(self, project: str, service: str, version: str | None) -> list[Finding]:
        return []

    async def check(self, envelopes: Sequence[Envelope]) -> None:
        async with self.store.copy() as copy:
            await dry_run(copy, envelopes, delete=False, cluster_type="docker")

    async def plan(
        self, envelopes: Sequence[Envelope], trial: Trial = "once", *, delete: bool
    ) -> PlanView:
        change: DocumentChangeKind = "delete" if delete else "create"
        documents = [DocumentChange(kind=e.kind.name, id=e.name, change=change) for e in envelopes]
        return PlanView(documents=tuple(documents))

    async def logs(self, request: LogRequest) -> AsyncIterator[bytes]:
        self.asked.append(request)
        if request.replica not in self.log_lines:
            raise NotFound(f"there is no replica {request.replica}")
        self.open_logs += 1
        try:
            for line in self.log_lines[request.replica]:
                if line == b"<engine gone>":
                    raise Transient(EngineUnavailable("the engine closed the log"))
                yield line
            if request.follow:
                await asyncio.Event().wait()
        finally:
            self.open_logs -= 1

    def notices(self, envelope: Envelope) -> tuple[Notice, ...]:
        ignored = FieldIgnored("the role", "it has no effect here")
        return (ignored,) if envelope.kind.name == "service-role" else ()

    async def why_unavailable(self) -> str:
        return self.unavailable_because

    def metrics(self) -> Metrics:
        key = ServiceKey("shop", "web")
        return Metrics(1, {key: 2}, 3, 4, 0.5, b"space_cloud_held_calls 6.0\n")
