"""From what a client sent to a document that is known to be well-formed, or all its mistakes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spacecloud.errors import InvalidSpec, Mistake
from spacecloud.model.envelope import MODELS, Envelope, ids_in, kind_or_expected
from spacecloud.model.kind_paths import completed
from spacecloud.model.kinds import Kind, kind_named
from spacecloud.model.resource import Resource
from spacecloud.model.sealed_values import sealed_values
from spacecloud.model.validation.mistakes import (
    CollectedMistakes,
    Location,
    mistake_at,
    refusal,
    shown,
    validate,
)


def envelope_of(kind_name: str, ids: Mapping[str, str], document: dict[str, Any]) -> Envelope:
    """A document whose kind and ids are in the path it was sent to."""
    kind = kind_named(kind_name)
    assert kind is not None, kind_name
    spec = validate(MODELS[kind.name], document, "spec")
    _refuse_sealed(kind, spec)
    return Envelope(kind, dict(ids), spec, document)


def envelopes_of(documents: Any, path: str, *, delete: bool = False) -> list[Envelope]:
    """
    Documents with type and meta, in the order in which they are applied.

    To delete one its spec is not needed. Raises ``InvalidSpec`` with the mistakes of all.
    """
    if not isinstance(documents, list):
        message = "a list of documents is expected: [{type, meta, spec}]"
        raise InvalidSpec(f"{path}: {message}", (Mistake(path, message),))
    envelopes: list[Envelope] = []
    refused = CollectedMistakes()
    for number, document in enumerate(documents):
        try:
            envelope = _envelope(document, refused.room, delete=delete)
            envelopes.append(replace(envelope, number=number))
        except InvalidSpec as error:
            refused.take(error, number)
    if refused:
        raise refused.error()
    return sorted(envelopes, key=lambda envelope: envelope.kind.order)


def _envelope(document: Any, most_mistakes: int, *, delete: bool) -> Envelope:
    if not isinstance(document, dict):
        raise _wrong((), "a document is an object with type, meta and spec")
    kind = _kind(document.get("type"), document.get("api"))
    spec = document.get("spec")
    meta = document.get("meta")
    if isinstance(meta, dict):
        meta = completed(kind, meta, document.get("api"), spec)
    ids = _ids(kind, meta)
    if delete:
        return Envelope(kind, ids, Resource(), {})
    if not isinstance(spec, dict):
        raise _wrong(("spec",), "an object is expected")
    read = validate(MODELS[kind.name], spec, "spec", most_mistakes)
    _refuse_sealed(kind, read)
    return Envelope(kind, ids, read, spec)


def _refuse_sealed(kind: Kind, spec: Resource) -> None:
    """Kept as they are, they would be given to tasks."""
    mistakes = tuple(
        mistake_at(("spec", *location), "a sealed value: space-cli apply asks for its passphrase")
        for location, _ in sealed_values(kind, spec.as_given())
    )
    if mistakes:
        raise refusal(mistakes)


def _kind(name: Any, api: Any) -> Kind:
    kind = kind_or_expected(name, api)
    if isinstance(kind, str):
        raise _wrong(("type",), kind, shown(name))
    return kind


def _ids(kind: Kind, meta: Any) -> dict[str, str]:
    if not isinstance(meta, dict):
        raise _wrong(("meta",), f"an object with {', '.join(kind.ids)}")
    ids, wrong = ids_in(kind, meta)
    if wrong:
        raise refusal(
            [
                mistake_at(("meta", id.name), id.expected, shown(meta.get(id.written)))
                for id in wrong
            ]
        )
    return ids


def _wrong(location: Location, message: str, value: Any = None) -> InvalidSpec:
    mistake = mistake_at(location, message, value)
    return InvalidSpec(str(mistake), (mistake,))
