"""
What the API lists, as the documents that declare it: applied again they change nothing.

The addresses are written out here because the model, which knows them too, takes longer to
import than a command may last; a test compares the two.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Document = dict[str, Any]

ADDRESSES: Mapping[str, str] = {
    "project": "/v1/config/projects/{project}",
    "secret": "/v1/runner/{project}/secrets/{id}",
    "service": "/v1/runner/{project}/services/{serviceId}/{version}",
    "service-route": "/v1/runner/{project}/service-routes/{id}",
    "service-role": "/v1/runner/{project}/service-roles/{serviceId}/{roleId}",
    "ingress-routes": "/v1/config/projects/{project}/routing/ingress/{id}",
    "ingress-global": "/v1/config/projects/{project}/routing/ingress/global",
}


def projects(listed: Iterable[Document]) -> list[Document]:
    return [_envelope("project", {"project": each["id"]}, each) for each in listed]


def secrets(project: str, listed: Iterable[Document]) -> list[Document]:
    return [
        _envelope("secret", {"project": project, "id": each["id"]}, _without(each, "id"))
        for each in listed
    ]


def services(project: str, listed: Iterable[Document]) -> list[Document]:
    return [
        _envelope(
            "service",
            {"project": project, "serviceId": each["id"], "version": each["version"]},
            _without(each, "id", "projectId", "version"),
        )
        for each in listed
    ]


def service_routes(project: str, listed: Iterable[Document]) -> list[Document]:
    """One document per service, whose routes the API lists singly."""
    by_service: dict[str, list[Document]] = {}
    for each in listed:
        by_service.setdefault(each["id"], []).append(_without(each, "id"))
    return [
        _envelope("service-route", {"project": project, "id": id}, {"routes": routes})
        for id, routes in by_service.items()
    ]


def service_roles(project: str, listed: Iterable[Document]) -> list[Document]:
    return [
        _envelope(
            "service-role",
            {"project": project, "serviceId": each["service"], "roleId": each["id"]},
            _without(each, "id", "project", "service"),
        )
        for each in listed
    ]


def ingress_routes(project: str, listed: Iterable[Document]) -> list[Document]:
    return [
        _envelope(
            "ingress-routes",
            {"project": project, "id": each["id"]},
            _without(each, "id", "project"),
        )
        for each in listed
    ]


def ingress_global(project: str, listed: Iterable[Document]) -> list[Document]:
    return [_envelope("ingress-global", {"project": project}, each) for each in listed]


def _envelope(kind: str, meta: Document, spec: Document) -> Document:
    return {"api": ADDRESSES[kind], "type": kind, "meta": meta, "spec": spec}


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}
