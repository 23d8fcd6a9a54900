"""
Images of the tests' apps, built from local files and built once.

| image         | what it is                                                                 |
|---------------|----------------------------------------------------------------------------|
| echo          | ``echo/app.py``; inside a running one, ``call`` is a client (``call.py``)  |
| grpc          | ``grpc_echo/app.py``; inside a running one, ``call-grpc`` is a client       |
| caller-musl   | ``caller/caller.c``, static, musl: resolves and calls like Alpine's apps   |
| caller-glibc  | the same, dynamic, glibc: resolves and calls like Debian's apps            |
"""

import asyncio
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from docker_objects import DOCKER_HOST
from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.images.binaries import libraries, loader_of, program
from spacecloud.drivers.docker.images.ensure import ensure_recipe
from spacecloud.drivers.docker.images.interpreter import (
    PYTHON_PATH,
    loaded_by_name,
    nobody,
    python,
)
from spacecloud.drivers.docker.images.recipe import Copied, Entry, Recipe, Written
from spacecloud.errors import Terminal
from spacecloud.reasons.platform import ProgramUnusable

HERE = Path(__file__).parent
LABELS = {"space-cloud.image": "test"}
COMPILED = Path(tempfile.gettempdir()) / "space-cloud-test-programs"
"""Outside the checkout, which a test run leaves as it was."""


def ensure_test_images() -> dict[str, str]:
    """Name to image reference; callable from inside an event loop too."""
    recipes = {
        "echo": echo(),
        "grpc": grpc_echo(),
        "caller-musl": caller("musl", "musl-gcc", "-static"),
        "caller-glibc": caller("glibc", "gcc"),
    }
    with ThreadPoolExecutor(1) as aside:
        aside.submit(lambda: asyncio.run(_ensure(recipes.values()))).result()
    return {name: recipe.reference() for name, recipe in recipes.items()}


async def _ensure(recipes: Iterable[Recipe]) -> None:
    async with connect(DOCKER_HOST) as engine:
        for recipe in recipes:
            await ensure_recipe(engine, recipe)


def echo() -> Recipe:
    sources = sorted((HERE / "echo").glob("*.py"))
    client = (HERE / "echo" / "call.py").read_bytes()
    return Recipe(
        "space-cloud-test/echo",
        (
            *python(),
            *(Copied(f"/app/{source.name}", source) for source in sources),
            Written("/usr/bin/call", client, 0o755),
        ),
        entrypoint=(PYTHON_PATH, "-u"),
        command=("/app/app.py",),
        environment=("PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8"),
        labels=LABELS,
    )


def grpc_echo() -> Recipe:
    """With the grpcio of this environment, which fits if both Pythons are the same version."""
    here = HERE / "grpc_echo"
    client = (here / "call.py").read_bytes()
    return Recipe(
        "space-cloud-test/grpc",
        (
            *python(),
            *_package("grpcio"),
            *_package("typing-extensions"),
            Copied("/app/app.py", here / "app.py"),
            Written("/usr/bin/call-grpc", client, 0o755),
        ),
        entrypoint=(PYTHON_PATH, "-u"),
        command=("/app/app.py",),
        environment=("PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=/packages"),
        labels=LABELS,
    )


def _package(name: str) -> Iterator[Entry]:
    loader = loader_of(Path(PYTHON_PATH).resolve())
    for file in metadata.files(name) or ():
        source = Path(str(file.locate()))
        if source.suffix in (".py", ".so"):
            yield Copied(f"/packages/{file}", source)
        if source.suffix == ".so" and loader is not None:
            yield from libraries(source, loader)


def caller(library: str, compiler: str, *options: str) -> Recipe:
    binary = _compiled(library, (compiler, "-O1", "-Wall", "-Werror", *options))
    return Recipe(
        f"space-cloud-test/caller-{library}",
        (*program(binary, "/usr/bin/caller"), *_lookups(binary), *nobody()),
        entrypoint=("/usr/bin/caller",),
        environment=("PATH=/usr/bin:/bin",),
        labels=LABELS,
    )


def _lookups(binary: Path) -> tuple[Entry, ...]:
    loader = loader_of(binary)
    return () if loader is None else loaded_by_name(binary, loader)


def _compiled(library: str, command: tuple[str, ...]) -> Path:
    """The program, compiled once per source and command."""
    source = HERE / "caller" / "caller.c"
    key = hashlib.sha256(source.read_bytes() + repr(command).encode()).hexdigest()[:12]
    binary = COMPILED / f"caller-{library}-{key}"
    if not binary.exists():
        if shutil.which(command[0]) is None:
            raise Terminal(ProgramUnusable(f"{command[0]} is not installed", "make test-images"))
        COMPILED.mkdir(mode=0o755, exist_ok=True)
        temporary = binary.with_suffix(".new")
        subprocess.run([*command, "-o", str(temporary), str(source)], check=True)
        temporary.rename(binary)
    return binary


if __name__ == "__main__":
    for _name, _reference in ensure_test_images().items():
        print(f"{_name:12} {_reference}")
