"""What a run has found, in ``build/chaos.json``, section by section; and a line of progress."""

import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent.parent / "build" / "chaos.json"


def write(section: str, found: Any) -> None:
    """The other sections stay as they were."""
    FILE.parent.mkdir(exist_ok=True)
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    temporary = FILE.with_suffix(".new")
    temporary.write_text(json.dumps({**kept, section: found}, indent=1, sort_keys=True) + "\n")
    temporary.replace(FILE)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def spread(seconds: Iterable[float]) -> dict[str, float]:
    found = sorted(seconds)
    if not found:
        return {}
    return {
        "median": round(statistics.median(found), 3),
        "max": round(found[-1], 3),
        "count": len(found),
    }
