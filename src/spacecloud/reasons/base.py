"""What every reason has. Its fields tell the facts; ``str`` is the sentence that a person reads."""

from typing import ClassVar


class BaseReason:
    """
    ``code`` is part of the HTTP API: there may be new ones, none changes its meaning.

    Fields that repeat what others said are plain lines of bounded length: whoever makes a reason
    sees to it (``model.lines.message``).
    """

    __slots__ = ()

    code: ClassVar[str]
    """CamelCase; the word of Kubernetes or Docker where they have one."""

    remedy: ClassVar[str] = ""
    """The fix, where it is always the same."""

    @property
    def fix(self) -> str:
        """What to do, as a sentence or a command; empty where nothing has to be done."""
        return self.remedy
