"""Amounts as Kubernetes writes them: ``500m`` of a core, ``256Mi`` of memory. Pure."""

import re
from collections.abc import Mapping

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS: Mapping[str, float] = {
    "": 1,
    "m": 0.001,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def quantity(text: str) -> float | None:
    """In cores or bytes; None where it is none, or nothing at all."""
    found = _QUANTITY.fullmatch(text)
    amount = float(found[1]) * _FACTORS[found[2] or ""] if found is not None else 0
    return amount or None
