"""How commands end where it is not plain: help, things that are not there, logs of one replica."""

from collections.abc import Generator
from pathlib import Path

import pytest

from running_plane import Plane, a_running_plane

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Generator[Plane]:
    with a_running_plane(tmp_path_factory.mktemp("plane")) as running:
        running.cli("apply", "-f", str(SHOP), "--wait=serving")
        yield running


def test_no_command_shows_the_help_and_calls_it_no_error(plane: Plane) -> None:
    for arguments in ((), ("accounts",)):
        done = plane.cli(*arguments)

        assert done.code == 2
        assert done.err.startswith("Usage: space-cli")
        assert "Commands:" in done.err


def test_a_project_that_does_not_exist_is_not_said_to_be_deleted(plane: Plane) -> None:
    done = plane.cli("delete", "project", "nope", "--yes")

    assert (done.code, done.out) == (3, "")
    assert done.err == "error: there is no project nope\n"


def test_the_followed_log_of_one_replica_is_that_replicas_alone(plane: Plane) -> None:
    done = plane.cli("logs", "api--v1--1", "-f")

    assert done.code == 0
    assert done.out.startswith("api--v1--1 of revision")
    assert len(done.out.splitlines()) == 1


def test_all_that_goes_with_its_project_is_said_to_go(plane: Plane) -> None:
    planned = plane.cli("plan", "--delete", "-f", str(SHOP))
    done = plane.cli("delete", "-f", str(SHOP), "--yes")

    assert "- service shop/api@v1 goes" in planned.out
    assert done.code == 0
    assert done.out.splitlines() == [
        "ingress-routes shop/web deleted",
        "service shop/web@v1 deleted",
        "service shop/api@v1 deleted",
        "service shop/cache@v1 deleted",
        "project shop deleted",
    ]
