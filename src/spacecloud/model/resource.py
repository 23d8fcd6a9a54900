"""The base of everything users can write: frozen, camelCase on the wire, strict about fields."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError


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


class Resource(BaseModel):
    """
    ``null`` means absent everywhere, as in the original's files.

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

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {key: value for key, value in given.items() if value is not None}
        return given

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
