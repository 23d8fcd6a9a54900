"""What the store asks of sealing; ``secrets`` answers."""

from typing import Protocol


class Sealer(Protocol):
    """``place`` binds a value to its row: it opens nowhere else."""

    def seal(self, value: str, *place: str) -> bytes: ...
    def unseal(self, sealed: bytes, *place: str) -> str: ...
