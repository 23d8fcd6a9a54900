"""
Where a document holds a value that an export has sealed under a passphrase.

Only the CLI opens them: the control plane takes values as they are, and refuses sealed ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from spacecloud.model.kinds import Kind
from spacecloud.model.secret import SEALED, VALUE_FIELDS

Location = tuple[str | int, ...]


def sealed_values(kind: Kind, document: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    for location in _places(kind, document):
        value: Any = document
        for part in location:
            value = value[part]
        if isinstance(value, str) and value.startswith(SEALED):
            yield location, value


def put_value(document: Any, location: Location, value: str) -> None:
    for part in location[:-1]:
        document = document[part]
    document[location[-1]] = value


def _places(kind: Kind, document: Mapping[str, Any]) -> Iterator[Location]:
    """Each of them leads to something."""
    if kind.name == "secret":
        for field in VALUE_FIELDS:
            values = document.get(field)
            yield from ((field, key) for key in (values if isinstance(values, Mapping) else ()))
    if kind.name == "project":
        yield from _fields((), document, ("aesKey",))
        keys = document.get("secrets")
        for number, key in enumerate(keys if isinstance(keys, list) else ()):
            yield from _fields(("secrets", number), key, ("secret", "privateKey"))
    if kind.name == "integrations":
        yield from _fields((), document, ("key", "license"))


def _fields(above: Location, holder: Any, names: tuple[str, ...]) -> Iterator[Location]:
    given = holder if isinstance(holder, Mapping) else {}
    yield from ((*above, name) for name in names if name in given)
