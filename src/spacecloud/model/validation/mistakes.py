"""What is wrong with a document, in the words and the spelling of the one who wrote it."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from spacecloud.errors import (
    LONGEST_PART,
    MOST_MISTAKES,
    InvalidSpec,
    Mistake,
    SpaceCloudError,
    shortened,
)
from spacecloud.model.resource import Resource
from spacecloud.model.validation.foreign_fields import FOREIGN_FIELDS
from spacecloud.model.validation.hidden_mistakes import hidden_mistakes
from spacecloud.model.validation.wording import LONGEST_COMPARED, at, expectation

R = TypeVar("R", bound=Resource)
Location = tuple[int | str, ...]

HIDDEN = frozenset(
    {"data", "binaryData", "env", "aesKey", "privateKey", "key", "value", "license", "passphrase"}
)
"""Fields that may hold what nobody else should read: nothing below them is shown."""

SPELLED_OUT = 3
"""Mistakes that a sentence repeats."""

MOST_SPELLINGS = 1000
"""Keys of one object that are compared to a field: it has to take a time linear to its size."""

LONGEST = 60

OTHER_SPELLINGS = {
    "methods": "method",
    "rewrite": "rewriteURL",
    "scheme": "schema",
    "ignoreCase": "isIgnoreCase",
}
"""Where the model accepts a second name, its errors tell the first."""

IS_KEY = "[key]"
"""How pydantic marks that a key of a mapping is meant and not its value."""


def validate(model: type[R], given: Any, prefix: str, most: int = MOST_MISTAKES) -> R:
    """Raises ``InvalidSpec`` with ``most`` mistakes; ``prefix`` is where ``given`` stands."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        located, more = located_mistakes(error, given, prefix, model, most)
    raise refusal(tuple(mistake for _, mistake in located), more)


def located_mistakes(
    error: ValidationError, given: Any, prefix: str, model: type[BaseModel], most: int
) -> tuple[tuple[tuple[Location, Mistake], ...], int]:
    """
    Each with its place in ``given``, for those who know what stands where, and how many more.

    Takes a time linear to what was given, however much of it is wrong.
    """
    faults = _faults(error)
    for other in hidden_mistakes(model, given, faults):
        try:
            model.model_validate(other)
        except ValidationError as another:
            known = {(fault["loc"], fault["msg"]) for fault in faults}
            faults += [f for f in _faults(another) if (f["loc"], f["msg"]) not in known]
    shown = _without_consequences(faults)
    located = tuple(_mistake(fault, given, prefix, model) for fault in shown[:most])
    return located, len(shown) - len(located)


def _faults(error: ValidationError) -> list[Mapping[str, Any]]:
    return [*error.errors(include_url=False, include_input=False)]


