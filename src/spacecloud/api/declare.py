"""Accepting one document: into the store it goes, and what was accepted is said."""

from typing import Any

from spacecloud.api.parts import Parts
from spacecloud.errors import InvalidSpec
from spacecloud.model.envelope import Envelope
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service


async def declare(api: Parts, envelope: Envelope) -> dict[str, Any]:
    """The body of the answer: notices, and for a service its generation and what changed."""
    said = await _store(api, envelope)
    return {"notices": list(api.backend.notices(envelope)), **said}


async def _store(api: Parts, envelope: Envelope) -> dict[str, Any]:
    store = api.store
    project, *ids = [envelope.ids[name] for name in envelope.kind.ids]
    match envelope.spec:
        case Service() as service:
            accepted = await store.put_service(ServiceRef(project, *ids), service)
            return {"generation": accepted.generation, "change": accepted.change}
        case Project() as document:
            await store.put_project(project, document)
        case Secret() as secret:
            await store.put_secret(project, ids[0], secret)
        case Routes() as routes:
            await store.put_routes(ServiceKey(project, ids[0]), routes)
        case Role() as role:
            await store.put_role(ServiceKey(project, ids[0]), ids[1], role)
        case IngressRoute() as route:
            if ids[0] == "global":
                raise InvalidSpec("an ingress route cannot be called global: that path is taken")
            await store.put_ingress(project, ids[0], route)
        case IngressGlobal() as settings:
            await store.put_ingress_global(project, settings)
    return {}
