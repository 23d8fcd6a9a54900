"""Two runs on one machine take turns at what has fixed ports and pools."""

from collections.abc import Iterator

import pytest

from lanes import take_turn

FIXED = ("test_docker_", "test_envoy_", "test_host_", "test_images", "test_resolver_")
"""The rest runs in its own process, or on ports that the kernel chooses."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Before the time limit of the test begins to count."""
    if item.path.name.startswith(FIXED):
        take_turn("integration")
    return (yield)
