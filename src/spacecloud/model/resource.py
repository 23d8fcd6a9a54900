"""The base of everything users can write: frozen, camelCase on the wire, strict about fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

LONGEST_NAME = 100
"""A name that is longer is none of ours, and is compared to none."""


def _no_truth(given: Any) -> Any:
    if isinstance(given, bool):
        raise PydanticCustomError("float_type", "a number is expected")
    return given


def _no_fraction(given: Any) -> Any:
    if isinstance(given, bool | float):
        raise PydanticCustomError("int_type", "a whole number is expected")
    return given


Whole = Annotated[int, BeforeValidator(_no_fraction)]
"""``true`` and ``8.08e3`` are no whole numbers, though Python takes them for some."""

Number = Annotated[float, BeforeValidator(_no_truth)]


@dataclass(frozen=True, slots=True)
class _Names:
    """Of a model's fields, as they are written."""

    all: frozenset[str]
    by_lower: Mapping[str, str]
    choices: frozenset[str]
    """Those where one of some values is chosen, none of which is the empty text."""


@cache
def _names(model: type[BaseModel]) -> _Names:
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    choices = frozenset(name for name, annotation in fields.items() if _is_choice(annotation))
    return _Names(frozenset(fields), {name.lower(): name for name in fields}, choices)


def _is_choice(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return "" not in get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        rest = [each for each in get_args(annotation) if each is not type(None)]
        return len(rest) == 1 and _is_choice(rest[0])
    return annotation is bool


def _spelled(key: Any, known: _Names) -> Any:
    if not isinstance(key, str) or key in known.all or len(key) > LONGEST_NAME:
        return key
    return known.by_lower.get(key.lower(), key)


class Resource(BaseModel):
    """
    What the original read is read, where it can mean one thing only.

    | written                                  | is                        |
    |------------------------------------------|---------------------------|
    | ``null``                                 | absent                    |
    | a field in another case (``projectID``)  | that field, as in Go      |
    | ``""`` where one of some values is meant | absent                    |
    | any other field                          | refused                   |

    ``model_dump(by_alias=True, exclude_unset=True)`` gives back what was given: that is what
    the store keeps and what GET returns.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Before the validators of the model itself, which know one spelling only."""
        return no_info_before_validator_function(cls._as_spelled_here, handler(source))

    @classmethod
    def _as_spelled_here(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        known = _names(cls)
        written = {key: value for key, value in given.items() if value is not None}
        spelled: dict[Any, Any] = {}
        for key, value in written.items():
            name = _spelled(key, known)
            spelled[key if name in written or name in spelled else name] = value
        for name in known.choices:
            if spelled.get(name) == "":
                del spelled[name]
        return spelled

    def as_given(self) -> dict[str, Any]:
        """The wire form with the fields that were written and no others."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def located(message: str, *location: int | str) -> ValidationError:
    """
    A mistake that only a look at a whole document finds, told of the field that is to change.

    For a validator to raise: ``location`` is below the model it stands in.
    """
    # As the library itself tells a ValueError, but for the place.
    kind = PydanticCustomError("value_error", "{error}", {"error": message})
    details = InitErrorDetails(type=kind, loc=location, input=None)
    return ValidationError.from_exception_data("document", [details])
