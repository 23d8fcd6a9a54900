"""What the kernel says of a container's freezer, in folders as both versions of cgroups have them."""

from pathlib import Path

import pytest

from spacecloud.drivers.docker.pods.freezer import Freezer

ID = "4f1d09c2" * 8
V1 = f"7:freezer:/docker/{ID}\n4:memory:/docker/{ID}\n0::/\n"
V2 = f"0::/system.slice/docker-{ID}.scope/init\n"
OTHER = "7:freezer:/docker/another\n0::/user.slice\n"


def a_freezer(folder: Path, cgroup: str, file: str, content: str) -> tuple[Freezer, Path]:
    proc, path = folder / "proc" / "7", folder / "cgroup" / file
    proc.mkdir(parents=True)
    path.parent.mkdir(parents=True)
    (proc / "cgroup").write_text(cgroup)
    path.write_text(content)
    return Freezer(ID, 7, folder / "cgroup", folder / "proc"), path


@pytest.mark.parametrize(
    ("cgroup", "file", "frozen", "thawed"),
    [
        (V1, f"freezer/docker/{ID}/freezer.state", "FROZEN", "THAWED"),
        (V2, f"system.slice/docker-{ID}.scope/cgroup.freeze", "1", "0"),
    ],
    ids=["v1", "v2"],
)
def test_a_container_is_frozen_and_thawed_in_its_own_cgroup(
    tmp_path: Path, cgroup: str, file: str, frozen: str, thawed: str
) -> None:
    freezer, path = a_freezer(tmp_path, cgroup, file, f"{thawed}\n")

    before, done = freezer.state(), freezer.freeze()
    between, written = freezer.state(), path.read_text()

    assert (before, done, between, written) == ("running", True, "frozen", frozen)
    assert (freezer.thaw(), path.read_text()) == (True, thawed)


@pytest.mark.parametrize(
    ("cgroup", "file", "content", "whole"),
    [
        (V1, f"freezer/docker/{ID}/freezer.state", "FREEZING\n", False),
        (V1, f"freezer/docker/{ID}/freezer.state", "FROZEN\n", True),
        (V2, f"system.slice/docker-{ID}.scope/cgroup.events", "populated 1\nfrozen 0\n", False),
        (V2, f"system.slice/docker-{ID}.scope/cgroup.events", "populated 1\nfrozen 1\n", True),
    ],
)
def test_it_is_frozen_when_all_of_it_is(
    tmp_path: Path, cgroup: str, file: str, content: str, whole: bool
) -> None:
    freezer, _ = a_freezer(tmp_path, cgroup, file, content)

    assert freezer.is_whole() is whole


def test_what_is_about_to_freeze_counts_as_frozen(tmp_path: Path) -> None:
    freezer, _ = a_freezer(tmp_path, V1, f"freezer/docker/{ID}/freezer.state", "FREEZING\n")

    assert freezer.state() == "frozen"


@pytest.mark.parametrize("cgroup", [OTHER, "", "no cgroup"])
def test_nothing_is_known_and_nothing_done_to_what_is_not_the_container(
    tmp_path: Path, cgroup: str
) -> None:
    freezer, path = a_freezer(tmp_path, cgroup, "freezer/docker/another/freezer.state", "THAWED\n")

    assert (freezer.state(), freezer.freeze(), freezer.thaw()) == ("unknown", False, False)
    assert path.read_text() == "THAWED\n"


def test_one_that_has_ended_is_unknown(tmp_path: Path) -> None:
    assert Freezer(ID, 7, tmp_path, tmp_path).state() == "unknown"
