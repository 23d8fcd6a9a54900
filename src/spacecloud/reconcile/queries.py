"""What the API asks of the running control plane: status comes from the last look."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from spacecloud.drivers.driver import Driver, LogRequest
from spacecloud.errors import NotFound
from spacecloud.ingress import table
from spacecloud.mesh import explain
from spacecloud.mesh.authorization import whitelist_of
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import Declarations, DeclaredService, DeclaredVersion, Trial
from spacecloud.model.envelope import Envelope
from spacecloud.model.metrics import Metrics
from spacecloud.model.refs import ServiceKey
from spacecloud.model.service import Service
from spacecloud.model.status import (
    Finding,
    PlanView,
    ServiceStatus,
    event_view,
)
from spacecloud.reasons.notices import Notice, RouteNotServed
from spacecloud.reconcile.controller import Controller
from spacecloud.reconcile.health import ControlPlaneHealth
from spacecloud.reconcile.platform import Key, Platform
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.preview import Preview
from spacecloud.reconcile.scaling.metrics import ScalingMetrics
from spacecloud.reconcile.scaling.queries import ScalingQueries
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.report.diagnosis import findings
from spacecloud.report.notices import notices_of, volumes_of
from spacecloud.report.status import Relations, left, removing, status_of
from spacecloud.store.port import Store

SHOWN_EVENTS = 10
DETAILED = 20
"""Up to so many services, status says events and relations; of more, one asks singly."""


class _Ingress:
    """The routes as they are served, and those that are not."""

    def __init__(
        self, routes: Sequence[table.KnownRoute], declared: Declarations, refused: Mapping[str, str]
    ) -> None:
        self.served = table.without(table.table(routes, declared), refused)
        self._routes, self._declared, self._refused = routes, declared, refused

    def not_served(self, key: ServiceKey) -> tuple[RouteNotServed, ...]:
        return table.unserved(key, self._routes, self._declared, self._refused)


@dataclass(frozen=True, slots=True)
class Sources:
    """Of the control plane, those that know something."""

    controller: Controller[Key]
    policies: PolicyCache
    services: ServiceReconciler
    platform: Platform
    scaling: ScalingQueries
    scaling_metrics: ScalingMetrics
    health: ControlPlaneHealth


class Queries:
    """Fulfils ``api.backend.Backend``."""

    def __init__(
        self,
        store: Store,
        driver: Driver,
        sources: Sources,
        http_port: int,
    ) -> None:
        self._store = store
        self._driver = driver
        self._controller = sources.controller
        self._policies = sources.policies
        self._services = sources.services
        self._platform = sources.platform
        self.scaling = sources.scaling
        self._scaling_metrics = sources.scaling_metrics
        self._health = sources.health
        self._denied_calls = sources.platform.denied_calls
        self._preview = Preview(
            store, driver.images, sources.policies, sources.services, driver.cluster_type
        )
        self._http_port = http_port

    async def status(
        self, project: str, service: str | None, version: str | None
    ) -> list[ServiceStatus]:
        policy = await self._policies.policy()
        wanted = [
            (declared, v)
            for key, declared in policy.declared.services.items()
            if key.project == project and service in (None, key.service)
            for v in declared.versions
            if version in (None, v.ref.version)
        ]
        ingress = _Ingress(
            table.read(await self._store.ingress()), policy.declared, self._platform.refused_routes
        )
        statuses = [
            status_of(
                declared,
                v,
                self._services.snapshot(declared.key),
                await self._relations(declared, v, policy, ingress, len(wanted)),
            )
            for declared, v in wanted
        ]
        return statuses + list(self._leaving(policy, project, service, version))

    async def why(self, project: str, service: str, version: str | None) -> list[Finding]:
        statuses = await self.status(project, service, version)
        if not statuses:
            raise NotFound(f"there is no service {project}/{service}")
        return list(findings(statuses, self._platform.state))

    async def check(self, envelopes: Sequence[Envelope]) -> None:
        await self._preview.check(envelopes)

    async def plan(
        self, envelopes: Sequence[Envelope], trial: Trial = "once", *, delete: bool
    ) -> PlanView:
        return await self._preview.plan(envelopes, trial, delete=delete)

    def logs(self, request: LogRequest) -> AsyncIterator[bytes]:
        return self._driver.logs.lines(request)

    def notices(self, envelope: Envelope) -> tuple[Notice, ...]:
        found = notices_of(envelope.spec)
        if isinstance(envelope.spec, Service):
            found += tuple(volumes_of(envelope.spec, {}, self._driver.images.volumes()))
        return found

    async def why_unavailable(self) -> str:
        return await self._health.why_unavailable()

    def metrics(self) -> Metrics:
        snapshots = self._services.snapshots
        held = {ref: held.calls for ref, held in self._driver.gate.held().items()}
        return Metrics(
            services=len(snapshots),
            replicas={
                key: len(snapshot.situation.observed.workloads.replicas)
                for key, snapshot in snapshots.items()
            },
            refused_calls=self._denied_calls.total,
            refused_connections=self._platform.refused_connections.total,
            longest_hold_seconds=self._controller.longest_hold,
            scaling=self._scaling_metrics.render(snapshots, held),
        )

    async def _relations(
        self,
        service: DeclaredService,
        version: DeclaredVersion,
        policy: Policy,
        ingress: "_Ingress",
        of_how_many: int,
    ) -> Relations:
        key = service.key
        urls = table.urls_of(key, ingress.served, self._http_port, version.ref.version)
        running = self._driver.images.progress()
        images = dict.fromkeys(task.docker.image for task in version.spec.tasks)
        pulls = tuple(running[image] for image in images if image in running)
        unobserved = self._services.unobserved(key)
        if of_how_many > DETAILED:
            return Relations(urls=urls, pulls=pulls, unobserved=unobserved)
        return Relations(
            urls=urls,
            pulls=pulls,
            unobserved=unobserved,
            admits=explain.callers(key, policy.authorization, whitelist_of(version)),
            calls=explain.callees(key, policy.authorization),
            refusals=self._denied_calls.of(key),
            not_served=ingress.not_served(key),
            notices=(
                *notices_of(version.spec),
                *volumes_of(version.spec, version.images, self._driver.images.volumes()),
                *explain.warnings(key, policy.authorization),
                *table.unreached(key, ingress.served),
            ),
            events=tuple(
                event_view(e)
                for e in await self._store.events(key.project, key.service, SHOWN_EVENTS)
            ),
        )

    def _leaving(
        self, policy: Policy, project: str, service: str | None, version: str | None
    ) -> Iterable[ServiceStatus]:
        for key, snapshot in sorted(self._services.snapshots.items()):
            if key.project != project or service not in (None, key.service):
                continue
            declared = policy.declared.services.get(key)
            known = {v.ref for v in declared.versions} if declared is not None else set()
            workloads = snapshot.situation.observed.workloads
            there = {r.ref for r in workloads.replicas}
            for ref in sorted(there - known):
                if version in (None, ref.version):
                    yield removing(ref, snapshot)
            if not known | there and workloads.network is not None and version is None:
                yield left(key, snapshot)
