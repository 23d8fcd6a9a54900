"""
Documents to look at as well, because the first mistake that is found hides others.

A field that is refused as such ends the look at its object, and what is between fields is only
looked at when each of them is right. These documents have the same mistakes at the same places,
without the ones that hide.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from spacecloud.model.refs import DNS_LABEL
from spacecloud.model.service import Service

REFUSED = ("volumes", "volumeMounts")


def second_looks(
    model: type[BaseModel], given: Any, faults: Iterable[Mapping[str, Any]]
) -> Iterator[Any]:
    if not isinstance(given, dict) or model is not Service:
        return
    if any(fault["type"] == "value_error" for fault in faults):
        yield {name: value for name, value in given.items() if name not in REFUSED}
        yield _allowed(given)
    if _entries(given.get("tasks")):
        yield _skeleton(given)


def _allowed(given: Any) -> Any:
    if isinstance(given, dict):
        return {name: _allowed(value) for name, value in given.items() if name not in REFUSED}
    return [_allowed(value) for value in given] if isinstance(given, list) else given


def _skeleton(given: dict[str, Any]) -> dict[str, Any]:
    """What tasks share, ids and ports, where it is right; the rest is filled in."""
    tasks = given.get("tasks")
    return {"tasks": [_task(n, task) for n, task in enumerate(_entries(tasks))]}


def _task(number: int, given: Any) -> dict[str, Any]:
    task = given if isinstance(given, dict) else {}
    id = task.get("id")
    is_right = isinstance(id, str) and re.fullmatch(DNS_LABEL, id)
    numbers = [p.get("port") for p in _entries(task.get("ports")) if isinstance(p, dict)]
    return {
        # Of an id that is wrong another one is made, which no other task has.
        "id": id if is_right else f"{'x' * 50}{number}",
        "docker": {"image": "x"},
        "ports": [{"port": n} for n in numbers if type(n) is int and 1 <= n <= 65535],
    }


def _entries(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []
