"""The text that a document is kept as."""

import json
from typing import Any

from spacecloud.model.resource import Resource
from spacecloud.store.port import Difference


def canonical(document: dict[str, Any]) -> str:
    """Equal documents, equal text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def as_kept(resource: Resource, *from_address: str) -> str:
    """What was given, without the fields that follow from the address it was sent to."""
    given = resource.as_given()
    return canonical({name: value for name, value in given.items() if name not in from_address})


def difference(row: tuple[str, ...] | None, kept: str) -> Difference:
    """``row``: its text before, where there was one."""
    if row is None:
        return "created"
    return "unchanged" if row[0] == kept else "updated"