def _without_consequences(faults: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A list whose entries are wrong counts as empty, which nobody wrote."""
    short = {fault["loc"] for fault in faults if fault["type"] == "too_short"}
    if not short:
        return faults
    above = {fault["loc"][:n] for fault in faults for n in range(len(fault["loc"]))}
    return [f for f in faults if f["type"] != "too_short" or f["loc"] not in above]


def refusal(mistakes: Sequence[Mistake], more: int = 0) -> InvalidSpec:
    """Of at least one mistake, and of so many ``more`` that are not among them."""
    return InvalidSpec(summary(mistakes, more), tuple(mistakes), more)


class CollectedMistakes:
    """The mistakes of several documents, told at once; of bounded size, however many."""

    def __init__(self) -> None:
        self._mistakes: list[Mistake] = []
        self._more = 0

    def take(self, error: SpaceCloudError, document: int) -> None:
        """``document`` is the place of the one that it is about, from 0."""
        known = error.mistakes if isinstance(error, InvalidSpec) else ()
        found = known or (Mistake("", str(error)),)
        listed = found[: MOST_MISTAKES - len(self._mistakes)]
        self._mistakes += [replace(mistake, document=document) for mistake in listed]
        self._more += len(found) - len(listed)
        self._more += error.more if isinstance(error, InvalidSpec) else 0

    @property
    def room(self) -> int:
        """For so many more, and for one: of what is refused at least one mistake is known."""
        return max(1, MOST_MISTAKES - len(self._mistakes))

    def __bool__(self) -> bool:
        return bool(self._mistakes)

    def error(self) -> InvalidSpec:
        """Of at least one that was taken."""
        return refusal(self._mistakes, self._more)


def summary(mistakes: Sequence[Mistake], more: int = 0) -> str:
    """For those who are shown one sentence and no list: the first of them are in it."""
    total = len(mistakes) + more
    return str(mistakes[0]) if total == 1 else f"{total} mistakes: {spelled_out(mistakes, more)}"


def spelled_out(mistakes: Sequence[Mistake], more: int = 0) -> str:
    """The first of them, and how many there are beside."""
    rest = len(mistakes) + more - SPELLED_OUT
    told = "; ".join(str(mistake) for mistake in mistakes[:SPELLED_OUT])
    return f"{told}; and {rest} more" if rest > 0 else told


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    if len(name) > LONGEST_COMPARED:
        return None
    by_lower = {each.lower().replace("_", ""): each for each in known}
    wanted = name.lower().replace("_", "")
    found = difflib.get_close_matches(wanted, by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """An ending for a sentence: the nearest known name, else all of them."""
    names = list(known)
    meant = nearest(name, names)
    return f"did you mean {meant}?" if meant else f"known are {', '.join(names)}"


def shown(value: Any) -> Any:
    """A value as a message may repeat it: scalars, shortened; never a container's content."""
    if isinstance(value, str):
        return shortened(value, LONGEST)
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**20 else "a number of many digits"
    return None


def _mistake(
    fault: Mapping[str, Any], given: Any, prefix: str, model: type[BaseModel]
) -> tuple[Location, Mistake]:
    is_unknown = fault["type"] == "extra_forbidden"
    # A field that nobody knows may be called as keys are marked.
    unknown = fault["loc"][-1:] if is_unknown else ()
    above = fault["loc"][:-1] if is_unknown else fault["loc"]
    location = (*(part for part in above if part != IS_KEY), *unknown)
    is_key = location != fault["loc"]
    written, value = _as_written(given, location)
    place = (prefix, *written) if prefix else written
    if is_unknown:
        name = str(location[-1])
        parent = at(model, location[:-1]).model
        known = [] if parent is None else [f.alias or n for n, f in parent.model_fields.items()]
        meant = FOREIGN_FIELDS.get(parent.__name__, {}).get(name) if parent is not None else None
        hint = meant or did_you_mean(name, known)
        return written, mistake_at(place, f"there is no such field; {hint}")
    message = "as a name: " * is_key + expectation(fault, at(model, location), value)
    is_hidden = is_key or fault["type"] in ("missing", "value_error")
    of_signing_key = location[:1] == ("secrets",)
    is_hidden = is_hidden or not location or of_signing_key or bool(HIDDEN & set(location))
    return written, mistake_at(place, message, None if is_hidden else shown(value))


def mistake_at(location: Location, message: str, value: Any = None) -> Mistake:
    return Mistake(path_of(location), message, value, location=location)


def path_of(location: Iterable[int | str]) -> str:
    """``("spec", "tasks", 0, "env", "a.b")`` as ``spec.tasks[0].env['a.b']``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif len(part) <= LONGEST_PART and re.fullmatch(r"[\w*/-]+", part):
            path += f".{part}" if path else part
        else:
            path += f"[{shortened(part, LONGEST_PART)!r}]"
    return path


def _as_written(given: Any, location: Location) -> tuple[Location, Any]:
    """The location in the spelling that was used, and what stands there; None for nothing."""
    written: list[int | str] = []
    for part in location:
        key = part
        if isinstance(given, Mapping):
            key = part if part in given else _other_spelling(str(part), given)
            given = given.get(key)
        elif isinstance(given, list | tuple) and isinstance(part, int) and part < len(given):
            given = given[part]
        else:
            given = None
        written.append(key)
    return tuple(written), given


def _other_spelling(field: str, given: Mapping[str, Any]) -> str:
    """The one that is in ``given``: the generator's, or one in another case."""
    other = OTHER_SPELLINGS.get(field, "")
    if other in given or len(given) > MOST_SPELLINGS:
        return other if other in given else field
    lower = field.lower()
    return next((k for k in given if k.lower() == lower), field)
