"""
The shop's images, from files of this machine: its Python, its redis-server, and the apps here.

    python examples/shop/build.py

Nothing is downloaded. An image whose files are as they were is not built again.
"""

import asyncio
import sys
import time
from pathlib import Path

from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.images.binaries import program
from spacecloud.drivers.docker.images.ensure import ensure_recipe
from spacecloud.drivers.docker.images.interpreter import PYTHON_PATH, nobody, python
from spacecloud.drivers.docker.images.recipe import Copied, Recipe
from spacecloud.errors import SpaceCloudError, Terminal
from spacecloud.settings import Settings

HERE = Path(__file__).parent
TAG = "1"
NOBODY = "65534:65534"
LABELS = {"space-cloud.image": "example"}

REDIS = Path("/usr/bin/redis-check-rdb")
"""One program under several names: called ``redis-server`` it is the server."""


def recipes() -> tuple[Recipe, ...]:
    return (app("web"), app("api"), app("stats"), cache())


def app(name: str) -> Recipe:
    """A Python program of the standard library."""
    sources = sorted(path for path in (HERE / name).iterdir() if path.is_file())
    return Recipe(
        f"space-cloud-example/{name}",
        (*python(), *(Copied(f"/app/{source.name}", source) for source in sources)),
        entrypoint=(PYTHON_PATH, "-u", "/app/app.py"),
        user=NOBODY,
        environment=("PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8"),
        labels=LABELS,
    )


def cache() -> Recipe:
    """Redis, all in memory."""
    if not REDIS.exists():
        raise Terminal(
            f"{REDIS} is not installed and the cache is made of it; "
            "run: apt-get install redis-tools"
        )
    return Recipe(
        "space-cloud-example/cache",
        (*program(REDIS, "/usr/bin/redis-server"), *nobody()),
        entrypoint=("/usr/bin/redis-server",),
        command=("--port", "6379", "--protected-mode", "no", "--save", "", "--appendonly", "no"),
        user=NOBODY,
        labels=LABELS,
    )


async def build() -> None:
    async with connect(Settings().docker_host) as engine:
        for recipe in recipes():
            started = time.monotonic()
            image = await ensure_recipe(engine, recipe)
            await engine.post(f"images/{image}/tag", repo=recipe.repository, tag=TAG)
            seconds = time.monotonic() - started
            name = f"{recipe.repository}:{TAG}"
            print(f"{name:30} {image[7:19]}  {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(build())
    except SpaceCloudError as error:
        sys.exit(f"error: {error}")
