"""What a plain word of YAML means: the core schema of YAML 1.2, and nothing beside it."""

import math
import re

Scalar = str | int | float | bool | None

NULL = frozenset({"", "~", "null", "Null", "NULL"})
TRUE = frozenset({"true", "True", "TRUE"})
FALSE = frozenset({"false", "False", "FALSE"})
INTEGER = re.compile(r"[-+]?[0-9]+")
BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MOST_DIGITS = 300


def meaning(word: str) -> Scalar:
    """Dates, ``yes`` and ``on`` are text. ``ValueError`` with a sentence for what has no value."""
    if word in NULL:
        return None
    if word in TRUE or word in FALSE:
        return word in TRUE
    if NO_NUMBER.fullmatch(word):
        raise ValueError(f"{word} is not a number that can be used; for a text put it in quotes")
    if not word[0].isdigit() and word[0] not in "+-.":
        return word
    if INTEGER.fullmatch(word) or BASED.fullmatch(word):
        return _integer(word)
    if FLOAT.fullmatch(word):
        return _finite(word)
    return word


def _integer(word: str) -> int:
    if len(word) > MOST_DIGITS:
        raise ValueError(f"a number of {len(word)} digits; for a text put it in quotes")
    return int(word, 0 if BASED.fullmatch(word) else 10)


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError("a number that is too large; for a text put it in quotes")
    return number
