"""Two runs on one machine take turns here: many of these tests have fixed ports and pools."""

from collections.abc import Iterator

import pytest

from lanes import take_turn


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Before the time limit of the test begins to count."""
    take_turn("integration")
    return (yield)
