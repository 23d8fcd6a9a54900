"""``!!binary``: bytes where a document may hold some, and a mistake everywhere else."""

from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.tree import Binary, Tree, strings
from spacecloud.model.kinds import kind_named

Mapping = dict[str, Tree]


def move_binary(document: Tree, faults: Faults) -> None:
    """What of a file secret's ``data`` is bytes becomes its ``binaryData``, as the API has it."""
    spec = _file_secret(document)
    if spec is not None:
        _move(spec)
    for each in strings(document):
        if isinstance(each.value, Binary):
            faults.add("!!binary stands for a value in data of a secret of type file", each.line)


def _file_secret(document: Tree) -> Tree | None:
    """Its spec; None of any other document."""
    kind, spec = _at(document, "type"), _at(document, "spec")
    name = kind.value if kind is not None else None
    known = kind_named(name) if isinstance(name, str) else None
    type = _at(spec, "type") if spec is not None else None
    is_one = known is not None and known.name == "secret" and type is not None
    return spec if is_one and type is not None and type.value == "file" else None


def _move(spec: Tree) -> None:
    data = _at(spec, "data")
    if data is None or not isinstance(data.value, dict) or not isinstance(spec.value, dict):
        return
    binary = {key: each for key, each in data.value.items() if isinstance(each.value, Binary)}
    given = _at(spec, "binaryData")
    if not binary or (given is not None and not isinstance(given.value, dict)):
        return
    before: Mapping = given.value if given is not None and isinstance(given.value, dict) else {}
    lines = given.key_lines if given is not None else {}
    twice = binary.keys() & before.keys()
    # New ones: by an alias what is here may stand somewhere else too.
    moved = {key: Tree(each.line, str(each.value)) for key, each in binary.items()}
    spec.value["binaryData"] = Tree(
        data.line, {**moved, **before}, {**data.key_lines, **lines}, data.size
    )
    spec.key_lines.setdefault("binaryData", spec.key_lines["data"])
    left = {key: each for key, each in data.value.items() if key not in binary or key in twice}
    spec.value["data"] = Tree(data.line, left, data.key_lines, data.size)


def _at(tree: Tree, part: str) -> Tree | None:
    return tree.value.get(part) if isinstance(tree.value, dict) else None
