"""
Documents of any kind, in any store: which call is which, in one table.

A document is read back as it is kept, without what follows from its address; of a secret only
the names of its keys.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from spacecloud.errors import InvalidSpec
from spacecloud.model.declared import StoredDocument, Trial
from spacecloud.model.envelope import Envelope
from spacecloud.model.other_configuration import ClusterConfig, Integration, LetsEncrypt
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service
from spacecloud.store.port import Accepted, OtherKind, Store, Written

GLOBAL = "global"
CLUSTER = "cluster"
LETSENCRYPT = "letsencrypt-config"
"""One per project, whatever id it is sent to: the original's client has two for it."""


Document = Mapping[str, Any]
SpecT = TypeVar("SpecT", bound=Resource)


@dataclass(frozen=True)  # with slots, Python 3.11 cannot make a ``Calls[Service](...)``
class Calls(Generic[SpecT]):
    """Each gets the document's ids in the order of its path."""

    put: Callable[[Store, Sequence[str], SpecT], Awaitable[Written | Accepted]]
    get: Callable[[Store, Sequence[str]], Awaitable[Document | None]]
    delete: Callable[[Store, Sequence[str]], Awaitable[bool]]
    """False when there was none."""


async def put(store: Store, envelope: Envelope, trial: Trial = "once") -> Written | Accepted:
    """What the write changed; of a service its generation, too, and ``trial`` is of it alone."""
    ids, spec = _ids(envelope), envelope.spec
    if trial == "skipped" and isinstance(spec, Service):
        return await store.put_service(ServiceRef(*ids), spec, trial)
    return await CALLS[envelope.kind.name].put(store, ids, spec)


async def document(store: Store, envelope: Envelope) -> Document | None:
    """What is kept where the envelope goes; None when there is nothing."""
    return await CALLS[envelope.kind.name].get(store, _ids(envelope))


async def delete(store: Store, envelope: Envelope) -> bool:
    """False when there was none."""
    return await CALLS[envelope.kind.name].delete(store, _ids(envelope))


def _ids(envelope: Envelope) -> list[str]:
    return [envelope.ids[name] for name in envelope.kind.ids]


async def _secret(store: Store, ids: Sequence[str]) -> Document | None:
    facts = await store.secrets(*ids)
    return {"keys": list(facts[0].keys)} if facts else None


async def _only(listing: Awaitable[Sequence[StoredDocument]]) -> Document | None:
    documents = await listing
    return documents[0].document if documents else None


async def _put_ingress(store: Store, ids: Sequence[str], route: IngressRoute) -> Written:
    project, id = ids
    if id == GLOBAL:
        raise InvalidSpec("an ingress route cannot be called global: that path is taken")
    return await store.put_ingress(project, id, route)


async def _ingress_global(store: Store, ids: Sequence[str]) -> Document | None:
    document = await store.ingress_global(*ids)
    return None if document is None else document.document


async def _other(store: Store, kind: OtherKind, project: str, id: str) -> Document | None:
    found = (each.document for each in await store.others(kind, project) if each.id == id)
    return next(found, None)


async def _was_there(written: Awaitable[Written]) -> bool:
    """Of what is emptied, and not deleted: its address always answers."""
    await written
    return True


CALLS: Mapping[str, Calls[Any]] = {
    "project": Calls[Project](
        put=lambda store, ids, spec: store.put_project(ids[0], spec),
        get=lambda store, ids: _only(store.projects(*ids)),
        delete=lambda store, ids: store.delete_project(*ids),
    ),
    "secret": Calls[Secret](
        put=lambda store, ids, spec: store.put_secret(ids[0], ids[1], spec),
        get=_secret,
        delete=lambda store, ids: store.delete_secret(*ids),
    ),
    "service": Calls[Service](
        put=lambda store, ids, spec: store.put_service(ServiceRef(*ids), spec),
        get=lambda store, ids: store.document(ServiceRef(*ids)),
        delete=lambda store, ids: store.delete_service(ServiceRef(*ids)),
    ),
    "service-route": Calls[Routes](
        put=lambda store, ids, spec: store.put_routes(ServiceKey(*ids), spec),
        get=lambda store, ids: _only(store.routes(*ids)),
        delete=lambda store, ids: _was_there(store.put_routes(ServiceKey(*ids), Routes())),
    ),
    "service-role": Calls[Role](
        put=lambda store, ids, spec: store.put_role(ServiceKey(*ids[:2]), ids[2], spec),
        get=lambda store, ids: _only(store.roles(*ids)),
        delete=lambda store, ids: store.delete_role(ServiceKey(*ids[:2]), ids[2]),
    ),
    "ingress-routes": Calls[IngressRoute](
        put=_put_ingress,
        get=lambda store, ids: _only(store.ingress(*ids)),
        delete=lambda store, ids: store.delete_ingress(*ids),
    ),
    "ingress-global": Calls[IngressGlobal](
        put=lambda store, ids, spec: store.put_ingress_global(ids[0], spec),
        get=_ingress_global,
        delete=lambda store, ids: _was_there(store.put_ingress_global(ids[0], IngressGlobal())),
    ),
    "letsencrypt": Calls[LetsEncrypt](
        put=lambda store, ids, spec: store.put_other("letsencrypt", ids[0], LETSENCRYPT, spec),
        get=lambda store, ids: _other(store, "letsencrypt", ids[0], LETSENCRYPT),
        delete=lambda store, ids: store.delete_other("letsencrypt", ids[0], LETSENCRYPT),
    ),
    "cluster-config": Calls[ClusterConfig](
        put=lambda store, ids, spec: store.put_other("cluster-config", "", CLUSTER, spec),
        get=lambda store, ids: _other(store, "cluster-config", "", CLUSTER),
        delete=lambda store, ids: store.delete_other("cluster-config", "", CLUSTER),
    ),
    "integrations": Calls[Integration](
        put=lambda store, ids, spec: store.put_other("integrations", "", ids[0], spec),
        get=lambda store, ids: _other(store, "integrations", "", ids[0]),
        delete=lambda store, ids: store.delete_other("integrations", "", ids[0]),
    ),
}
