"""The base of everything that is reported: built by field names, camelCase on the wire."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class View(BaseModel):
    """Frozen, and strict about fields. What users write derives from ``Resource`` instead."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )

    def wire(self) -> dict[str, Any]:
        """All fields, as the API answers them."""
        return self.model_dump(mode="json", by_alias=True)
