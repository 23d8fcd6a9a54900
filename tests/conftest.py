"""What tests of several rings stand on."""

import pytest

from apps.images import ensure_test_images


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Name to reference in the engine."""
    return ensure_test_images()
