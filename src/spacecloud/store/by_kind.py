"""A document's way into any store: which call a kind of document is."""

from spacecloud.errors import InvalidSpec
from spacecloud.model.envelope import Envelope
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service
from spacecloud.store.port import Accepted, Store, Written

GLOBAL = "global"


async def write(store: Store, envelope: Envelope) -> Accepted | Written:
    """What the write changed; of a service its generation, too."""
    project, *ids = [envelope.ids[name] for name in envelope.kind.ids]
    match envelope.spec:
        case Service() as service:
            return await store.put_service(ServiceRef(project, *ids), service)
        case Project() as document:
            return await store.put_project(project, document)
        case Secret() as secret:
            return await store.put_secret(project, ids[0], secret)
        case Routes() as routes:
            return await store.put_routes(ServiceKey(project, ids[0]), routes)
        case Role() as role:
            return await store.put_role(ServiceKey(project, ids[0]), ids[1], role)
        case IngressRoute() as route:
            if ids[0] == GLOBAL:
                raise InvalidSpec("an ingress route cannot be called global: that path is taken")
            return await store.put_ingress(project, ids[0], route)
        case IngressGlobal() as settings:
            return await store.put_ingress_global(project, settings)
        case other:
            raise AssertionError(f"{type(other)} is not a kind of document")


async def erase(store: Store, envelope: Envelope) -> bool:
    """False when there was none."""
    project, *ids = [envelope.ids[name] for name in envelope.kind.ids]
    match envelope.kind.name:
        case "service":
            return await store.delete_service(ServiceRef(project, *ids))
        case "project":
            return await store.delete_project(project)
        case "secret":
            return await store.delete_secret(project, ids[0])
        case "service-route":
            await store.put_routes(ServiceKey(project, ids[0]), Routes())
        case "service-role":
            return await store.delete_role(ServiceKey(project, ids[0]), ids[1])
        case "ingress-routes":
            return await store.delete_ingress(project, ids[0])
        case "ingress-global":
            await store.put_ingress_global(project, IngressGlobal())
        case name:
            raise AssertionError(f"{name} is not a kind of document")
    return True
