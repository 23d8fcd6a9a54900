"""
An older release runs ten services; this one takes its installation over while they are called.

    UPGRADE_FROM=folder   where the older release's ``space-cloud`` is; without it nothing is run

``make test-upgrade`` makes that folder from the history of this checkout.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.conftest import nothing_is_left
from e2e.installation import BIN, Installation
from e2e.machine import output
from e2e.stage import Stage
from eventually import wait_until
from load import Load
from spacecloud.drivers.docker import labels

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PROJECT = "older"
SERVICES = [f"s{number}" for number in range(10)]
PLACE = 8
LOOKED_AFTER_SECONDS = 12
"""Of the newer release: two looks at everything, and a replacement would be under way."""


@pytest.fixture(scope="module")
def older() -> Path:
    if not (found := os.environ.get("UPGRADE_FROM")):
        pytest.skip("make test-upgrade says what an upgrade begins with")
    return Path(found)


@pytest.fixture(scope="module")
def stage(
    older: Path, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    stage = Stage(Installation(tmp_path_factory.mktemp("upgrade"), PLACE, programs=older), images)
    try:
        stage.installation.program("space-cloud", "start", check=True)
        deploy(stage)
        yield stage
    finally:
        stage.installation.programs = BIN
        stage.installation.program("space-cloud", "stop")
        stage.installation.program("space-cloud", "destroy", "--purge", "--yes")
    wait_until(lambda: nothing_is_left(stage), within=30)


def deploy(stage: Stage) -> None:
    """Each with a variable of a secret, an ingress route, and a caller's name that it knows."""
    body = {"type": "env", "data": {"TOKEN": "a-value"}}
    answer = stage.user.request("POST", f"/v1/runner/{PROJECT}/secrets/conf", body)
    assert answer.status_code == 200, answer.text
    for service in SERVICES:
        apply(stage, service)
        stage.user.ingress(PROJECT, service, f"/{service}", service, rewrite="/")
    stage.user.wait_until_ready(PROJECT, *SERVICES, within=180)


def apply(stage: Stage, service: str) -> None:
    """As an older release takes it, which has no ``rollout``."""
    task = stage.user.task(service, secrets=["conf"])
    stage.user.apply(PROJECT, service, tasks=[task], rollout=None)


def containers(stage: Stage) -> list[str]:
    """With their ids and the moment they were started."""
    format = "{{.ID}} {{.Name}} {{.State.StartedAt}} {{.RestartCount}}"
    found = stage.machine.containers(f"project={PROJECT}")
    return sorted(output("docker", "inspect", "-f", format, *found).splitlines())


def test_nothing_is_replaced_and_no_request_is_lost(stage: Stage) -> None:
    before = containers(stage)
    loads = [Load(f"{stage.installation.url}/{service}", clients=1) for service in SERVICES]
    with ExitStack() as running:
        for load in loads:
            running.enter_context(load.running())
        time.sleep(1)
        stage.installation.program("space-cloud", "stop", check=True)
        stage.installation.programs = BIN
        stage.installation.program("space-cloud", "start", check=True)
        time.sleep(LOOKED_AFTER_SECONDS)

    lost = [loss for load in loads for loss in load.losses]
    print(f"{sum(len(load.answers) for load in loads)} requests, {len(lost)} lost")
    assert containers(stage) == before
    assert lost == []
    stage.user.log_in()
    stage.user.wait_until_ready(PROJECT, *SERVICES)


def test_the_same_documents_change_nothing(stage: Stage) -> None:
    before = containers(stage)

    for service in SERVICES:
        apply(stage, service)
    stage.user.wait_until_ready(PROJECT, *SERVICES)
    time.sleep(LOOKED_AFTER_SECONDS / 2)

    assert containers(stage) == before
    assert {stage.user.status(PROJECT, service)["revision"] for service in SERVICES} == {1}


def test_what_was_taken_over_is_found_in_order(stage: Stage) -> None:
    done = stage.installation.program("space-cloud", "doctor")

    assert done.returncode == 0, done.stdout + done.stderr
    gateway = labels.part_name(stage.installation.instance, "gateway")
    assert f"nothing scales: docker stop {gateway}" in done.stdout


def test_a_change_goes_through_without_a_loss(stage: Stage) -> None:
    load = Load(f"{stage.installation.url}/{SERVICES[0]}")
    with load.running():
        env = {"CHANGED": "1"}
        task = stage.user.task(SERVICES[0], secrets=["conf"], env=env)
        stage.user.apply(PROJECT, SERVICES[0], tasks=[task])
        stage.user.wait_until_ready(PROJECT, SERVICES[0])
        time.sleep(2)

    assert load.losses == []
    assert stage.user.status(PROJECT, SERVICES[0])["revision"] == 2
