"""Which addresses a service gets: the same as by trying all, in a time that does not grow so."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpu_and_memory_cost import processor_seconds
from spacecloud.errors import Conflict
from spacecloud.model.addresses import FIRST_BLOCK, Pools, next_subnet, next_vip

POOLS = Pools(subnets=IPv4Network("10.180.0.0/20"), subnet_prefix=25)


def first_block_by_trying_all(wanted: int, used: list[IPv4Network]) -> IPv4Network | None:
    while wanted >= 128:
        prefix = max(33 - wanted.bit_length(), POOLS.subnets.prefixlen)
        for candidate in POOLS.subnets.subnets(new_prefix=prefix):
            if not any(candidate.overlaps(other) for other in used):
                return candidate
        wanted //= 2
    return None


blocks = st.integers(20, 25).flatmap(
    lambda prefix: st.sampled_from(list(POOLS.subnets.subnets(new_prefix=prefix)))
)


@given(st.lists(blocks, max_size=8), st.lists(blocks, max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_block_is_the_first_aligned_one_that_overlaps_no_other(
    foreign: list[IPv4Network], ours: list[IPv4Network]
) -> None:
    full = {subnet for block in ours for subnet in block.subnets(new_prefix=25)}
    wanted = max((block.num_addresses * 2 for block in ours), default=FIRST_BLOCK * 128)
    expected = first_block_by_trying_all(wanted, [*ours, *foreign])

    try:
        subnet, block = next_subnet(POOLS, ours, foreign, full)
    except Conflict:
        assert expected is None
    else:
        assert block == expected
        assert block is not None
        assert subnet == next(block.subnets(new_prefix=25))


def test_the_first_free_subnet_of_a_block_is_taken_before_another_block() -> None:
    block = IPv4Network("10.180.2.0/24")
    taken = {IPv4Network("10.180.2.0/25")}

    assert next_subnet(POOLS, [block], [], taken) == (IPv4Network("10.180.2.128/25"), None)


@pytest.mark.attack
def test_a_pool_that_is_used_up_is_told_at_once() -> None:
    pools = Pools()
    blocks = list(pools.subnets.subnets(new_prefix=25))

    def refused() -> None:
        with pytest.raises(Conflict, match="is used up"):
            next_subnet(pools, blocks[:1000], blocks[1000:], set(blocks[:1000]))

    assert processor_seconds(refused) < 0.1


def test_a_virtual_ip_that_is_taken_is_passed_over() -> None:
    pools = Pools()
    first = IPv4Address(pools.first_vip)

    assert next_vip(pools, None, {first, first + 1}) == first + 2
