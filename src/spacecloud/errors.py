"""
Every error this project raises on purpose. The class says what the caller can do.

    SpaceCloudError
    ├── InvalidSpec        can never succeed as written            → 400, exit 2
    ├── Unauthorized       no or wrong credentials                 → 401, exit 5
    ├── Forbidden          known, but not allowed                  → 403, exit 5
    ├── NotFound           the thing named does not exist          → 404, exit 3
    ├── Conflict           it clashes with what is there           → 409, exit 4
    ├── TooManyRequests    slow down                               → 429, exit 5
    ├── Unsupported        of a part of the original's that is not here → 501, exit 2
    ├── Unavailable        the control plane cannot be reached     → 503, exit 6
    └── DriverError        the platform below refused or failed
        ├── Transient      trying again may help                   → retried with back-off
        └── Terminal       only a change of the declaration helps

``code`` is part of the HTTP API: it may gain members, never change one.
Messages are sentences for people and never hold a secret value.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from spacecloud.reasons.union import FailureReason

MOST_MISTAKES = 100
"""Told of one request or one reading of files; of more there is a count."""

LONGEST_PATH = 300
LONGEST_MESSAGE = 1000
LONGEST_VALUE = 80


def shortened(text: str, most: int) -> str:
    """At most so many characters; the last one tells that there were more."""
    return text if len(text) <= most else text[: most - 1] + "…"


class SpaceCloudError(Exception):
    """Base of the tree; never raised itself."""

    code: ClassVar[str] = "internal"


@dataclass(frozen=True, slots=True)
class Mistake:
    """
    One thing that is wrong with a document, precise enough to be mended without a search.

    Of bounded size, whatever was given: each of its texts is shortened.
    """

    path: str
    """Where, as in ``spec.tasks[0].ports[1].port``; empty for the document as a whole."""

    message: str
    """What is expected, and where it helps what to write instead."""

    value: Any = None
    """What was given, shortened; never of a secret."""

    line: int | None = None
    """Line in the file, from 1; None where no file is known."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", shortened(self.path, LONGEST_PATH))
        object.__setattr__(self, "message", shortened(self.message, LONGEST_MESSAGE))
        if isinstance(self.value, str):
            object.__setattr__(self, "value", shortened(self.value, LONGEST_VALUE))

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        path = f"{self.path}: " if self.path else ""
        given = f" (got {self.value!r})" if self.value is not None else ""
        return f"{where}{path}{self.message}{given}"


class InvalidSpec(SpaceCloudError):
    """Holds the mistakes that were found, not only the first: ``MOST_MISTAKES`` of them."""

    code = "invalid_spec"

    def __init__(self, message: str, mistakes: tuple[Mistake, ...] = (), more: int = 0) -> None:
        super().__init__(message)
        self.mistakes = mistakes[:MOST_MISTAKES]
        self.more = more + len(mistakes) - len(self.mistakes)
        """How many were found beside them."""


class Unauthorized(SpaceCloudError):
    code = "unauthorized"


class Forbidden(SpaceCloudError):
    code = "forbidden"


class NotFound(SpaceCloudError):
    code = "not_found"


class Conflict(SpaceCloudError):
    code = "conflict"


class Unsupported(SpaceCloudError):
    code = "unsupported"


class TooManyRequests(SpaceCloudError):
    code = "too_many_requests"


class Unavailable(SpaceCloudError):
    code = "unavailable"


class DriverError(SpaceCloudError):
    """Carries its cause as a value."""

    code = "driver"

    def __init__(self, reason: "FailureReason | str") -> None:
        """A text is what the platform below says where nothing more is known of it."""
        super().__init__(str(reason))
        self._reason = reason

    @property
    def reason(self) -> "FailureReason":
        if not isinstance(self._reason, str):
            return self._reason
        # Not above: the CLI starts without the union.
        from spacecloud.reasons.platform import PlatformFailed

        return PlatformFailed(self._reason)


class Transient(DriverError):
    code = "driver_transient"


class Terminal(DriverError):
    code = "driver_terminal"
