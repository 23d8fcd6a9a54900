"""Pools of test installations: apart from each other, and from what is on the machine."""

from ipaddress import IPv4Network

import pytest

from lanes import LANES, pools

PLACES = [lane * 10 + number for lane in range(LANES) for number in range(1, 10)]


def test_two_places_never_share_an_address_whatever_is_taken() -> None:
    everything = [IPv4Network(f"10.{octet}.0.0/16") for octet in range(256)]
    given: dict[IPv4Network, int] = {}
    for place in PLACES:
        taken: list[IPv4Network] = []
        while len(taken) < len(everything):
            try:
                subnets, addresses = pools(place, taken)
            except RuntimeError:
                break
            assert not subnets.overlaps(addresses)
            whole = subnets.supernet(new_prefix=16)
            assert addresses.subnet_of(whole)
            assert given.setdefault(whole, place) == place
            taken.append(whole)
        assert taken, f"{place} has no pool at all"


def test_pools_give_way_to_a_network_that_is_there() -> None:
    (first, _), there = pools(7, ()), IPv4Network("10.207.3.0/24")
    assert first.overlaps(there)

    subnets, addresses = pools(7, [there])

    assert not subnets.overlaps(there)
    assert not addresses.overlaps(there)


def test_where_everything_is_taken_it_is_said() -> None:
    with pytest.raises(RuntimeError, match="is taken"):
        pools(7, [IPv4Network("10.0.0.0/8")])
