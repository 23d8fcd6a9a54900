"""A gateway that an earlier release made tells no load, and the doctor says what to do."""

import pytest

from spacecloud.drivers.docker.doctor.checks import load_reports
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.gateway.bootstrap import arguments
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.settings import Settings


@pytest.mark.parametrize(("heap_bytes", "fine"), [(1 << 30, True), (None, False)])
def test_a_gateway_without_load_reports_is_named_with_the_fix(
    heap_bytes: int | None, *, fine: bool
) -> None:
    settings = Settings()
    run = RunDirectory(settings.run_dir)
    started_with = arguments(networking_of(settings), run, 60, "info", heap_bytes)

    check = load_reports("space-cloud-gateway", started_with)

    assert check.ok
    assert ("nothing scales" in check.message) is not fine
    assert ("docker stop space-cloud-gateway" in check.message) is not fine
