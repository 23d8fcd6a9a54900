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
HIGHEST_PORT = 65_535


def hidden_mistakes(
    model: type[BaseModel], given: Any, faults: Iterable[Mapping[str, Any]]
) -> Iterator[Any]:
    if not isinstance(given, dict) or model is not Service:
        return
    if any(fault["type"] == "value_error" for fault in faults):
        yield {name: value for name, value in given.items() if name not in REFUSED}
        yield _allowed(given)
    tasks = _entries(given.get("tasks"))
    # Of more ports than there are numbers some are given twice, and that is told anyway.
    if tasks and sum(len(_ports(task)) for task in tasks) <= HIGHEST_PORT:
        yield _skeleton(tasks)


def _allowed(given: Any) -> Any:
    if isinstance(given, dict):
        return {name: _allowed(value) for name, value in given.items() if name not in REFUSED}
    return [_allowed(value) for value in given] if isinstance(given, list) else given


def _skeleton(tasks: list[Any]) -> dict[str, Any]:
    """What tasks share, ids and ports, where it is right; the rest is filled in."""
    used = {number for task in tasks for number in _ports(task)}
    free = (number for number in range(HIGHEST_PORT, 0, -1) if number not in used)
    return {"tasks": [_task(n, task, free) for n, task in enumerate(tasks)]}


def _ports(task: Any) -> list[Any]:
    """As they were given; None for what is no port number."""
    given = _entries(task.get("ports")) if isinstance(task, dict) else []
    numbers = [port.get("port") if isinstance(port, dict) else None for port in given]
    return [n if type(n) is int and 1 <= n <= HIGHEST_PORT else None for n in numbers]


def _task(number: int, given: Any, free: Iterator[int]) -> dict[str, Any]:
    task = given if isinstance(given, dict) else {}
    id = task.get("id")
    is_right = isinstance(id, str) and re.fullmatch(DNS_LABEL, id)
    return {
        # Of an id that is wrong another one is made, which no other task has.
        "id": id if is_right else f"{'x' * 50}{number}",
        "docker": {"image": "x"},
        # In place of a wrong port one that no other has, so that each keeps its number.
        "ports": [{"port": next(free) if n is None else n} for n in _ports(task)],
    }


def _entries(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []
