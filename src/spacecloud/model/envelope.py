"""
The envelope that every document comes in: ``api``, ``type``, ``meta``, ``spec``.

``api`` is a path with placeholders that ``meta`` fills. It is accepted in every spelling of
the original and not needed: the type and the meta say where a document goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spacecloud.model.kinds import Kind
from spacecloud.model.project import Project
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service

MODELS: Mapping[str, type[Resource]] = {
    "project": Project,
    "secret": Secret,
    "service": Service,
    "service-route": Routes,
    "service-role": Role,
    "ingress-routes": IngressRoute,
    "ingress-global": IngressGlobal,
}
"""Of each kind's spec."""


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
