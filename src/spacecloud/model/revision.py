"""
A revision: what the replicas of a version are made of, numbered and never changed.

Two revisions are the same when the same goes into their containers: tasks and labels as they
were given, image ids, versions of secrets. Who may call it, how many there are and where they
run are not part of it: changing those replaces nothing. Defaults are not part of it either, so
that a release with one more optional field replaces nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spacecloud.model.secret import SecretFacts

DIGITS = 12
NOT_IN_A_CONTAINER = frozenset({"name", "runtime", "docker", "secrets"})
"""Fields of a task that are left out, or taken in by what they lead to."""

OF_DOCKER = ("init",)
"""Fields of a task's ``docker`` that go into a container, where they were given."""

Document = Mapping[str, Any]
"""A service as it was given."""


@dataclass(frozen=True, slots=True)
class Revision:
    number: int
    """Within its version, from 1."""

    hash: str
    """What its replicas carry. Written once, and from then on read."""

    document: Document
    """As it was given when the revision was recorded."""

    images: Mapping[str, str]
    """Task id to image id."""

    secrets: tuple[SecretFacts, ...]
    """Those that its tasks name, each at the version whose values they hold, by id."""

    generation: int
    """Of the apply that it was first recorded for."""

    created_at: datetime

    def is_made_of(
        self, document: Document, images: Mapping[str, str], secrets: Iterable[SecretFacts]
    ) -> bool:
        """Would the same go into a container?"""
        own = _ingredients(self.document, self.images, self.secrets)
        return own == _ingredients(document, images, secrets)

    def holds_secrets(self, secrets: Iterable[SecretFacts]) -> bool:
        """Exactly these, at these versions?"""
        return _versions(self.secrets) == _versions(secrets)


@dataclass(frozen=True, slots=True)
class RevisionFailure:
    """Why a revision was given up before it was confirmed, in words that stay when it is gone."""

    subject: str
    """``replica/task``."""

    code: str
    message: str
    fix: str = ""


def hash_of(document: Document, images: Mapping[str, str], secrets: Iterable[SecretFacts]) -> str:
    """``images``: task id to image id. A secret counts with its version, never its values."""
    ingredients = _ingredients(document, images, secrets)
    text = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _ingredients(
    document: Document, images: Mapping[str, str], secrets: Iterable[SecretFacts]
) -> dict[str, Any]:
    facts = {secret.id: secret for secret in secrets}
    return {
        "tasks": [_task(task, images[task["id"]], facts) for task in document["tasks"]],
        "labels": document.get("labels", {}),
    }


def _task(given: Document, image: str, secrets: Mapping[str, SecretFacts]) -> dict[str, Any]:
    return {
        **{name: value for name, value in given.items() if name not in NOT_IN_A_CONTAINER},
        "image": image,
        "cmd": given["docker"].get("cmd", []),
        **{name: given["docker"][name] for name in OF_DOCKER if name in given["docker"]},
        "secrets": [
            [name, secrets[name].version, secrets[name].root_path] if name in secrets else [name]
            for name in given.get("secrets", ())
        ],
    }


def _versions(secrets: Iterable[SecretFacts]) -> dict[str, int]:
    return {secret.id: secret.version for secret in secrets}
