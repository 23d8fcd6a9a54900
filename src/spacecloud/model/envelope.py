"""
The envelope that every document comes in: ``api``, ``type``, ``meta``, ``spec``.

``api`` is a path with placeholders that ``meta`` fills. It is accepted in every spelling of
the original and not needed: the type and the meta say where a document goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spacecloud.model.project import Project
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of document."""

    name: str
    model: type[Resource]
    path: str
    """API path with placeholders as in ``meta`` below."""

    ids: tuple[str, ...]
    """Keys of ``meta`` that are needed, in the order of the path."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other spellings of keys of ``meta``."""

    order: int = 0
    """Documents are applied in this order, whatever their order in the file."""


KINDS: tuple[Kind, ...] = (
    Kind("project", Project, "/v1/config/projects/{project}", ("project",), {"id": "project"}, 0),
    Kind("secret", Secret, "/v1/runner/{project}/secrets/{id}", ("project", "id"), order=1),
    Kind(
        "service",
        Service,
        "/v1/runner/{project}/services/{serviceId}/{version}",
        ("project", "serviceId", "version"),
        {"id": "serviceId"},
        2,
    ),
    Kind(
        "service-route",
        Routes,
        "/v1/runner/{project}/service-routes/{id}",
        ("project", "id"),
        {"serviceId": "id"},
        3,
    ),
    Kind(
        "service-role",
        Role,
        "/v1/runner/{project}/service-roles/{serviceId}/{roleId}",
        ("project", "serviceId", "roleId"),
        {"service": "serviceId", "id": "roleId", "role": "roleId"},
        3,
    ),
    Kind(
        "ingress-routes",
        IngressRoute,
        "/v1/config/projects/{project}/routing/ingress/{id}",
        ("project", "id"),
        order=4,
    ),
    Kind(
        "ingress-global",
        IngressGlobal,
        "/v1/config/projects/{project}/routing/ingress/global",
        ("project",),
        order=4,
    ),
)

KIND_ALIASES = {
    "services": "service",
    "projects": "project",
    "secrets": "secret",
    "ingress-route": "ingress-routes",
    "service-routes": "service-route",
    "service-roles": "service-role",
}


def kind_named(name: str) -> Kind | None:
    wanted = KIND_ALIASES.get(name, name)
    return next((kind for kind in KINDS if kind.name == wanted), None)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A document that is known to be well-formed: its ids are complete and its spec validates."""

    kind: Kind
    ids: Mapping[str, str]
    """By the names in ``kind.ids``."""

    spec: Resource
    document: Mapping[str, Any]
    """The spec as it was given, for the request body."""

    line: int = 0
    """Where it starts in its file; 0 where there is none."""

    source: str = ""
    """File name, or the place in a request as in ``documents[0]``; empty where there is none."""

    @property
    def path(self) -> str:
        path = self.kind.path
        for name, value in self.ids.items():
            path = path.replace("{" + name + "}", value)
        return path

    @property
    def name(self) -> str:
        """For people: ``service shop/api@v1``."""
        first, *rest = [self.ids[name] for name in self.kind.ids]
        if self.kind.name == "service":
            return f"service {first}/{rest[0]}@{rest[1]}"
        return f"{self.kind.name} {'/'.join([first, *rest])}"
