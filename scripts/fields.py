"""
Writes docs/fields.md: every field of a service and of a secret, as the model has it.

    .venv/bin/python scripts/fields.py

``tests/unit/test_fields.py`` fails where the file is not what this writes.
"""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from spacecloud.model.secret import Secret
from spacecloud.model.service import Service

DOCS = Path(__file__).parents[1] / "docs" / "fields.md"
HEAD = """# Fields

Every field of a service's and of a secret's `spec`, from the model itself (`scripts/fields.py`
writes this page). What a field changes is told with it; what comes of several together, and of the
image, is in [services.md](services.md). A field that is not here is refused, and the nearest named.
"""


def page() -> str:
    return HEAD + "".join(f"\n{section}" for section in _sections())


def _sections() -> Iterator[str]:
    seen: set[type[BaseModel]] = set()
    rest: list[tuple[str, type[BaseModel]]] = [("service", Service), ("secret", Secret)]
    while rest:
        path, model = rest.pop(0)
        if model in seen:
            continue
        seen.add(model)
        rows = [_row(field.alias or name, field) for name, field in model.model_fields.items()]
        inner = [
            (f"{path}.{field.alias or name}{'[]' * _is_list(field.annotation)}", inside)
            for name, field in model.model_fields.items()
            for inside in _models(field.annotation)
        ]
        # Depth first, so that what belongs together stands together.
        rest = inner + rest
        head = "| field | value | absent | what it says |\n|---|---|---|---|"
        yield "\n".join((f"## {path}", "", head, *rows, ""))


def _row(name: str, field: FieldInfo) -> str:
    said = " ".join((field.description or "").split()).replace("``", "`").replace("|", "\\|")
    return f"| `{name}` | {_type(field)} | {_default(field)} | {said} |"


def _type(field: FieldInfo) -> str:
    limits = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("ge", "le")
        if hasattr(limit, name)
    }
    words = _words(field.annotation)
    return f"{words}, {limits['ge']} to {limits['le']}" if len(limits) == 2 else words


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_words(a) for a in arguments if a is not type(None))
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments if choice)
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"names to {_words(arguments[1])}"
    names = {str: "text", int: "whole number", float: "number", bool: "true, false"}
    return names.get(annotation, "object")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "refused"
    default = field.get_default(call_default_factory=True)
    if default is None or default == "" or not isinstance(default, str | int | float):
        return "-"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return any(_is_list(argument) for argument in get_args(annotation))
    return get_origin(annotation) is tuple


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


if __name__ == "__main__":
    DOCS.write_text(page())
