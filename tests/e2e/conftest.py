"""One platform for all end-to-end tests; it is taken away again, and nothing may be left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.installation import Installation
from e2e.stage import Stage
from eventually import wait_until


@pytest.fixture(scope="session")
def stage(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from staged(tmp_path_factory.mktemp("e2e"), 1, images)


def staged(folder: Path, number: int, images: dict[str, str]) -> Iterator[Stage]:
    stage = Stage(Installation(folder, number), images)
    stage.installation.down()
    try:
        stage.installation.start()
        stage.user.log_in()
        yield stage
    finally:
        stage.installation.down()
    wait_until(lambda: nothing_is_left(stage), within=30)


def nothing_is_left(stage: Stage) -> None:
    """The engine takes a network's rules away after its bridge."""
    assert not stage.machine.left_behind()
