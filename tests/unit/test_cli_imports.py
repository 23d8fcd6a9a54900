"""What a short command imports is what it costs."""

import subprocess
import sys
from pathlib import Path

COSTLY = (
    "pydantic",
    "rich",
    "yaml",
    "asyncio",
    "ssl",
    "fastapi",
    "aiohttp",
    "importlib.metadata",
)

PROGRAM = """
import sys
from spacecloud.cli.main import run
sys.argv = ["space-cli"]
code = run({arguments!r})
print(code, *[name for name in {costly!r} if name in sys.modules], file=sys.stderr)
"""


def imported_by(folder: Path, *arguments: str) -> list[str]:
    """The exit code and the costly ones; the control plane's password is there, it is not."""
    (folder / "default").mkdir()
    (folder / "default" / "admin-password").write_text("secret-of-the-machine")
    program = PROGRAM.format(arguments=arguments, costly=COSTLY)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            "PYTHONPATH": ":".join(sys.path),
            "SPACE_CLOUD_URL": "http://127.0.0.1:1",
            "HOME": str(folder),
            "SPACE_CLOUD_STATE": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stderr.splitlines()[-1].split()


def test_asking_for_services_imports_nothing_costly(tmp_path: Path) -> None:
    assert imported_by(tmp_path, "get", "services") == ["6", *_unavoidable()]


def test_help_imports_no_command(tmp_path: Path) -> None:
    assert imported_by(tmp_path, "--help") == ["0", *_unavoidable()]


def _unavoidable() -> list[str]:
    """What click and the standard library's HTTP client import by themselves."""
    program = f"""
import click, http.client, json, sys
print(*[name for name in {COSTLY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.split()
