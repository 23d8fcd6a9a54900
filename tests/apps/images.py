"""
Images of the tests' apps, built from local files and built once.

| image         | what it is                                                                 |
|---------------|----------------------------------------------------------------------------|
| echo          | ``echo/app.py``; inside a running one, ``call`` is a client (``call.py``)  |
| caller-musl   | ``caller/caller.c``, static, musl: resolves and calls like Alpine's apps   |
| caller-glibc  | the same, dynamic, glibc: resolves and calls like Debian's apps            |
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiodocker

from spacecloud.drivers.docker.images.ensure import ensure_recipe
from spacecloud.drivers.docker.images.interpreter import PYTHON_PATH, python
from spacecloud.drivers.docker.images.recipe import Copied, Recipe, Written

_HERE = Path(__file__).parent
_LABELS = {"space-cloud.image": "test"}


def ensure_test_images() -> dict[str, str]:
    """Name to image reference; callable from inside an event loop too."""
    recipes = {"echo": _echo()}
    with ThreadPoolExecutor(1) as aside:
        aside.submit(lambda: asyncio.run(_ensure(recipes.values()))).result()
    return {name: recipe.reference() for name, recipe in recipes.items()}


async def _ensure(recipes) -> None:
    async with aiodocker.Docker() as docker:
        for recipe in recipes:
            await ensure_recipe(docker, recipe)


def _echo() -> Recipe:
    sources = sorted((_HERE / "echo").glob("*.py"))
    client = (_HERE / "echo" / "call.py").read_bytes()
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
        labels=_LABELS,
    )


if __name__ == "__main__":
    for _name, _reference in ensure_test_images().items():
        print(f"{_name:12} {_reference}")
