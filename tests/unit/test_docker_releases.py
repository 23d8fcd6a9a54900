"""Sentences of engines that were seen: the same failure, said by different releases."""

import pytest

from spacecloud.drivers.docker import releases


@pytest.mark.parametrize(
    "words",
    [
        # 20.10.24 and 26.1.5
        "Error processing tar file(exit status 1): mkdir /etc/passwd/app: not a directory",
        # 28.5.1 and 29.8.1
        "open /etc/passwd/app/app.ini: not a directory",
    ],
)
def test_a_folder_that_cannot_be_is_told_from_a_disk_that_is_full(words: str) -> None:
    assert releases.says_no_such_folder(words)
    assert not releases.says_no_such_folder("write /run/app.ini: no space left on device")


@pytest.mark.parametrize(
    "words",
    [
        # 20.10.24
        "manifest for 127.0.0.1:5000/shop/web:2 not found: manifest unknown: manifest unknown",
        # 29.8.1
        'failed to resolve reference "127.0.0.1:5000/shop/web:2": 127.0.0.1:5000/shop/web:2: not found',
        "pull access denied for shop/web, repository does not exist or may require 'docker login'",
    ],
)
def test_an_image_that_is_not_there_is_told_from_a_layer_that_is_not(words: str) -> None:
    assert releases.says_no_such_image(words)
    assert not releases.says_no_such_layer(words)


@pytest.mark.parametrize(
    "words",
    [
        # 20.10.24, 26.1.5 and 28.5.1
        "unknown blob",
        # 29.8.1
        "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor "
        "sha256:6b86 (application/vnd.oci.image.layer.v1.tar) from remote: not found",
    ],
)
def test_a_layer_that_is_not_there_may_be_there_soon(words: str) -> None:
    assert releases.says_no_such_layer(words)
    assert not releases.says_no_such_image(words)


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
