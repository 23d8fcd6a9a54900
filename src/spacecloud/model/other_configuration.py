"""
What the original's other parts are configured with: kept and given back, so that nothing of an
export is lost; nothing here acts on it.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, model_validator

from spacecloud.model.resource import Resource


class ClusterConfig(Resource):
    """Of the whole installation."""

    letsencrypt_email: str | None = None
    enable_telemetry: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_exported(cls, given: Any) -> Any:
        return _inside(given, "clusterConfig")


class LetsEncrypt(Resource):
    """Domains of a project that certificates are to be got for."""

    id: str | None = None
    domains: tuple[str, ...] = ()


class Integration(Resource):
    """A product beside the platform, as its vendor describes it."""

    model_config = ConfigDict(extra="allow")

    id: str

    @model_validator(mode="before")
    @classmethod
    def _as_exported(cls, given: Any) -> Any:
        return _inside(given, "integration")


def _inside(given: Any, name: str) -> Any:
    """The original's ``get`` wraps what its API gave, and its ``apply`` sends that."""
    is_wrapped = isinstance(given, dict) and given.keys() == {name}
    return given[name] if is_wrapped and isinstance(given[name], dict) else given


SECRET_FIELDS = ("key", "license")
"""Of an integration: nobody may read them."""


def asks_for_nothing(document: Mapping[str, Any]) -> bool:
    """Does it only say what is so without it? As the defaults in an export of the original."""
    return all(name in ("id", "name") or _is_empty(value) for name, value in document.items())


def _is_empty(value: Any) -> bool:
    """Looks as deep as a body may be nested."""
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    if isinstance(value, list):
        return all(map(_is_empty, value))
    return not value
