"""What the composition root decides by the settings alone."""

from typing import Literal

import pytest
from starlette.types import Receive, Scope, Send

from spacecloud.api.metrics import by_port
from spacecloud.server import facts
from spacecloud.settings import Settings


@pytest.mark.parametrize(("driver", "cluster_type"), [("docker", "docker"), ("memory", "none")])
def test_the_type_of_cluster_is_the_drivers(
    driver: Literal["docker", "memory"], cluster_type: str
) -> None:
    assert facts(Settings(driver=driver)).cluster_type == cluster_type


@pytest.mark.parametrize(
    ("server", "answers"),
    [
        (("/run/space-cloud/default/api.sock", None), "api"),
        (("127.0.0.1", 4123), "metrics"),
        (("127.0.0.1", 4122), "api"),
        (None, "api"),
    ],
)
async def test_metrics_are_told_on_their_own_port_alone(
    server: tuple[str, int | None] | None, answers: str
) -> None:
    asked = []

    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append("api")

    async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append("metrics")

    async def receive() -> dict[str, object]:
        raise AssertionError

    async def send(message: object) -> None:
        raise AssertionError

    await by_port(api, {4123: metrics, 0: metrics})({"server": server}, receive, send)

    assert asked == [answers]
