"""What the Docker Engine's refusals mean: whether only another declaration helps, or time may."""

from spacecloud.errors import Terminal, Transient

NOT_MODIFIED, NOT_FOUND, CONFLICT = 304, 404, 409
PASSING = frozenset({403, NOT_FOUND, 408, CONFLICT, 429})
"""Of the refusals that blame the request, those that time may change; 403: it is in use."""


class EngineError(Exception):
    """An answer that is not a success; what it means depends on the question."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def meaning(action: str, error: EngineError) -> Terminal | Transient:
    """``Terminal`` where only another declaration helps: the request itself was at fault."""
    text = f"{action}: {plain(str(error))}"
    return Terminal(text) if is_final(error) else Transient(text)


def is_final(error: EngineError) -> bool:
    """The same request will be refused again."""
    return 400 <= error.status < 500 and error.status not in PASSING


def plain(message: str) -> str:
    """The engine's words without the layers of wrapping that say nothing."""
    last = message.split("container init caused: ")[-1].split("starting container process caused: ")
    return last[-1].removesuffix(": unknown").strip()
