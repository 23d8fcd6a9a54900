"""A mistake that only a look at a whole document finds, told of the field that is to change."""

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

NO_VOLUMES = (
    "volumes are not supported: services are stateless for now; keep data in a database outside, "
    "or leave the field out"
)


def located(message: str, *location: int | str) -> ValidationError:
    """For a validator to raise: ``location`` is below the model it stands in."""
    # As the library itself tells a ValueError, but for the place.
    kind = PydanticCustomError("value_error", "{error}", {"error": message})
    details = InitErrorDetails(type=kind, loc=location, input=None)
    return ValidationError.from_exception_data("document", [details])
