"""Who says that it is pure is held to it."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


def test_every_module_that_says_pure_is_in_a_purity_contract() -> None:
    saying = {
        _name(path)
        for path in SOURCE.rglob("*.py")
        if re.search(r"\bPure\b", ast.get_docstring(ast.parse(path.read_text())) or "")
    }

    held = _held()

    assert len(saying) > 10
    assert [name for name in sorted(saying) if not _is_held(name, held)] == []


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _held() -> frozenset[str]:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return frozenset(
        module
        for contract in linter["contracts"]
        if contract["name"].startswith("Pure ")
        for module in contract["source_modules"]
    )


def _is_held(name: str, held: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in held for length in range(1, len(parts) + 1))
