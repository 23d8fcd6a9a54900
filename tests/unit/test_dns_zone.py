from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecloud.dns import zone
from spacecloud.model.addresses import Pools
from spacecloud.model.refs import DNS_LABEL, ServiceKey, ServiceRef

ids = st.from_regex(DNS_LABEL, fullmatch=True)
keys = st.builds(ServiceKey, ids, ids)
addresses = st.ip_addresses(v=4).map(str)
names = st.lists(
    st.tuples(
        st.builds(lambda project, service: ServiceKey(project, service).domain, ids, ids), addresses
    ),
    max_size=5,
    unique=True,
).map(lambda found: tuple(sorted(found)))


def test_a_file_has_a_line_per_name_as_in_etc_hosts() -> None:
    key, ref = ServiceKey("shop", "api"), ServiceRef("shop", "api", "1.4")

    text = zone.hosts_file(((ref.domain, "10.184.1.1"), (key.domain, "10.184.1.0")))

    assert text == (
        "10.184.1.1\tapi-1-4-internal.shop.svc.cluster.local\n"
        "10.184.1.0\tapi.shop.svc.cluster.local\n"
    )


@given(names)
def test_what_is_written_is_read_back(given: zone.Names) -> None:
    assert zone.read_hosts(zone.hosts_file(given)) == given


@given(names)
def test_every_line_holds_one_address_and_one_name(given: zone.Names) -> None:
    lines = zone.hosts_file(given).splitlines()

    assert len(lines) == len(given)
    for line in lines:
        address, domain = line.split()
        assert str(IPv4Address(address)) == address
        assert domain.endswith(".svc.cluster.local")


@given(keys)
def test_a_file_is_found_by_its_key_and_says_whose_it_is(key: ServiceKey) -> None:
    assert zone.key_of(zone.file_name(key)) == key


@given(keys, keys)
def test_two_services_never_share_a_file(one: ServiceKey, other: ServiceKey) -> None:
    assert (zone.file_name(one) == zone.file_name(other)) == (one == other)


@given(keys)
def test_the_resolver_skips_none_of_our_files(key: ServiceKey) -> None:
    """It passes over editors' files: ``.x``, ``x~`` and ``#x#``."""
    name = zone.file_name(key)

    assert not name.startswith((".", "#"))
    assert not name.endswith(("~", "#"))
    assert "/" not in name
    assert len(name) <= 255


@pytest.mark.parametrize("name", ["", "shop", "shop.", ".api", "shop.api.old", "shop.api~", "A.b"])
def test_a_file_that_is_nobody_s_has_no_key(name: str) -> None:
    assert zone.key_of(name) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("# nothing\n\n   \n", ()),
        ("10.1.1.1 a.b # the first\n", (("a.b", "10.1.1.1"),)),
        ("10.1.1.1\tb.c a.b", (("a.b", "10.1.1.1"), ("b.c", "10.1.1.1"))),
        ("10.1.1.1\n", ()),
    ],
)
def test_what_others_wrote_is_read_as_the_resolver_reads_it(text: str, found: zone.Names) -> None:
    assert zone.read_hosts(text) == found


def test_host_and_platform_have_names_in_the_platform_s_own_project() -> None:
    assert zone.platform_names(Pools()) == (
        ("host.space-cloud.svc.cluster.local", "10.184.0.11"),
        ("platform.space-cloud.svc.cluster.local", "10.184.0.12"),
    )
