"""``${NAME}`` in values, for those who ask for it."""

import re
from collections.abc import Mapping

from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.tree import Tree, strings
from spacecloud.errors import InvalidSpec, Mistake

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
REFERENCE = re.compile(rf"\$\$|\$\{{(?P<name>{NAME})\}}|(?P<wrong>\$\{{[^}}]*\}}?)")


def fill(tree: Tree, variables: Mapping[str, str], faults: Faults) -> None:
    """
    Replace ``${NAME}`` by its value and ``$$`` by ``$``, in values and not in keys.

    What is put in stays a text, whatever it looks like: no value can add structure.
    """
    for each in strings(tree):
        assert isinstance(each.value, str)
        if "$" in each.value:
            each.value = _filled(each.value, each.line, variables, faults)


def _filled(text: str, line: int, variables: Mapping[str, str], faults: Faults) -> str:
    def replaced(match: re.Match[str]) -> str:
        name, wrong = match["name"], match["wrong"]
        if wrong:
            faults.add(
                f"{wrong[:40]} is not a variable: write ${{NAME}}, or $${{ for the text", line
            )
        elif name and name not in variables:
            faults.add(f"${{{name}}} has no value: give it with --env {name}=… or --env-file", line)
        return variables.get(name, "") if name else "$"

    return REFERENCE.sub(replaced, text)


def assignment(text: str) -> tuple[str, str]:
    """``NAME=value``. ``InvalidSpec`` for anything else."""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(NAME, name):
        raise InvalidSpec(f"a variable is given as NAME=value (got {name[:40]!r})")
    return name, value


def env_file(text: str, source: str) -> dict[str, str]:
    """Lines of ``NAME=value``; ``#`` comments, ``export`` and surrounding quotes are left out."""
    variables: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals or not re.fullmatch(NAME, name):
            # Not the line itself: it may hold a password.
            mistakes.append(Mistake(source, "a line is NAME=value", None, number))
        variables[name] = _unquoted(value)
    if mistakes:
        raise InvalidSpec("; ".join(str(m) for m in mistakes), tuple(mistakes))
    return variables


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
