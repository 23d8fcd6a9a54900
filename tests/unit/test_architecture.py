"""The pages that a newcomer reads first agree with the tree, and with themselves."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "spacecloud"
ROW = re.compile(r"^\| (…? ?`[^|]+) \|", re.MULTILINE)


def rooms() -> set[str]:
    """Folders with code, and files that stand beside them."""
    folders = {path.parent for path in SOURCE.rglob("__init__.py")} - {SOURCE}
    files = {path for path in SOURCE.glob("*.py") if path.name != "__init__.py"}
    return {f"{path.relative_to(SOURCE)}/" for path in folders} | {path.name for path in files}


def named() -> set[str]:
    """In the first column of the table, where ``…`` stands for the Docker driver's folder."""
    found = set()
    for row in ROW.findall((ROOT / "docs" / "architecture.md").read_text()):
        before = "drivers/docker/" if row.startswith("…") else ""
        found |= {before + name for name in re.findall(r"`([\w./]+)`", row)}
    return found


def test_the_architecture_names_every_room_and_what_it_promises() -> None:
    beside = {name for name in named() if name.startswith("drivers/") and name.endswith(".py")}

    assert all((SOURCE / name).exists() for name in beside)
    assert named() - beside == rooms() - {"drivers/"}


def test_every_word_is_explained_once() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text()
    words = [
        word
        for line in page.splitlines()
        if line.startswith("| **")
        for word in re.findall(r"\*\*([^*]+)\*\*", line.split(" | ")[0])
    ]

    assert len(words) > 40
    assert sorted(words) == sorted(set(words))
