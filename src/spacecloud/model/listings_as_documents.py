"""What the API lists, as the documents that declare it: applied again they change nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spacecloud.model.kinds import KINDS

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """Where a document of a list has what its address says."""

    ids: tuple[str, ...]
    """Its fields that are ids after the project's, in the order of the path."""

    left_out: tuple[str, ...]
    """Its fields that are no part of the spec."""


LISTED: Mapping[str, Listed] = {
    "project": Listed((), ()),
    "secret": Listed(("id",), ("id",)),
    "service": Listed(("id", "version"), ("id", "projectId", "version")),
    "service-route": Listed(("id",), ("id",)),
    "service-role": Listed(("service", "id"), ("id", "project", "service")),
    "ingress-routes": Listed(("id",), ("id", "project")),
    "ingress-global": Listed((), ()),
    "letsencrypt": Listed(("id",), ("id",)),
    "cluster-config": Listed((), ()),
    "integrations": Listed(("id",), ()),
}


def envelopes(name: str, project: str, listed: Iterable[Document]) -> list[Document]:
    """
    ``project`` is the one that was asked about; of projects it is each one's id, and what is
    of the whole installation has none.
    """
    (kind,) = (kind for kind in KINDS if kind.name == name)
    documents = []
    for each in _by_service(listed) if name == "service-route" else listed:
        owner = each["id"] if name == "project" else project
        ids = (*filter(None, (owner,)), *(each[field] for field in LISTED[name].ids))
        spec = {field: v for field, v in each.items() if field not in LISTED[name].left_out}
        meta = dict(zip(kind.ids, ids, strict=True))
        documents.append({"api": kind.path, "type": name, "meta": meta, "spec": spec})
    return documents


def _by_service(routes: Iterable[Document]) -> list[Document]:
    """One document per service, whose routes the API lists singly."""
    routes_of: dict[str, list[Document]] = {}
    for each in routes:
        route = {field: value for field, value in each.items() if field != "id"}
        routes_of.setdefault(each["id"], []).append(route)
    return [{"id": id, "routes": routes} for id, routes in routes_of.items()]
