"""Names that others chose, in the engine's paths: they mean themselves and nothing else."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from docker_objects import DOCKER_HOST
from eventually import eventually
from spacecloud.drivers.docker.engine import connect, quoted
from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.pods.workloads import DockerWorkloads
from spacecloud.errors import Terminal, Transient
from spacecloud.model.refs import ServiceRef
from spacecloud.settings import Settings
from spacecloud.workloads.operations import PullImage

pytestmark = [pytest.mark.docker, pytest.mark.attack]

HOSTILE = (
    "../info?x=",
    "../version?x=",
    "../containers/json?x=",
    "../networks/bridge?x=",
    "../events?x=",
    "x%2fy:1",
    "MyApp:1",
    ":",
    "a@sha256:zz",
    "a" * 500,
    "a\x00b",
    "café",
)


async def no_values(project: str, secret: str, version: int | None = None) -> Mapping[str, str]:
    return {}


@pytest.fixture
async def workloads(tmp_path: Path) -> AsyncIterator[DockerWorkloads]:
    settings = Settings(instance="names-test", state=tmp_path)
    async with connect(DOCKER_HOST) as engine:
        yield DockerWorkloads(
            engine, settings, networking_of(settings), no_values, lambda: datetime.now(UTC)
        )


async def test_what_is_no_reference_is_no_image_and_cannot_be_pulled(
    workloads: DockerWorkloads,
) -> None:
    """As an earlier release may have accepted it."""
    assert await workloads.images(HOSTILE) == dict.fromkeys(HOSTILE)
    async with workloads.run():
        for image in HOSTILE:
            pull = PullImage(ServiceRef("shop", "api", "v1"), image, "", 1)
            await workloads.execute(pull)
            await eventually(partial(has_failed, workloads, pull))


def has_failed(workloads: DockerWorkloads, pull: PullImage) -> None:
    pulls = {seen.op: seen for seen in workloads.pulls(pull.ref.key)}
    assert pulls[pull].state == "failed"
    reason = str(pulls[pull].reason)
    assert "cannot be pulled" in reason
    assert reason.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_is_no_query_no_escape_and_no_way_up(name: str) -> None:
    async with connect(DOCKER_HOST) as engine:
        try:
            assert await engine.find(f"images/{name}/json") is None
        except EngineError as error:
            assert isinstance(meaning("look", error), Terminal)
        except Terminal as error:
            assert "does not name anything" in str(error)


def test_paths_of_ours_stay_as_they_are() -> None:
    assert quoted("images/ghcr.io/a/b:1@sha256:12/json") == "images/ghcr.io/a/b:1@sha256:12/json"
    assert quoted("images/a?b#c%2e\n/json") == "images/a%3Fb%23c%252e%0A/json"


@pytest.mark.parametrize("status", [400, 401, 405, 413, 422])
def test_a_refusal_of_the_request_is_final(status: int) -> None:
    assert isinstance(meaning("do it", EngineError(status, "no")), Terminal)


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503])
def test_a_refusal_that_time_may_change_is_not(status: int) -> None:
    assert isinstance(meaning("do it", EngineError(status, "no")), Transient)
