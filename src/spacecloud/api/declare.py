"""Accepting one document: into the store it goes, and what was accepted is said."""

from typing import Any

from spacecloud.api.dependencies import Dependencies
from spacecloud.ingress import table
from spacecloud.ingress.mistakes import check
from spacecloud.model.envelope import Envelope
from spacecloud.model.project import Project
from spacecloud.model.routing import IngressRoute, Role
from spacecloud.store.by_kind import put
from spacecloud.store.port import Accepted


async def declare(api: Dependencies, envelope: Envelope) -> dict[str, Any]:
    """The body of the answer: notices, and for a service its generation and what changed."""
    if isinstance(envelope.spec, IngressRoute):
        check(envelope.spec)
    project = envelope.ids.get("project", "")
    accepted = await put(api.store, envelope)
    notices = [*api.backend.notices(envelope)]
    if accepted.project_created and not isinstance(envelope.spec, Project):
        notices.insert(0, f"there was no project {project}: it was created")
    if isinstance(envelope.spec, IngressRoute):
        notices += await _beside_the_others(api, envelope)
    if isinstance(envelope.spec, Role):
        notices += await _without_a_service(api, envelope)
    answer: dict[str, Any] = {"notices": notices}
    if isinstance(accepted, Accepted):
        return {**answer, "generation": accepted.generation, "change": accepted.change}
    return {**answer, "change": accepted.change}


async def _without_a_service(api: Dependencies, envelope: Envelope) -> tuple[str, ...]:
    """A role may come before its service: files are applied in any order."""
    project, service = envelope.ids["project"], envelope.ids["serviceId"]
    if await api.store.versions(project, service):
        return ()
    return (f"there is no service {project}/{service} yet: the role waits for it",)


async def _beside_the_others(api: Dependencies, envelope: Envelope) -> tuple[str, ...]:
    routes = table.read(await api.store.ingress())
    id = f"{envelope.ids['project']}/{envelope.ids['id']}"
    return table.warnings_about(id, routes, await api.store.declared())
