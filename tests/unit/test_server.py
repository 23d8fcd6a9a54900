"""What the composition root decides by the settings alone."""

from typing import Literal

import pytest

from spacecloud.server import facts
from spacecloud.settings import Settings


@pytest.mark.parametrize(("driver", "told"), [("docker", "docker"), ("memory", "none")])
def test_the_type_of_cluster_is_the_drivers(driver: Literal["docker", "memory"], told: str) -> None:
    assert facts(Settings(driver=driver)).cluster_type == told
