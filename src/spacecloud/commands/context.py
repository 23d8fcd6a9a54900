"""What the commands ask of the platform below; ``server.py`` says who answers."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from spacecloud.drivers.driver import Check
from spacecloud.errors import Forbidden, InvalidSpec, Unavailable
from spacecloud.settings import Settings


@dataclass(frozen=True, slots=True)
class Machine:
    serve: Callable[[Settings], Coroutine[Any, Any, None]]
    problems: Callable[[Settings], Coroutine[Any, Any, tuple[str, ...]]]
    remove: Callable[[Settings], Coroutine[Any, Any, None]]
    examine: Callable[[Settings], Coroutine[Any, Any, tuple[Check, ...]]]
    inventory: Callable[[Settings], Coroutine[Any, Any, Mapping[str, Any]]]


def read_settings(**given: Any) -> Settings:
    """``InvalidSpec`` with a line for every variable that is wrong."""
    try:
        settings = Settings(**{name: v for name, v in given.items() if v is not None})
    except ValidationError as error:
        lines = [
            f"SPACE_CLOUD_{'_'.join(str(part) for part in e['loc'][:1]).upper()}: {e['msg']} "
            f"(got {e['input']!r})"
            for e in error.errors()
        ]
        raise InvalidSpec("the settings are not valid:\n  " + "\n  ".join(lines)) from error
    except ValueError as error:
        # Of a list that is not written as one; it names the field.
        sentence = 'the settings are not valid: a list is written as ["10.0.0.5/32"]'
        raise InvalidSpec(f"{sentence}: {error}") from error
    for name, path in (("STATE", settings.state), ("RUN", settings.run)):
        if not path.is_absolute():
            raise InvalidSpec(f"SPACE_CLOUD_{name}: a path from / is expected (got '{path}')")
    return settings


def need_root(settings: Settings) -> None:
    if settings.driver == "docker" and not settings.is_root:
        raise Forbidden("root is needed for networks and firewall rules: run it with sudo")


async def check(machine: Machine, settings: Settings) -> None:
    """``Unavailable`` with everything that is lacking."""
    if settings.driver != "docker":
        return
    problems = await machine.problems(settings)
    if problems:
        raise Unavailable("this machine is not ready:\n  " + "\n  ".join(problems))
