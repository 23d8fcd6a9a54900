"""What applying or deleting documents would change: tried on a copy, decided as for real."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spacecloud.drivers.driver import Workloads
from spacecloud.ingress import mistakes, table
from spacecloud.mesh import explain
from spacecloud.mesh.policy import Policy, affected
from spacecloud.model.declared import Declared, DeclaredVersion
from spacecloud.model.envelope import Envelope
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.routing import IngressRoute
from spacecloud.model.status import DocumentChange, PlannedStep, PlanView, ServicePlan
from spacecloud.reconcile.declarations import Declarations
from spacecloud.reconcile.differences import differences
from spacecloud.reconcile.notices import notices_of
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.store.port import Store
from spacecloud.store.write import erase, write
from spacecloud.workloads.planner import plan

IDS = ("id", "projectId", "project", "version", "service")
"""Fields that follow from the address a document is sent to."""


class Rehearse:
    def __init__(
        self,
        store: Store,
        workloads: Workloads,
        declarations: Declarations,
        services: ServiceReconciler,
    ) -> None:
        self._store = store
        self._workloads = workloads
        self._declarations = declarations
        self._services = services

    async def plan(self, envelopes: Sequence[Envelope], *, delete: bool) -> PlanView:
        before = await self._declarations.policy()
        changes: list[DocumentChange] = []
        async with self._store.rehearsal() as draft:
            # As they will be: what is in a project goes before the project, and is told as going.
            for envelope in reversed(envelopes) if delete else envelopes:
                if isinstance(envelope.spec, IngressRoute) and not delete:
                    mistakes.check(envelope.spec)
                was = await _stored(draft, envelope)
                await (erase if delete else write)(draft, envelope)
                changes.append(_change(envelope, was, delete=delete))
            after = Policy(await self._as_resolved(before.declared, await draft.declared()))
            keys = set(affected(before, after)) | set(_keys(envelopes))
            plans = [await self._service_plan(key, after, draft) for key in sorted(keys)]
            routes = table.read(await draft.ingress())
        warnings = [*table.warnings(routes, after.declared)]
        warnings += [f"{e.name}: {n}" for e in envelopes if not delete for n in notices_of(e.spec)]
        return PlanView(
            documents=tuple(changes),
            services=tuple(p for p in plans if p.steps or p.problem),
            warnings=tuple(dict.fromkeys(warnings)),
        )

    async def _service_plan(self, key: ServiceKey, policy: Policy, store: Store) -> ServicePlan:
        shown = plan(await self._services.imagine(key, policy, store))
        steps = tuple(
            PlannedStep(
                number=number,
                after=step.after,
                kind=type(step.op).__name__,
                operation=str(step.op),
                cause=step.cause,
                forecast=number >= shown.now,
            )
            for number, step in enumerate(shown.steps)
        )
        notices = explain.warnings(key, policy) if key in policy.declared.services else ()
        return ServicePlan(service=str(key), steps=steps, problem=shown.problem, notices=notices)

    async def _as_resolved(self, before: Declared, after: Declared) -> Declared:
        """A document that changes nothing, whose tags still mean the same, needs no step."""
        services = {
            key: replace(
                service,
                versions=tuple([await self._kept(before, v) for v in service.versions]),
            )
            for key, service in after.services.items()
        }
        return replace(after, services=services)

    async def _kept(self, before: Declared, version: DeclaredVersion) -> DeclaredVersion:
        service = before.services.get(version.ref.key)
        was = next((v for v in service.versions if v.ref == version.ref), None) if service else None
        if was is None or was.generation == version.generation or was.spec != version.spec:
            return version
        if any(t.docker.image_pull_policy == "always" for t in version.spec.tasks):
            return version
        wanted = {task.id: task.docker.image for task in version.spec.tasks}
        here = await self._workloads.images(sorted(set(wanted.values())))
        same = was.images == {task: here.get(image) for task, image in wanted.items()}
        return was if same else version


def _keys(envelopes: Iterable[Envelope]) -> Iterable[ServiceKey]:
    for envelope in envelopes:
        if envelope.kind.name == "service":
            yield ServiceKey(envelope.ids["project"], envelope.ids["serviceId"])


async def _stored(store: Store, envelope: Envelope) -> dict[str, object] | None:
    """The document as it is kept; of a secret only that it is there."""
    project, *ids = [envelope.ids[name] for name in envelope.kind.ids]
    match envelope.kind.name:
        case "service":
            versions = await store.versions(project, ids[0])
            ref = ServiceRef(project, *ids)
            return next((v.spec.as_given() for v in versions if v.ref == ref), None)
        case "project":
            documents = await store.projects()
            ids = [project]
        case "secret":
            facts = await store.secrets(project)
            known = next((f for f in facts if f.id == ids[0]), None)
            return None if known is None else {"keys": list(known.keys)}
        case "service-route":
            documents = await store.routes(project)
        case "service-role":
            documents = await store.roles(project)
            ids = ids[1:]
        case "ingress-routes":
            documents = await store.ingress(project)
        case _:
            found = await store.ingress_global(project)
            documents, ids = ([found] if found is not None else []), ["global"]
    return next((d.document for d in documents if d.id == ids[0]), None)


def _change(envelope: Envelope, was: dict[str, object] | None, *, delete: bool) -> DocumentChange:
    fields: tuple[str, ...] = ()
    if delete:
        change = "delete" if was is not None else "unchanged"
    elif was is None:
        change = "create"
    else:
        fields = tuple(_changed_fields(envelope, was))
        change = "update" if fields else "unchanged"
    return DocumentChange.model_validate(
        {"kind": envelope.kind.name, "id": envelope.name, "change": change, "fields": fields}
    )


def _changed_fields(envelope: Envelope, was: dict[str, object]) -> Iterable[str]:
    if envelope.kind.name == "secret":
        yield "data"
        return
    given = envelope.spec.as_given()
    yield from differences(
        {k: v for k, v in was.items() if k not in IDS},
        {k: v for k, v in given.items() if k not in IDS},
    )
