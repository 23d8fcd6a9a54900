"""Accepting one document: into the store it goes, and what was accepted is said."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spacecloud.api.dependencies import Dependencies
from spacecloud.ingress import table
from spacecloud.ingress.mistakes import check
from spacecloud.mesh import explain
from spacecloud.model.declared import Declarations, Trial
from spacecloud.model.envelope import Envelope
from spacecloud.model.foreign_triggers import check_triggers
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey
from spacecloud.model.routing import IngressRoute, Role
from spacecloud.model.service import Service
from spacecloud.model.trial import NOT_SKIPPED, skipping
from spacecloud.reasons.notices import (
    Notice,
    ProjectCreated,
    RoleWithoutService,
    TrialNotSkipped,
)
from spacecloud.store.by_kind import put
from spacecloud.store.port import Accepted, Written


async def declare(api: Dependencies, envelope: Envelope, trial: Trial = "once") -> dict[str, Any]:
    """The body of the answer: notices, and for a service its generation and what changed."""
    (answer,) = await declare_all(api, [envelope], trial)
    return answer


async def declare_all(
    api: Dependencies, envelopes: Sequence[Envelope], trial: Trial = "once"
) -> list[dict[str, Any]]:
    """One after the other. What ingress routes do to each other is looked at once for all."""
    trials = skipping(await api.store.declared(), envelopes) if trial == "skipped" else NOT_SKIPPED
    accepted = [await _accept(api, envelope, trials.of(envelope)) for envelope in envelopes]
    beside = await _beside_the_others(api, envelopes)
    return [
        _answer(
            one,
            envelope,
            *api.backend.notices(envelope),
            *beside.get(envelope.name, ()),
            *((TrialNotSkipped(),) if envelope.name in trials.kept else ()),
        )
        for envelope, one in zip(envelopes, accepted, strict=True)
    ]


async def _accept(api: Dependencies, envelope: Envelope, trial: Trial) -> Accepted | Written:
    match envelope.spec:
        case IngressRoute():
            check(envelope.spec)
        case Service():
            check_triggers(envelope.spec, api.facts.cluster_type)
        case _:
            pass
    return await put(api.store, envelope, trial)


def _answer(accepted: Accepted | Written, envelope: Envelope, *notices: Notice) -> dict[str, Any]:
    if accepted.project_created and not isinstance(envelope.spec, Project):
        notices = (ProjectCreated(envelope.ids["project"]), *notices)
    answer: dict[str, Any] = {"notices": [str(notice) for notice in notices]}
    if isinstance(accepted, Accepted):
        return {**answer, "generation": accepted.generation, "change": accepted.change}
    return {**answer, "change": accepted.change}


async def _beside_the_others(
    api: Dependencies, envelopes: Sequence[Envelope]
) -> Mapping[str, Iterable[Notice]]:
    """What a document does to others, and they to it; by the document's name."""
    declared = await api.store.declared()
    routes: Mapping[str, tuple[Notice, ...]] = {}
    if any(isinstance(envelope.spec, IngressRoute) for envelope in envelopes):
        routes = table.warnings_by_route(table.read(await api.store.ingress()), declared)
    return {envelope.name: _beside(envelope, declared, routes) for envelope in envelopes}


def _beside(
    envelope: Envelope, declared: Declarations, routes: Mapping[str, tuple[Notice, ...]]
) -> Iterable[Notice]:
    ids = envelope.ids
    match envelope.spec:
        case IngressRoute():
            return routes.get(f"{ids['project']}/{ids['id']}", ())
        case Service():
            service = declared.services.get(ServiceKey(ids["project"], ids["serviceId"]))
            return explain.differing(service) if service is not None else ()
        case Role():
            key = ServiceKey(ids["project"], ids["serviceId"])
            return () if key in declared.services else (RoleWithoutService(str(key)),)
        case _:
            return ()
