"""What a module keeps for itself is used by itself alone, in tests too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = tuple(
    path
    for folder in ("src", "tests", "bench", "scripts")
    for path in (ROOT / folder).rglob("*.py")
)
PUBLIC_ALL_THE_SAME = {"_replace", "_asdict", "_fields", "_exit"}
"""Of the standard library: an underscore keeps them apart from what users name."""

BY_STRING = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}
"""What is given names as strings, by whatever object: ``monkeypatch.setattr`` too."""


def private_uses(tree: ast.Module) -> Iterator[str]:
    """Names with an underscore that come from another module or another kind of object."""
    own, used = set(PUBLIC_ALL_THE_SAME), list[str]()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom():
                yield from (alias.name for alias in node.names if _is_private(alias.name))
            case ast.Attribute(value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                # An object of the same class may be asked for it.
                own.add(node.attr)
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute() if _is_private(node.attr):
                used.append(node.attr)
            case ast.Call() if ast.unparse(node.func).rpartition(".")[2] in BY_STRING:
                used += _named(node)
            case ast.Name(ctx=ast.Store()):
                own.add(node.id)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                own.add(node.name)
            case _:
                pass
    yield from (name for name in used if name not in own)


def _named(call: ast.Call) -> Iterator[str]:
    """Private names in its strings, which may be dotted."""
    for given in call.args:
        match given:
            case ast.Constant(value=str(text)):
                yield from filter(_is_private, text.split("."))
            case _:
                pass


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("from shop.api import _hidden", ["_hidden"]),
        ("import shop\nshop._hidden()", ["_hidden"]),
        ("pods._image = ''", ["_image"]),
        ("setattr(pods, '_image', '')", ["_image"]),
        ("monkeypatch.setattr('shop.api._hidden', 1)", ["_hidden"]),
        ("operator.attrgetter('pod._image')(pods)", ["_image"]),
        ("from shop.api import shown\nshown.name", []),
        ("class A:\n def __init__(self): self._a = 1\n def __eq__(self, b): return b._a == 1", []),
        ("point._replace(x=1)", []),
        (
            "class A:\n def __init__(self): self._a = 1\n def f(self): return getattr(self, '_a')",
            [],
        ),
    ],
)
def test_a_private_name_of_another_module_is_seen(text: str, used: list[str]) -> None:
    assert list(private_uses(ast.parse(text))) == used


def modules_of_tests(tree: ast.Module) -> Iterator[str]:
    """Modules of tests that it imports from: what is shared stands beside them."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if ".test_" in f".{module}":
                yield module
            case _:
                pass


def test_no_test_stands_on_another_test() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in PROGRAMS
        for module in modules_of_tests(ast.parse(path.read_text()))
    ]

    assert found == []


def test_nobody_uses_what_another_module_keeps_for_itself() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in PROGRAMS
        for name in private_uses(ast.parse(path.read_text()))
    ]

    assert len(PROGRAMS) > 200
    assert found == []
