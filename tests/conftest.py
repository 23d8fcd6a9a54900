"""What tests of several rings stand on."""

import pytest
from hypothesis import settings

from apps.images import ensure_test_images

settings.register_profile("busy", deadline=None)
"""A machine that does other work takes its time; a test that hangs is ended by its own limit."""

settings.load_profile("busy")


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Name to reference in the engine."""
    return ensure_test_images()
