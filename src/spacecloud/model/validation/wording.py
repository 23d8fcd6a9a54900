"""What the model expects at a place, said in plain words."""

import difflib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from spacecloud.model.refs import DNS_LABEL, HOST_HEADER, VERSION
from spacecloud.model.validation.foreign_fields import example

LABEL_IN_WORDS = "lower-case letters, digits and -, at most 63, as in my-shop"
HOST_IN_WORDS = "a name or an address, with or without a port, as in shop.example.com"
VERSION_IN_WORDS = "lower-case letters, digits, dots, _ and -, at most 63, as in v1.4"
LOOSE_ID = r"^[a-zA-Z0-9]([-a-zA-Z0-9._]{0,251}[a-zA-Z0-9])?$"
"""Of secrets, roles and ingress routes: they are in no domain."""

LOOSE_IN_WORDS = "letters, digits, dots, _ and -, at most 253"
LONGEST_COMPARED = 60
"""What is longer resembles none of the known names, and is not compared to them."""

NAME_IN_WORDS = "letters, digits, dots, _ and -, and no digit at the start"

WORDS: Mapping[str, str] = {
    "model_type": "an object with fields",
    "dict_type": "an object of names and values",
    "tuple_type": "a list",
    "list_type": "a list",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """What the model says of one place."""

    field: FieldInfo | None = None
    """The nearest field on the way there."""

    annotation: Any = None

    @property
    def model(self) -> type[BaseModel] | None:
        is_model = isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel)
        return self.annotation if is_model else None


def at(model: type[BaseModel], location: Iterable[int | str]) -> Spot:
    """Follow a location through lists and mappings; empty where the model knows nothing."""
    spot = Spot(None, model)
    for part in location:
        inside = spot.model
        if inside is not None:
            named = (f for n, f in inside.model_fields.items() if part in (f.alias, n))
            field = next(named, None)
            spot = Spot() if field is None else Spot(field, _bare(field.annotation))
        else:
            spot = Spot(spot.field, _bare(_element(spot.annotation)))
    return spot


def id_rule(kind: str, id: str) -> tuple[str, str]:
    """The pattern of one of a document's ids, and the same in words."""
    if id == "version":
        return VERSION, VERSION_IN_WORDS
    if id in ("project", "serviceId") or kind == "service-route":
        return DNS_LABEL, LABEL_IN_WORDS
    return LOOSE_ID, LOOSE_IN_WORDS


def _element(annotation: Any) -> Any:
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _bare(annotation: Any) -> Any:
    """Without ``| None`` and without ``Annotated``."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _bare(next(a for a in get_args(annotation) if a is not type(None)))
    return annotation


def expectation(fault: Mapping[str, Any], spot: Spot, value: Any) -> str:
    """A sentence's middle: ``a whole number from 1 to 65535``."""
    kind, facts = fault["type"], fault.get("ctx", {})
    if kind in WORDS:
        as_in = example(spot.model.__name__, value) if spot.model is not None else ""
        return f"{WORDS[kind]}, as in {as_in}" if as_in else WORDS[kind]
    if kind == "value_error":
        return str(facts["error"])
    if kind == "missing":
        return f"is missing{_described(spot)}"
    if kind.startswith(("int_", "float_", "finite_", "greater_", "less_")):
        return _number(spot)
    if kind == "literal_error":
        return _choice(spot, value)
    if kind.startswith(("string_", "too_")):
        return _text(kind, facts, value)
    return str(fault["msg"])


def _described(spot: Spot) -> str:
    docstring = (spot.field.description or "") if spot.field is not None else ""
    first = docstring.strip().partition("\n")[0].rstrip(".;:")
    return f": {first[0].lower()}{first[1:]}" if first else ""


def _number(spot: Spot) -> str:
    what = "a number" if spot.annotation is float else "a whole number"
    limits = spot.field.metadata if spot.field is not None else []
    low = next((limit.ge for limit in limits if hasattr(limit, "ge")), None)
    high = next((limit.le for limit in limits if hasattr(limit, "le")), None)
    if low is not None and high is not None:
        return f"{what} from {low} to {high}"
    return what if low is None else f"{what}, at least {low}"


def _choice(spot: Spot, value: Any) -> str:
    names = [str(n) for n in get_args(spot.annotation) if n] if _is_literal(spot) else []
    message = f"one of {', '.join(names)}" if len(names) > 1 else "".join(names)
    is_like_a_name = isinstance(value, str) and len(value) <= LONGEST_COMPARED
    meant = difflib.get_close_matches(value, names, n=1) if is_like_a_name else []
    return f"{message}; did you mean {meant[0]}?" if meant else message


def _is_literal(spot: Spot) -> bool:
    return get_origin(spot.annotation) is Literal


def _text(kind: str, facts: Mapping[str, Any], value: Any) -> str:
    match kind:
        case "string_type":
            is_scalar = isinstance(value, bool | int | float)
            return "a text; put it in quotes" if is_scalar else "a text"
        case "string_pattern_mismatch":
            return _pattern(facts["pattern"])
        case "string_too_long":
            return f"at most {facts['max_length']} characters"
        case "string_too_short":
            return "must not be empty"
        case "too_long":
            return f"at most {facts['max_length']} entries"
        case _:
            return "at least one entry"


def _pattern(pattern: str) -> str:
    if pattern == DNS_LABEL:
        return LABEL_IN_WORDS
    if pattern == VERSION:
        return VERSION_IN_WORDS
    if pattern == "^/":
        return "a path that starts with /"
    if pattern == HOST_HEADER:
        return HOST_IN_WORDS
    if pattern.startswith(r"^(\*|"):
        return f"* or {LABEL_IN_WORDS}"
    return NAME_IN_WORDS
