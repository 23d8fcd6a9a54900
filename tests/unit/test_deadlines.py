"""No run of the tests or of the benchmarks can hang: whatever waits there says for how long."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("tests", "bench", "scripts")
    for path in (ROOT / folder).rglob("*.py")
    # Programs of images of their own: a container has its end from the test.
    if "apps" not in path.parts
)
RUNS = {"run", "check_output", "check_call", "call"}
WAITS = {"join", "wait", "communicate", "acquire"}


def endless(tree: ast.AST) -> Iterator[str]:
    """What may wait for ever, other than the event loop, which a test's time limit interrupts."""
    awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in awaited and _is_endless(node):
            yield f"{node.lineno}: {ast.unparse(node)[:80]}"


def _is_endless(call: ast.Call) -> bool:
    given = {keyword.arg for keyword in call.keywords}
    match call.func:
        case ast.Attribute(value=ast.Name(id="subprocess"), attr=name) if name in RUNS:
            return "timeout" not in given
        case ast.Attribute(attr="communicate"):
            return "timeout" not in given
        case ast.Attribute(attr=name) if name in WAITS:
            return not call.args and "timeout" not in given
        case ast.Attribute(value=ast.Name(id="threading"), attr="Thread"):
            return "daemon" not in given
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_whatever_waits_has_a_deadline(path: Path) -> None:
    assert not list(endless(ast.parse(path.read_text())))


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(['true'])",
        "process.communicate()",
        "process.wait()",
        "thread.join()",
        "threading.Thread(target=work)",
    ],
)
def test_what_waits_for_ever_is_found(code: str) -> None:
    assert list(endless(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(['true'], timeout=1)",
        "', '.join(words)",
        "async def f():\n    await process.wait()",
        "thread.join(20)",
        "threading.Thread(target=work, daemon=True)",
    ],
)
def test_what_has_a_deadline_is_left_alone(code: str) -> None:
    assert not list(endless(ast.parse(code)))
