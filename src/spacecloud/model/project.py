"""Projects: the unit of isolation, naming and removal."""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import Field

from spacecloud.model.resource import Resource, Whole
from spacecloud.model.secret import REDACTED


class HostPort(Resource):
    """A TCP port of the host itself that the project's services may reach."""

    port: Whole = Field(ge=1, le=65535)


class SigningKey(Resource):
    """What users' tokens are signed with; kept for the modules that check them."""

    is_primary: bool | None = None
    alg: str | None = None
    kid: str | None = None
    jwk_url: str | None = None
    aud: tuple[str, ...] | str | None = None
    iss: tuple[str, ...] | str | None = None
    secret: str | None = None
    public_key: str | None = None
    private_key: str | None = None


class Project(Resource):
    """The Deployments module reads ``id``, ``name`` and ``egress``; the rest is kept for others."""

    id: str | None = None
    name: str | None = None
    docker_registry: str | None = None
    context_time_graph_ql: Whole | None = Field(default=None, alias="contextTimeGraphQL")
    secrets: tuple[SigningKey, ...] | None = None
    secret_source: str | None = None
    is_integration: bool | None = None
    aes_key: str | None = None
    kind: str | None = None
    env: str | None = None
    egress: tuple[HostPort, ...] = ()
    """Host ports, reached at ``host.space-cloud.svc.cluster.local``: a database on a laptop."""


def secret_values(document: Mapping[str, Any]) -> dict[str, str]:
    """
    What of a project's document nobody may read, by its place.

    A signing key is known by its ``kid``, so that its value stays with it when the list is
    put in another order; one without is known by its number.
    """
    return {place: holder[field] for place, _, holder, field in _secret_fields(document)}


def secret_paths(document: Mapping[str, Any]) -> dict[str, str]:
    """Where in the document each of these stands, as a mistake says it."""
    return {place: path for place, path, _, _ in _secret_fields(document)}


def redacted(document: Mapping[str, Any]) -> dict[str, Any]:
    shown = deepcopy(dict(document))
    for _, _, holder, field in _secret_fields(shown):
        holder[field] = REDACTED
    return shown


def with_values(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The reverse of ``redacted``, for the places that ``values`` has."""
    filled = deepcopy(dict(document))
    for place, _, holder, field in list(_secret_fields(filled)):
        if place in values:
            holder[field] = values[place]
    return filled


def _secret_fields(
    document: Mapping[str, Any],
) -> Iterator[tuple[str, str, Any, str]]:
    """Place, path, the object that holds it and its field there."""
    if document.get("aesKey"):
        yield "aesKey", "aesKey", document, "aesKey"
    keys = document.get("secrets") or ()
    named = Counter(key.get("kid") for key in keys)
    for number, key in enumerate(keys):
        kid = key.get("kid")
        name = f"kid {kid}" if kid and named[kid] == 1 else f"number {number}"
        for field in ("secret", "privateKey"):
            if key.get(field):
                yield f"{name} {field}", f"secrets[{number}].{field}", key, field
