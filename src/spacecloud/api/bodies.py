"""
Request bodies: JSON, strict in form, bounded in size.

A body without a Content-Type is JSON; one that says to be anything else is refused: texts and
forms are what a browser sends for a page of another origin without asking.
Everything that later code could stumble over is refused here, with its place: numbers that
are no numbers, text that is no text, the same key twice, nesting without end. A body costs a
time and a memory linear to its size, whatever is in it.
"""

import asyncio
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException

from spacecloud.errors import InvalidSpec, shortened
from spacecloud.model.validation.mistakes import mistake_at, path_of

MOST_BYTES = 5 * 1024 * 1024
MOST_VALUES = 100_000
"""In all lists and objects of one body: a byte may hold one, and each costs a hundred."""

DEEPEST = 64
READ_SECONDS = 60
LONGEST_SHOWN = 60
JSON_TYPES = ("", "application/json")

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Also one that does not end, so that none is looked at twice."""


async def read_object(request: Request, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The JSON object of the body. ``InvalidSpec`` when it is none; 413 or 415 unread."""
    _check_type(request.headers.get("content-type", ""))
    given = parse(await _read(request, most_bytes))
    if not isinstance(given, dict):
        raise InvalidSpec(f"the body must be a JSON object, not {_name(given)}")
    return given


def parse(body: bytes) -> Any:
    if not body.strip():
        raise InvalidSpec("the body is empty: a JSON object is expected")
    _check_count(body)
    try:
        given = json.loads(
            body.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise InvalidSpec(f"the body is not UTF-8: byte {error.start} is wrong") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InvalidSpec(f"the body is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise InvalidSpec("the body holds a number with too many digits") from None
    _check(given)
    return given


async def _read(request: Request, most_bytes: int) -> bytes:
    """No more than ``most_bytes`` are held, and nothing is read when more are announced."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {READ_SECONDS} s") from None
    return bytes(body)


def _check_type(given: str) -> None:
    kind = given.partition(";")[0].strip().lower()
    if kind not in JSON_TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        shown = shortened(kind, LONGEST_SHOWN)
        raise HTTPException(
            415, f"the body says to be {shown}: send it as Content-Type: application/json"
        )


def _too_large(most_bytes: int) -> HTTPException:
    most = f"{most_bytes >> 20} MiB" if most_bytes >> 20 else f"{most_bytes >> 10} KiB"
    return HTTPException(413, f"the body is larger than {most}")


def _check_count(body: bytes) -> None:
    # A comma in a text separates nothing; most bodies have too few in all to look closer.
    if _most_values(body) > MOST_VALUES and _most_values(_STRING.sub(b'""', body)) > MOST_VALUES:
        raise InvalidSpec(f"the body holds more than {MOST_VALUES} values: send it in parts")


def _most_values(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise InvalidSpec(
            f"the key {shortened(_first_twice(pairs), LONGEST_SHOWN)!r} is given twice "
            "in one object"
        )
    return unique


def _first_twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    raise AssertionError("no key is given twice")


def _no_constant(name: str) -> NoReturn:
    raise InvalidSpec(f"{name} is not JSON: write a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidSpec(f"the number {text[:40]} is too large")
    return number


class _Place(NamedTuple):
    """A list or an object, and the way to it: a path in words is made for a fault only."""

    above: "_Place | None"
    part: int | str
    value: Any


def _check(given: Any) -> None:
    """Bounded nesting, and text that can be stored and handed to a process."""
    level = [_Place(None, "", given)]
    for _ in range(DEEPEST):
        below: list[_Place] = []
        for place in level:
            for part, item in _items(place.value):
                if isinstance(part, str):
                    _check_text(place, None, part)
                if isinstance(item, str):
                    _check_text(place, part, item)
                elif isinstance(item, list | dict):
                    below.append(_Place(place, part, item))
        if not below:
            return
        level = below
    raise _too_deep()


def _items(value: Any) -> Iterator[tuple[int | str, Any]]:
    """A body that is a text has no place in it: it is refused as no object."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _check_text(place: _Place, part: int | str | None, text: str) -> None:
    """``part`` is None for a key, which is told of the object that has it."""
    fault = _fault(text)
    if fault:
        location = _location(place, part)
        shown = path_of(location)
        raise InvalidSpec(f"{shown or 'the body'}: {fault}", (mistake_at(location, fault),))


def _fault(text: str) -> str:
    if "\0" in text:
        return "it holds a NUL character, which no process can be given; bytes are binaryData"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair, which is not text"
    return ""


def _location(place: _Place | None, last: int | str | None) -> tuple[int | str, ...]:
    parts = [] if last is None else [last]
    while place is not None and place.above is not None:
        parts.append(place.part)
        place = place.above
    return tuple(map(_storable, reversed(parts)))


def _storable(part: int | str) -> int | str:
    return part if isinstance(part, int) else part.encode(errors="replace").decode()


def _too_deep() -> InvalidSpec:
    return InvalidSpec(f"the body is nested deeper than {DEEPEST} levels")


def _name(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
