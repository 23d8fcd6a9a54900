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
CLOCKS = {"monotonic", "perf_counter", "seconds", "failed"}
"""A loop that names none of them has no deadline; the last two are a ``Wait``'s."""


def endless(tree: ast.AST) -> Iterator[str]:
    """What may wait for ever, other than the event loop, which a test's time limit interrupts."""
    others = _of_the_event_loop(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call() if id(node) not in others and _is_endless(node):
                yield f"{node.lineno}: {ast.unparse(node)[:80]}"
            case ast.While() if _polls_for_ever(node):
                yield f"{node.lineno}: while {ast.unparse(node.test)[:80]}"


def _of_the_event_loop(tree: ast.AST) -> set[int]:
    """What is awaited, and results of its tasks, which never wait."""
    found = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            found |= {id(node) for node in ast.walk(function) if _is_result(node)}
    return found


def _is_result(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".result")


def _polls_for_ever(loop: ast.While) -> bool:
    """It sleeps between its looks, or looks whether a process has ended."""
    asks = {node.attr for node in ast.walk(loop.test) if isinstance(node, ast.Attribute)}
    calls = {ast.unparse(node.func) for node in ast.walk(loop) if isinstance(node, ast.Call)}
    names = {node.attr for node in ast.walk(loop) if isinstance(node, ast.Attribute)}
    return ("time.sleep" in calls or "poll" in asks) and not names & CLOCKS


def _is_endless(call: ast.Call) -> bool:
    given = {keyword.arg for keyword in call.keywords}
    match call.func:
        case ast.Attribute(value=ast.Name(id="subprocess"), attr=name) if name in RUNS:
            return "timeout" not in given
        case ast.Attribute(attr="communicate"):
            return "timeout" not in given
        case ast.Attribute(attr="readline", value=ast.Attribute(attr="stdout" | "stderr")):
            return True
        case ast.Attribute(attr=name) if name in WAITS or name == "result":
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
        "pool.submit(work).result()",
        "process.stdout.readline()",
        "while not there():\n    time.sleep(1)",
        "while process.poll() is None:\n    ask()",
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
        "pool.submit(work).result(20)",
        "async def f():\n    return task.result()",
        "async def f():\n    await process.stdout.readline()",
        "while time.monotonic() < deadline:\n    time.sleep(1)",
        "while not wait.seconds > 20:\n    time.sleep(1)",
        "while swept.take():\n    work()",
    ],
)
def test_what_has_a_deadline_is_left_alone(code: str) -> None:
    assert not list(endless(ast.parse(code)))
