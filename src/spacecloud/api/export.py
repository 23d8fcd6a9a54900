"""Everything that is declared, as the documents that declare it, in the order of applying."""

from collections.abc import Mapping
from typing import Any, Protocol

from spacecloud.api.responses import (
    ingress_view,
    other_view,
    project_view,
    role_view,
    route_views,
    secret_view,
    service_view,
)
from spacecloud.model.kinds import KINDS
from spacecloud.model.listings_as_documents import envelopes
from spacecloud.model.project import with_values
from spacecloud.model.secret import VALUE_FIELDS, document_of
from spacecloud.store.port import Store

Document = dict[str, Any]


class Seal(Protocol):
    def seal(self, value: str) -> str: ...


async def export(store: Store, project: str | None, sealer: Seal | None) -> list[Document]:
    """
    Of one moment: of one project, or of all and of the installation.

    Values of secrets are sealed; without a sealer they are REDACTED.
    """
    async with store.copy() as then:
        ids = [stored.id for stored in await then.projects(project)]
        found = [await _of_project(then, id, sealer) for id in ids]
        if project is None:
            found.append(await _of_installation(then, sealer))
    order = {kind.name: number for number, kind in enumerate(KINDS)}
    documents = [document for part in found for document in part]
    return sorted(documents, key=lambda document: order[document["type"]])


async def _of_project(store: Store, id: str, sealer: Seal | None) -> list[Document]:
    kept = await store.ingress_global(id)
    listed: Mapping[str, list[Document]] = {
        "project": await _project(store, id, sealer),
        "secret": await _secrets(store, id, sealer),
        "service": [service_view(version) for version in await store.versions(id)],
        "service-route": route_views(await store.routes(id)),
        "service-role": [role_view(role) for role in await store.roles(id)],
        "ingress-routes": [ingress_view(route) for route in await store.ingress(id)],
        "ingress-global": [kept.document] if kept else [],
        "letsencrypt": [other_view(each) for each in await store.others("letsencrypt", id)],
    }
    return [each for name, given in listed.items() for each in envelopes(name, id, given)]


async def _of_installation(store: Store, sealer: Seal | None) -> list[Document]:
    integrations = []
    for each in await store.others("integrations"):
        values = await store.other_values("integrations", "", each.id) if sealer else {}
        integrations.append({**other_view(each), **_sealed(values, sealer)})
    cluster = [each.document for each in await store.others("cluster-config")]
    return [
        *envelopes("cluster-config", "", cluster),
        *envelopes("integrations", "", integrations),
    ]


async def _project(store: Store, id: str, sealer: Seal | None) -> list[Document]:
    values = _sealed(await store.project_values(id), sealer) if sealer else {}
    return [with_values(project_view(stored), values) for stored in await store.projects(id)]


async def _secrets(store: Store, project: str, sealer: Seal | None) -> list[Document]:
    found = []
    for facts in await store.secrets(project):
        view = secret_view(facts)
        if sealer is not None:
            values = await store.secret_values(project, facts.id)
            binary = frozenset(facts.binary_keys)
            declared = document_of(facts.type, facts.root_path, values, binary)
            shown = (field for field in VALUE_FIELDS if field in view)
            view |= {field: _sealed(declared[field], sealer) for field in shown}
        found.append(view)
    return found


def _sealed(values: Mapping[str, str], sealer: Seal | None) -> dict[str, str]:
    return {name: sealer.seal(value) for name, value in values.items()} if sealer else {}
