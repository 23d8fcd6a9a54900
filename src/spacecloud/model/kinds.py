"""
The types of documents, as both sides of the API know them: names, paths, ids.

Beside the models, because these take longer to import than a command may last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of document."""

    name: str
    path: str
    """API path with placeholders as in ``meta`` below."""

    ids: tuple[str, ...]
    """Keys of ``meta`` that are needed, in the order of the path."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other spellings of keys of ``meta``."""

    order: int = 0
    """Documents are applied in this order, whatever their order in the file."""

    emptied_by: Mapping[str, Any] | None = None
    """What is put in its place to delete it, where the API has no DELETE for it."""

    delete_path: str = ""
    """Where it is deleted, where that is not its path."""

    is_deployed: bool = False
    """A version, which runs: to apply it has a generation, a trial, and an end to wait for."""

    has_id_in_spec: bool = False
    """Its path has no id."""


KINDS: tuple[Kind, ...] = (
    Kind("project", "/v1/config/projects/{project}", ("project",), {"id": "project"}, 0),
    Kind("secret", "/v1/runner/{project}/secrets/{id}", ("project", "id"), order=1),
    Kind(
        "service",
        "/v1/runner/{project}/services/{serviceId}/{version}",
        ("project", "serviceId", "version"),
        {"id": "serviceId"},
        2,
        is_deployed=True,
    ),
    Kind(
        "service-route",
        "/v1/runner/{project}/service-routes/{id}",
        ("project", "id"),
        {"serviceId": "id"},
        3,
        {"routes": []},
    ),
    Kind(
        "service-role",
        "/v1/runner/{project}/service-roles/{serviceId}/{roleId}",
        ("project", "serviceId", "roleId"),
        {"service": "serviceId", "id": "roleId", "role": "roleId"},
        3,
    ),
    Kind(
        "ingress-routes",
        "/v1/config/projects/{project}/routing/ingress/{id}",
        ("project", "id"),
        order=4,
    ),
    Kind(
        "ingress-global",
        "/v1/config/projects/{project}/routing/ingress/global",
        ("project",),
        order=4,
        emptied_by={},
    ),
    Kind(
        "letsencrypt",
        "/v1/config/projects/{project}/letsencrypt/config/{id}",
        ("project", "id"),
        order=5,
        emptied_by={},
    ),
    Kind("cluster-config", "/v1/config/cluster", (), order=5, emptied_by={}),
    Kind(
        "integrations",
        "/v1/config/integrations",
        ("id",),
        order=5,
        delete_path="/v1/config/integrations/{id}",
        has_id_in_spec=True,
    ),
)

KIND_ALIASES = {
    "services": "service",
    "projects": "project",
    "secrets": "secret",
    "ingress-route": "ingress-routes",
    "service-routes": "service-route",
    "service-roles": "service-role",
    "integration": "integrations",
}


def kind_named(name: str) -> Kind | None:
    wanted = KIND_ALIASES.get(name, name)
    return next((kind for kind in KINDS if kind.name == wanted), None)
