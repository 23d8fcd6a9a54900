"""The page of fields is what the model says."""

import importlib.util
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "scripts" / "fields.py"


def fields() -> Any:
    spec = importlib.util.spec_from_file_location("fields", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_fields_is_written_by_its_script() -> None:
    script = fields()

    assert script.DOCS.read_text() == script.page(), "run: .venv/bin/python scripts/fields.py"
