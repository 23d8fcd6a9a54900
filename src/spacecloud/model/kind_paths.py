"""
What a document's ``api`` says where its type or its ids do not: the original went by it alone.
"""

from collections.abc import Mapping
from typing import Any

from spacecloud.model.kinds import KINDS, Kind

ELSEWHERE: Mapping[str, str] = {
    "db-config": "database",
    "db-rule": "database",
    "db-rules": "database",
    "db-schema": "database",
    "db-prepared-query": "database",
    "filestore-config": "file-storage",
    "filestore-rule": "file-storage",
    "filestore-rules": "file-storage",
    "eventing-config": "eventing",
    "eventing-trigger": "eventing",
    "eventing-triggers": "eventing",
    "eventing-rule": "eventing",
    "eventing-schema": "eventing",
    "remote-service": "remote-service",
    "remote-services": "remote-service",
    "auth-provider": "user-management",
    "auth-providers": "user-management",
    "security-function": "security",
    "cache-config": "caching",
}
"""Types of the original that are of a module that is not here."""


def kind_at(api: object) -> Kind | None:
    """The one whose path it is, with whatever placeholders or ids in it."""
    fitting = [kind for kind in KINDS if isinstance(api, str) and _fits(kind.path, api)]
    # ``…/ingress/global`` fits the path of any ingress route too.
    return min(fitting, key=lambda kind: kind.path.count("{"), default=None)


def completed(kind: Kind, meta: Mapping[str, Any], api: object, spec: object) -> dict[str, Any]:
    """``meta`` with the ids that only the path has, or the spec."""
    known = {kind.aliases.get(name, name) for name in meta}
    found = _ids_in_path(kind, api)
    if kind.has_id_in_spec and id_in_spec(spec):
        found["id"] = id_in_spec(spec)
    return {**meta, **{name: id for name, id in found.items() if name not in known}}


def id_in_spec(spec: object) -> str:
    """As an integration has it. Empty where it has none either."""
    inside = spec.get("integration", spec) if isinstance(spec, Mapping) else None
    id = inside.get("id") if isinstance(inside, Mapping) else None
    return id if isinstance(id, str) else ""


def _ids_in_path(kind: Kind, api: object) -> dict[str, str]:
    if not isinstance(api, str) or not _fits(kind.path, api):
        return {}
    pairs = zip(_parts(kind.path), _parts(api), strict=True)
    ids = {wanted.strip("{}"): given for wanted, given in pairs if _is_open(wanted)}
    return {name: given for name, given in ids.items() if given and not _is_open(given)}


def _fits(path: str, api: str) -> bool:
    wanted, given = _parts(path), _parts(api)
    return len(wanted) == len(given) and all(
        _is_open(want) or want == part for want, part in zip(wanted, given, strict=True)
    )


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _is_open(part: str) -> bool:
    return part.startswith("{") and part.endswith("}")
