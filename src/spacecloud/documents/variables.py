"""``${NAME}`` in values, for those who ask for it."""

import re
from collections.abc import Mapping
from io import StringIO

from dotenv.parser import Binding, Original, parse_stream

from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.tree import Tree, strings
from spacecloud.errors import InvalidSpec, Mistake

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
NO_ASSIGNMENT = "a line is NAME=value"
UNCLOSED = "the quote is not closed, or more than a comment is behind it"
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
    """
    Of a ``.env`` file as python-dotenv reads it, and ``InvalidSpec`` with every line that is wrong.

    What is in double quotes may have escapes and several lines; behind a value comes a comment or
    nothing. ``${NAME}`` within a value stays as it is.
    """
    variables: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for each in parse_stream(StringIO(text.removeprefix("\N{BOM}"))):
        wrong = _wrong(each)
        if wrong:
            # Not the line itself: it may hold a password.
            mistakes.append(Mistake(source, wrong, None, _line(each.original)))
        elif each.key is not None:
            variables[each.key] = each.value or ""
    if mistakes:
        raise InvalidSpec("; ".join(str(m) for m in mistakes), tuple(mistakes))
    return variables


def _wrong(each: Binding) -> str:
    """Empty for an assignment, a comment, and a line that is empty."""
    if not each.error:
        is_one = each.value is not None and re.fullmatch(NAME, each.key or "")
        return "" if each.key is None or is_one else NO_ASSIGNMENT
    name, equals, value = each.original.string.strip().removeprefix("export ").partition("=")
    is_quoted = equals and re.fullmatch(NAME, name.strip()) and value.lstrip()[:1] in ('"', "'")
    return UNCLOSED if is_quoted else NO_ASSIGNMENT


def _line(original: Original) -> int:
    """Where its text begins: blank lines before it count as its own."""
    text = original.string
    return original.line + text[: len(text) - len(text.lstrip())].count("\n")
