"""A control plane that is killed again and again, each time at another moment of its start."""

import contextlib
import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from e2e.stage import Stage
from e2e.supervised_installation import control_plane, installed
from eventually import wait_until

pytestmark = pytest.mark.docker


@pytest.fixture
def stage(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with installed(tmp_path_factory.mktemp("restarts"), 9, images) as stage:
        stage.user.apply("life", "web")
        stage.user.wait_until_ready("life", "web")
        yield stage


@pytest.mark.timeout(300)
def test_twenty_restarts_later_a_new_service_is_reached(stage: Stage) -> None:
    for _ in range(20):
        before = control_plane(stage)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda b=before: _is_another(stage, b), within=20)  # type: ignore[misc]
    wait_until(lambda: _answers(stage), within=20)

    stage.user.apply("life", "late")
    stage.user.wait_until_ready("life", "late")

    answer = stage.machine.call("life", "web", "http", "http://late:8080/")
    assert answer["ok"], answer


def _is_another(stage: Stage, before: int) -> None:
    with contextlib.suppress(IndexError):
        assert control_plane(stage) != before
        return
    raise AssertionError("it is being written")


def _answers(stage: Stage) -> None:
    try:
        assert stage.user.request("GET", "/v1/config/env").status_code == 200
    except httpx.HTTPError as error:
        raise AssertionError(repr(error)) from error
