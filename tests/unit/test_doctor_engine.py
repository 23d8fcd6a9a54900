"""What the doctor says of an engine that is in order."""

from pathlib import Path

import pytest

from spacecloud.drivers.docker.doctor.checks import engine_summary


def an_engine(runc: str) -> dict[str, object]:
    parts = [{"Name": "runc", "Version": runc}]
    return {"Version": "20.10.24", "ApiVersion": "1.41", "Components": parts}


@pytest.mark.parametrize(
    ("runc", "hierarchy", "later"),
    [("1.0.3", "v1", True), ("1.1.5+ds1", "v1", False), ("1.0.3", "v2", False)],
)
def test_an_engine_that_has_to_freeze_by_itself_is_named(
    tmp_path: Path, runc: str, hierarchy: str, *, later: bool
) -> None:
    if hierarchy == "v2":
        (tmp_path / "cgroup.controllers").touch()

    said = engine_summary({"InitBinary": "docker-init"}, an_engine(runc), tmp_path)

    assert said.startswith("20.10.24 (API 1.41)")
    assert ("wakes some 10 ms later" in said) is later
