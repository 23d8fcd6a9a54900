"""One platform for all end-to-end tests; it is taken away again, and nothing may be left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.stage import Stage, left_behind
from spacecloud.settings import Settings


@pytest.fixture(scope="session")
def stage(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from staged(tmp_path_factory.mktemp("e2e"), 1, images)


def staged(folder: Path, number: int, images: dict[str, str]) -> Iterator[Stage]:
    stage = Stage(folder, number, images)
    stage.down()
    try:
        stage.start()
        yield stage
    finally:
        stage.down()
    settings = Settings(instance=stage.instance)
    assert not left_behind(stage.instance, settings.interface_prefix, settings.chain_prefix)
