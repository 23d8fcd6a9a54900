"""A control plane without a platform: it answers from the store, and nothing ever runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from spacecloud.drivers.driver import LogRequest
from spacecloud.errors import NotFound, Transient
from spacecloud.model.envelope import Envelope
from spacecloud.model.scale import declared_replicas
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
from spacecloud.store.port import Store


@dataclass
class StoreBackend:
    """Replicas have the logs that the test gives them; ``follow`` waits until the client goes."""

    store: Store
    log_lines: dict[str, list[bytes]] = field(default_factory=dict)
    said_trouble: str = ""
    open_logs: int = 0
    asked: list[LogRequest] = field(default_factory=list)

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
        async with self.store.rehearsal() as draft:
            await dry_run(draft, envelopes, delete=False, cluster_type="docker")

    async def plan(self, envelopes: Sequence[Envelope], *, delete: bool) -> PlanView:
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

    async def trouble(self) -> str:
        return self.said_trouble

    def metrics(self) -> bytes:
        return b"space_cloud_up 1\n"
