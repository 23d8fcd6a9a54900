"""
The image of the chain, from files of this machine: its Python and ``app.py``.

    python examples/sleepy/build.py

Nothing is downloaded. An image whose files are as they were is not built again.
"""

import asyncio
import sys
from pathlib import Path

from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.images.ensure import ensure_recipe
from spacecloud.drivers.docker.images.interpreter import PYTHON_PATH, python
from spacecloud.drivers.docker.images.recipe import Copied, Recipe
from spacecloud.errors import SpaceCloudError
from spacecloud.settings import Settings

RECIPE = Recipe(
    "space-cloud-example/sleepy",
    (*python(), Copied("/app/app.py", Path(__file__).parent / "app.py")),
    entrypoint=(PYTHON_PATH, "-u", "/app/app.py"),
    user="65534:65534",
    environment=("PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8"),
    labels={"space-cloud.image": "example"},
)


async def build() -> None:
    async with connect(Settings().docker_host) as engine:
        image = await ensure_recipe(engine, RECIPE)
        await engine.post(f"images/{image}/tag", repo=RECIPE.repository, tag="1")
        print(f"{RECIPE.repository}:1  {image[7:19]}", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(build())
    except SpaceCloudError as error:
        sys.exit(f"error: {error}")
