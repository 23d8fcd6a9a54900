"""Accepting one document: into the store it goes, and what was accepted is said."""

from typing import Any

from spacecloud.api.dependencies import Dependencies
from spacecloud.ingress import table
from spacecloud.ingress.mistakes import check
from spacecloud.model.envelope import Envelope
from spacecloud.model.project import Project
from spacecloud.model.routing import IngressRoute
from spacecloud.reasons.notices import Notice, ProjectCreated
from spacecloud.store.by_kind import put
from spacecloud.store.port import Accepted


async def declare(api: Dependencies, envelope: Envelope) -> dict[str, Any]:
    """The body of the answer: notices, and for a service its generation and what changed."""
    if isinstance(envelope.spec, IngressRoute):
        check(envelope.spec)
    project = envelope.ids["project"]
    accepted = await put(api.store, envelope)
    notices = [*api.backend.notices(envelope)]
    if accepted.project_created and not isinstance(envelope.spec, Project):
        notices.insert(0, ProjectCreated(project))
    if isinstance(envelope.spec, IngressRoute):
        notices += await _beside_the_others(api, envelope)
    said: dict[str, Any] = {"notices": [str(notice) for notice in notices]}
    if isinstance(accepted, Accepted):
        return {**said, "generation": accepted.generation, "change": accepted.change}
    return {**said, "change": accepted.change}


async def _beside_the_others(api: Dependencies, envelope: Envelope) -> tuple[Notice, ...]:
    routes = table.read(await api.store.ingress())
    id = f"{envelope.ids['project']}/{envelope.ids['id']}"
    return table.warnings_about(id, routes, await api.store.declared())
