"""What applying or deleting documents would change: tried on a copy, decided as for real."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spacecloud.drivers.driver import Images
from spacecloud.ingress import table
from spacecloud.mesh import explain
from spacecloud.mesh.policy import Policy, affected
from spacecloud.model.api import ClusterType
from spacecloud.model.declared import Declarations, DeclaredVersion, Trial
from spacecloud.model.envelope import Envelope
from spacecloud.model.refs import ServiceKey
from spacecloud.model.status import DocumentChange, PlannedStep, PlanView, ServicePlan
from spacecloud.model.trial import NOT_SKIPPED, Trials, skipping
from spacecloud.reasons.notices import TrialNotSkipped
from spacecloud.reconcile.dry_run import dry_run
from spacecloud.reconcile.policy_cache import PolicyCache
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.report.notices import notices_of
from spacecloud.store.port import Secrets, Store
from spacecloud.workloads.forecast import plan


class Preview:
    def __init__(
        self,
        store: Store,
        images: Images,
        policies: PolicyCache,
        services: ServiceReconciler,
        cluster_type: ClusterType,
    ) -> None:
        self._store = store
        self._images = images
        self._policies = policies
        self._services = services
        self._cluster_type: ClusterType = cluster_type

    async def check(self, envelopes: Sequence[Envelope]) -> None:
        """Raises what accepting them one after the other would, for all of them at once."""
        async with self._store.copy() as copy:
            await self._dry_run(copy, envelopes, delete=False)

    async def plan(
        self, envelopes: Sequence[Envelope], trial: Trial = "once", *, delete: bool
    ) -> PlanView:
        before = await self._policies.policy()
        trials = skipping(before.declared, envelopes) if trial == "skipped" else NOT_SKIPPED
        async with self._store.copy() as copy:
            changes = await self._dry_run(copy, envelopes, trials, delete=delete)
            after = Policy(await self._as_resolved(before.declared, await copy.declared()))
            keys = set(affected(before, after)) | set(_keys(envelopes))
            plans = [await self._service_plan(key, after, copy) for key in sorted(keys)]
            routes = table.read(await copy.ingress())
        warnings = [str(warning) for warning in table.warnings(routes, after.declared)]
        for envelope in () if delete else envelopes:
            notices = [*notices_of(envelope.spec)]
            notices += [TrialNotSkipped()] if envelope.name in trials.kept else []
            warnings += [f"{envelope.name}: {notice}" for notice in notices]
        return PlanView(
            documents=tuple(changes),
            services=tuple(p for p in plans if p.steps or p.problem),
            warnings=tuple(dict.fromkeys(warnings)),
        )

    async def _dry_run(
        self,
        copy: Store,
        envelopes: Sequence[Envelope],
        trials: Trials = NOT_SKIPPED,
        *,
        delete: bool,
    ) -> list[DocumentChange]:
        return await dry_run(
            copy, envelopes, delete=delete, cluster_type=self._cluster_type, trials=trials
        )

    async def _service_plan(self, key: ServiceKey, policy: Policy, store: Secrets) -> ServicePlan:
        shown = plan(await self._services.simulate(key, policy, store))
        steps = tuple(
            PlannedStep(
                number=number,
                after=step.after,
                kind=type(step.op).__name__,
                operation=str(step.op),
                cause=str(step.cause),
                reason=step.cause.code,
                forecast=number >= shown.now,
            )
            for number, step in enumerate(shown.steps)
        )
        notices = explain.warnings(key, policy.authorization)
        return ServicePlan(service=str(key), steps=steps, problem=shown.problem, notices=notices)

    async def _as_resolved(self, before: Declarations, after: Declarations) -> Declarations:
        """A document that changes nothing, whose tags still mean the same, needs no step."""
        services = {
            key: replace(
                service,
                versions=tuple([await self._kept(before, v) for v in service.versions]),
            )
            for key, service in after.services.items()
        }
        return replace(after, services=services)

    async def _kept(self, before: Declarations, version: DeclaredVersion) -> DeclaredVersion:
        service = before.services.get(version.ref.key)
        was = next((v for v in service.versions if v.ref == version.ref), None) if service else None
        if was is None or was.generation == version.generation or was.spec != version.spec:
            return version
        if was.failure is not None:
            # What was given up is tried once more.
            return version
        if any(t.docker.image_pull_policy == "always" for t in version.spec.tasks):
            return version
        wanted = {task.id: task.docker.image for task in version.spec.tasks}
        here = await self._images.images(sorted(set(wanted.values())))
        same = was.images == {task: here.get(image) for task, image in wanted.items()}
        return was if same else version


def _keys(envelopes: Iterable[Envelope]) -> Iterable[ServiceKey]:
    for envelope in envelopes:
        if envelope.kind.is_deployed:
            yield ServiceKey(envelope.ids["project"], envelope.ids["serviceId"])
