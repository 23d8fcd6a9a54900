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
