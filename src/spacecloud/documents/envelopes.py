"""From a tree to an envelope that is known to be well-formed, or to all that is wrong with it."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import ValidationError

from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.foreign import foreign
from spacecloud.documents.tree import Tree
from spacecloud.model.envelope import MODELS, Envelope, ids_in, kind_or_expected
from spacecloud.model.kind_paths import ELSEWHERE, completed
from spacecloud.model.kinds import Kind
from spacecloud.model.other_configuration import asks_for_nothing
from spacecloud.model.resource import Resource
from spacecloud.model.validation.mistakes import (
    Location,
    did_you_mean,
    located_mistakes,
    mistake_at,
    nearest,
    shown,
)

MOST_COMPARED = 20
"""Keys that one that is missing is compared to."""

PARTS = ("api", "type", "meta", "spec")


class Given(dict[str, Any]):
    """The spec of a document, which still knows the lines it was written in."""

    def __init__(self, document: Tree) -> None:
        assert isinstance(document.value, dict)
        super().__init__(document.value["spec"].plain())
        self._document = document

    def line_of(self, location: Sequence[int | str]) -> int:
        """Of a mistake's place in the document; of the nearest that there is."""
        return self._document.line_of(location)


def envelope(tree: Tree, faults: Faults, *, for_deletion: bool) -> Envelope | None:
    """None when there is a mistake. To delete a document its spec is not needed."""
    if not isinstance(tree.value, dict):
        faults.add("a document is a mapping with type, meta and spec", tree.line)
        return None
    if (whose := foreign(tree)) is not None:
        faults.add(whose, tree.line)
        return None
    if _is_off(tree):
        return None
    before = faults.count
    unknown = [part for part in tree.value if part not in PARTS]
    listed = unknown[: faults.room]
    for part in listed:
        message = f"there is no such field; {did_you_mean(part, PARTS)}"
        faults.add(message, tree.line_of((part,)), part)
    faults.more += len(unknown) - len(listed)
    kind = _kind(tree, faults)
    ids = _ids(kind, tree, faults) if kind is not None else None
    name = f"{kind.name} {'/'.join(ids.values())}" if kind and ids else ""
    spec = Resource() if for_deletion else _spec(kind, tree, faults, name)
    if kind is None or ids is None or spec is None or faults.count > before:
        return None
    document = {} if for_deletion else Given(tree)
    return Envelope(kind, ids, spec, document, tree.line, faults.source)


def _is_off(tree: Tree) -> bool:
    """A module that is not here, off as it is anyway: an export of the original has many."""
    kind, spec = _at(tree, "type"), _at(tree, "spec")
    is_elsewhere = kind is not None and isinstance(kind.value, str) and kind.value in ELSEWHERE
    given = spec.plain() if spec is not None else {}
    return is_elsewhere and isinstance(given, dict) and asks_for_nothing(given)


def _kind(tree: Tree, faults: Faults) -> Kind | None:
    given, api = _at(tree, "type"), _at(tree, "api")
    kind = kind_or_expected(given.value if given else None, api.value if api else None)
    if isinstance(kind, Kind):
        return kind
    _add(faults, tree, ("type",), f"is missing; {kind}" if given is None else kind, given)
    return None


def _ids(kind: Kind, tree: Tree, faults: Faults) -> Mapping[str, str] | None:
    meta = _at(tree, "meta")
    if meta is None or not isinstance(meta.value, dict):
        _add(faults, tree, ("meta",), f"a mapping with {', '.join(kind.ids)}")
        return None
    api, spec = _at(tree, "api"), _at(tree, "spec")
    written = {name: given.value for name, given in meta.value.items()}
    inside = spec.plain() if spec is not None and kind.has_id_in_spec else None
    ids, wrong = ids_in(kind, completed(kind, written, api.value if api else None, inside))
    for id in wrong:
        if id.written in meta.value:
            _add(faults, tree, ("meta", id.written), id.expected, meta.value[id.written])
        else:
            others = (k for k in meta.value if kind.aliases.get(k, k) not in kind.ids)
            likely = nearest(id.name, islice(others, MOST_COMPARED))
            hint = f"; {likely} is not known here" if likely else ""
            _add(faults, tree, ("meta", id.name), f"is missing{hint}", line=meta.line)
    return None if wrong else ids


def _spec(kind: Kind | None, tree: Tree, faults: Faults, name: str) -> Resource | None:
    spec = _at(tree, "spec")
    if spec is None or not isinstance(spec.value, dict):
        _add(faults, tree, ("spec",), "is missing" if spec is None else "a mapping is expected")
        return None
    if kind is None:
        return None
    given = spec.plain()
    try:
        return MODELS[kind.name].model_validate(given)
    except ValidationError as error:
        located, more = located_mistakes(error, given, "spec", MODELS[kind.name], faults.room)
    for location, mistake in located:
        faults.take(mistake, tree.line_of(("spec", *location)), name)
    faults.more += more
    return None


def _at(tree: Tree, part: str) -> Tree | None:
    assert isinstance(tree.value, dict)
    node = tree.value.get(part)
    return None if node is None or node.value is None else node


def _add(
    faults: Faults,
    tree: Tree,
    location: Location,
    message: str,
    given: Tree | None = None,
    line: int | None = None,
) -> None:
    value = shown(given.value) if given is not None else None
    where = given.line if given is not None else line or tree.line_of(location)
    faults.take(mistake_at(location, message, value), where)
