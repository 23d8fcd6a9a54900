"""Which fields of two documents differ. Pure."""

from collections.abc import Iterable
from typing import Any


def changed_fields(before: Any, after: Any, path: str = "") -> Iterable[str]:
    """Paths as in ``tasks[0].env.LOG``, in the order of the later document."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*after, *(n for n in before if n not in after)]:
            inner = f"{path}.{name}" if path else str(name)
            if name not in after or name not in before:
                yield inner
            else:
                yield from changed_fields(before[name], after[name], inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from changed_fields(*pair, f"{path}[{index}]")
    elif before != after:
        yield path
