"""
Read back what an earlier release has accepted.

A rule that came later must not make the store unreadable: one old document would take all
others with it. What breaks such a rule is read as it is, and fails where it is used.
"""

from collections.abc import Mapping

from pydantic import ValidationInfo

STORED: Mapping[str, bool] = {"stored": True}
"""The context to validate in."""


def is_stored(info: ValidationInfo) -> bool:
    return bool(info.context and info.context.get("stored"))
