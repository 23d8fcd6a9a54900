"""What an engine says of itself, from release to release."""

import pytest

from spacecloud.drivers.docker import releases


@pytest.mark.parametrize(
    ("version", "too_old"),
    [
        ("1.40", True),
        ("1.41", False),
        ("1.51", False),
        ("1.56", False),
        ("2.0", False),
        ("", False),
    ],
)
def test_an_engine_is_too_old_by_its_api(version: str, *, too_old: bool) -> None:
    assert releases.is_too_old({"ApiVersion": version}) is too_old


@pytest.mark.parametrize(
    ("info", "nftables"),
    [
        ({}, False),
        ({"FirewallBackend": None}, False),
        ({"FirewallBackend": {"Driver": "iptables"}}, False),
        ({"FirewallBackend": {"Driver": "iptables+firewalld"}}, False),
        ({"FirewallBackend": {"Driver": "nftables"}}, True),
        ({"FirewallBackend": {"Driver": "nftables+firewalld"}}, True),
    ],
)
def test_an_engine_that_sets_nftables_says_so(info: dict[str, object], *, nftables: bool) -> None:
    assert releases.sets_nftables(info) is nftables


@pytest.mark.parametrize(
    ("runc", "thaws"),
    [
        ("1.1.5+ds1", True),
        ("1.1.0", True),
        ("1.10.2", True),
        ("2.0.0-rc.1", True),
        ("1.0.3", False),
        ("1.0.0-rc93", False),
        ("1.1-rc", True),
        ("", False),
        ("a commit", False),
    ],
)
def test_runc_thaws_what_it_kills_from_its_release_1_1_on(runc: str, thaws: bool) -> None:
    parts = [{"Name": "Engine", "Version": "99.9.9"}, {"Name": "runc", "Version": runc}]

    assert releases.thaws_what_it_kills({"Components": parts}) is thaws
    assert not releases.thaws_what_it_kills({"Components": parts[:1]})
    assert not releases.thaws_what_it_kills({})
