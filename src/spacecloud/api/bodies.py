"""
Request bodies: JSON whatever their Content-Type says, strict in form, bounded in size.

Everything that later code could stumble over is refused here, with its place: numbers that
are no numbers, text that is no text, the same key twice, nesting without end.
"""

import json
import math
from typing import Any, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException

from spacecloud.errors import InvalidSpec, Mistake

MOST_BYTES = 5 * 1024 * 1024
DEEPEST = 64


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. ``InvalidSpec`` when it is none; 413 when it is too large."""
    given = parse(await _read(request))
    if not isinstance(given, dict):
        raise InvalidSpec(f"the body must be a JSON object, not {_name(given)}")
    return given


def parse(body: bytes) -> Any:
    if not body.strip():
        raise InvalidSpec("the body is empty: a JSON object is expected")
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


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the body is larger than {MOST_BYTES >> 20} MiB")
    return bytes(body)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for n, key in enumerate(keys) if key in keys[:n])
        raise InvalidSpec(f"the key {twice!r} is given twice in one object")
    return unique


def _no_constant(name: str) -> NoReturn:
    raise InvalidSpec(f"{name} is not JSON: write a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidSpec(f"the number {text[:40]} is too large")
    return number


def _check(given: Any) -> None:
    """Bounded nesting, and text that can be stored and handed to a process."""
    level: list[tuple[str, Any]] = [("", given)]
    for _ in range(DEEPEST):
        below: list[tuple[str, Any]] = []
        for path, value in level:
            if isinstance(value, str):
                _check_text(path, value)
            elif isinstance(value, list):
                below += [(f"{path}[{n}]", item) for n, item in enumerate(value)]
            elif isinstance(value, dict):
                for key, item in value.items():
                    _check_text(path, key)
                    below.append((f"{path}.{key}".lstrip("."), item))
        if not below:
            return
        level = below
    raise _too_deep()


def _check_text(path: str, text: str) -> None:
    if "\0" in text:
        fault = "it holds a NUL character, which no process can be given"
    elif not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        fault = "it holds half of a surrogate pair, which is not text"
    else:
        return
    shown = path.encode(errors="replace").decode()
    raise InvalidSpec(f"{shown or 'the body'}: {fault}", (Mistake(shown, fault),))


def _too_deep() -> InvalidSpec:
    return InvalidSpec(f"the body is nested deeper than {DEEPEST} levels")


def _name(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
