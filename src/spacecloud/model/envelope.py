"""
The envelope that every document comes in: ``api``, ``type``, ``meta``, ``spec``.

``api`` is a path with placeholders that ``meta`` fills. It is accepted in every spelling of
the original and not needed: the type and the meta say where a document goes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spacecloud.model.kind_paths import ELSEWHERE, kind_at
from spacecloud.model.kinds import KIND_ALIASES, KINDS, Kind, kind_named
from spacecloud.model.other_configuration import ClusterConfig, Integration, LetsEncrypt
from spacecloud.model.project import Project
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import nearest, shown
from spacecloud.model.validation.wording import LOOSE_IN_WORDS, id_rule

LONGEST_LABEL = 63

MODELS: Mapping[str, type[Resource]] = {
    "project": Project,
    "secret": Secret,
    "service": Service,
    "service-route": Routes,
    "service-role": Role,
    "ingress-routes": IngressRoute,
    "ingress-global": IngressGlobal,
    "letsencrypt": LetsEncrypt,
    "cluster-config": ClusterConfig,
    "integrations": Integration,
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
    """File name; empty where there is none."""

    number: int = 0
    """Place among the documents of a request, from 0."""

    @property
    def path(self) -> str:
        return self._filled(self.kind.path)

    @property
    def delete_path(self) -> str:
        return self._filled(self.kind.delete_path or self.kind.path)

    def _filled(self, path: str) -> str:
        for name, value in self.ids.items():
            path = path.replace("{" + name + "}", value)
        return path

    @property
    def name(self) -> str:
        """For people: ``service shop/api@v1``."""
        ids = [self.ids[name] for name in self.kind.ids]
        if self.kind.is_deployed:
            project, service, version = ids
            return f"service {project}/{service}@{version}"
        return " ".join(filter(None, (self.kind.name, "/".join(ids))))


@dataclass(frozen=True, slots=True)
class WrongId:
    """One of the ids of a document that is missing or is none."""

    name: str
    written: str
    """How ``meta`` spells it; empty where it is missing."""

    expected: str


def kind_or_expected(name: object, api: object = None) -> Kind | str:
    """What is expected where there is no such kind, and ``api`` leads to none."""
    kind = kind_named(name) if isinstance(name, str) else None
    if kind is None and isinstance(name, str) and name not in ELSEWHERE:
        kind = kind_at(api)
    if kind is not None:
        return kind
    if isinstance(name, str) and name in ELSEWHERE:
        return (
            f"a type of the original's {ELSEWHERE[name]} module, which is not here: leave the "
            "document out"
        )
    known = [kind.name for kind in KINDS]
    expected = f"one of {', '.join(known)}"
    meant = nearest(str(shown(name)), [*known, *KIND_ALIASES]) if name is not None else None
    return f"{expected}; did you mean {meant}?" if meant else expected


def ids_in(kind: Kind, meta: Mapping[str, Any]) -> tuple[dict[str, str], list[WrongId]]:
    """Those that are well-formed, by the names in ``kind.ids``, and what is wrong with others."""
    spellings = {kind.aliases.get(name, name): name for name in meta}
    ids: dict[str, str] = {}
    wrong: list[WrongId] = []
    for name in kind.ids:
        written = spellings.get(name, "")
        value = meta.get(written)
        pattern, expected = id_rule(kind.name, name)
        if isinstance(value, str) and re.fullmatch(pattern, value):
            ids[name] = value
        else:
            wrong.append(WrongId(name, written, _expected(expected, value)))
    return ids, wrong


def _expected(rule: str, value: object) -> str:
    if isinstance(value, str) and len(value) > LONGEST_LABEL and rule != LOOSE_IN_WORDS:
        return f"{rule}; this has {len(value)} characters"
    if isinstance(value, int | float):
        return "a text; put it in quotes"
    return rule
