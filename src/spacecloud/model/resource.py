"""The base of everything users can write: frozen, camelCase on the wire, strict about fields."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


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
