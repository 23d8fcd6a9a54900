"""A session of the chaos tests ends in time, and tells what it did not run."""

import os
import time
from collections.abc import Iterator

import pytest

from chaos.results import say
from chaos.sampling import Sampling, sampling_of

SAMPLING = sampling_of(os.environ, time.monotonic())
NOT_RUN = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def sampling(request: pytest.FixtureRequest) -> Sampling:
    return SAMPLING


@pytest.fixture
def not_run(request: pytest.FixtureRequest) -> list[str]:
    """What a test leaves out since the time is over; told at the end, and no success."""
    return request.config.stash[NOT_RUN]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = []
    if SAMPLING.sample is not None:
        say(f"{SAMPLING.sample} random cases: SAMPLE={SAMPLING.sample} SEED={SAMPLING.seed}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if SAMPLING.sample is None:
        return
    others = [item for item in items if item.get_closest_marker("sweep") is None]
    items[:] = [item for item in items if item.get_closest_marker("sweep") is not None]
    config.hook.pytest_deselected(items=others)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if time.monotonic() > SAMPLING.ends_at:
        item.config.stash[NOT_RUN].append(item.nodeid)
        item.add_marker(pytest.mark.skip(reason="the session's time is over"))
    return (yield)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if missed := config.stash[NOT_RUN]:
        terminalreporter.section("not run: the session's time was over")
        for line in missed:
            terminalreporter.line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[NOT_RUN] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.INTERRUPTED
