"""
What a service holds of the pools.

A store whose platform gives addresses by itself need not pass.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from spacecloud.errors import Conflict
from spacecloud.model.addresses import Addresses, GivenOut, Grant, PoolAllocator, Pools
from spacecloud.model.declared import DeclaredService
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.store.port import Store
from store_bench import API, POOLS, WEB, Opener, a_service, allocation_of


class Remembering(PoolAllocator):
    """What was asked, what was answered, and what it was told."""

    def __init__(self) -> None:
        super().__init__(POOLS)
        self.asked: list[tuple[str, Grant, GivenOut]] = []
        self.free: list[IPv4Address] = []
        """What it gave and was told is nobody's."""

        self.foreign: list[list[IPv4Network]] = []
        self.taken: list[list[IPv4Network]] = []
        """Of the subnets that it gave, those that it was told are somebody's."""

    def allocate(self, version: str, held: GivenOut) -> Grant:
        given = (vip for _, grant, _ in self.asked for vip in (grant.service.vip, grant.vip))
        self.free += [vip for vip in given if vip not in held.vips]
        # Held may be answered while the write goes on, and not later.
        self.foreign.append(list(held.foreign))
        subnets = dict.fromkeys(grant.service.subnet for _, grant, _ in self.asked)
        self.taken.append([subnet for subnet in subnets if subnet in held.subnets])
        grant = super().allocate(version, held)
        self.asked.append((version, grant, held))
        return grant


async def test_addresses_are_distinct_and_inside_their_pools(store: Store) -> None:
    refs = [ServiceRef("shop", f"s{n}", v) for n in range(20) for v in ("v1", "v2")]
    for ref in refs:
        await store.put_service(ref, a_service())

    allocations = (await store.declared()).addresses.services.values()

    subnets = [a.subnet for a in allocations]
    vips = [vip for a in allocations for vip in (a.vip, *a.versions.values())]
    assert len(set(subnets)) == 20
    assert all(net.subnet_of(POOLS.subnets) for net in subnets)
    assert len(set(vips)) == 60
    assert all(vip in POOLS.vips for vip in vips)


async def test_the_lowest_subnet_that_is_free_is_given_again(store: Store) -> None:
    refs = [ServiceRef("shop", f"s{n}", "v1") for n in range(20)]
    for ref in refs:
        await store.put_service(ref, a_service())
    before = (await store.declared()).addresses.services
    freed = [refs[n] for n in (7, 3, 12)]
    for ref in freed:
        await store.delete_service(ref)
        await store.release(ref.key)

    again = [ServiceRef("shop", f"t{n}", "v1") for n in range(4)]
    for ref in again:
        await store.put_service(ref, a_service())

    after = (await store.declared()).addresses.services
    lowest = sorted(before[ref.key].subnet for ref in freed)
    assert [after[ref.key].subnet for ref in again[:3]] == lowest
    assert after[again[3].key].subnet > max(a.subnet for a in before.values())


async def test_a_store_gives_out_what_its_allocator_says_and_tells_it_what_is_held(
    opener: Opener, tmp_path: Path
) -> None:
    allocator = Remembering()
    async with opener(tmp_path, allocator) as store:
        await store.put_service(API, a_service())
        await store.put_service(API, a_service(labels={"a": "b"}))
        await store.put_service(ServiceRef("bank", "bill", "v7"), a_service())
        await store.put_service(ServiceRef("shop", "api", "v2"), a_service())
        addresses = (await store.declared()).addresses

    first, bank, second = (grant for _, grant, _ in allocator.asked)
    asked = [(version, held.service) for version, _, held in allocator.asked]
    assert asked == [("v1", None), ("v7", None), ("v2", first.service)]
    held = allocator.asked[2][2]
    assert (held.blocks, allocator.foreign[2]) == ([first.block], [bank.block])
    assert allocator.taken[2] == [first.service.subnet, bank.service.subnet]
    assert allocator.free == []
    assert held.last_vip == bank.vip
    assert addresses.services == {API.key: second.service, ServiceKey("bank", "bill"): bank.service}
    assert addresses.blocks == {"bank": (bank.block,), "shop": (first.block,)}


async def test_every_subnet_is_in_a_block_of_its_own_project(store: Store) -> None:
    for n in range(20):
        await store.put_service(ServiceRef("shop", f"s{n}", "v1"), a_service())
        await store.put_service(ServiceRef("bank", f"s{n}", "v1"), a_service())

    addresses = (await store.declared()).addresses

    for key, allocation in addresses.services.items():
        owners = [
            project
            for project, blocks in addresses.blocks.items()
            if any(allocation.subnet.subnet_of(block) for block in blocks)
        ]
        assert owners == [key.project]


async def test_addresses_do_not_change_while_a_service_is_declared(store: Store) -> None:
    await store.put_service(API, a_service())
    before = await allocation_of(store, API.key)
    assert before is not None

    await store.put_service(API, a_service(labels={"a": "b"}))
    unchanged = await allocation_of(store, API.key)
    await store.put_service(ServiceRef("shop", "api", "v2"), a_service())

    after = await allocation_of(store, API.key)
    assert after is not None
    assert unchanged == before
    assert (after.subnet, after.vip) == (before.subnet, before.vip)
    assert after.versions.items() > before.versions.items()


async def test_a_deleted_service_holds_its_addresses_until_they_are_released(store: Store) -> None:
    await store.put_service(API, a_service())
    before = await allocation_of(store, API.key)
    assert before is not None

    await store.delete_service(API)
    leaving, held = await store.service(API.key), await allocation_of(store, API.key)
    await store.release(API.key)
    gone = await store.service(API.key)

    assert leaving == DeclaredService(API.key, ())
    assert held == replace(before, versions={})
    assert gone is None
    assert (await store.declared()).addresses == Addresses()


async def test_a_service_that_is_declared_again_before_release_keeps_its_addresses(
    store: Store,
) -> None:
    await store.put_service(API, a_service())
    before = await allocation_of(store, API.key)
    await store.delete_service(API)

    await store.put_service(API, a_service())
    await store.release(API.key)

    after, held = await store.service(API.key), await allocation_of(store, API.key)
    assert before is not None
    assert after is not None
    assert held is not None
    assert (held.subnet, held.vip) == (before.subnet, before.vip)
    assert len(after.versions) == 1


async def test_a_released_virtual_ip_is_not_the_next_one_given(store: Store) -> None:
    await store.put_service(API, a_service())
    old = await allocation_of(store, API.key)
    await store.delete_service(API)
    await store.release(API.key)

    await store.put_service(WEB, a_service())

    new = await allocation_of(store, WEB.key)
    assert old is not None
    assert new is not None
    assert {new.vip, *new.versions.values()}.isdisjoint({old.vip, *old.versions.values()})


async def test_a_used_up_pool_is_a_conflict_and_leaves_nothing_behind(
    opener: Opener, tmp_path: Path
) -> None:
    pools = Pools(IPv4Network("10.9.0.0/24"), 25, IPv4Network("10.8.0.0/16"))
    async with opener(tmp_path, PoolAllocator(pools)) as store:
        await store.put_service(API, a_service())
        await store.put_service(WEB, a_service())

        with pytest.raises(Conflict, match="used up"):
            await store.put_service(ServiceRef("shop", "third", "v1"), a_service())
        with pytest.raises(Conflict, match="used up"):
            await store.put_service(ServiceRef("bank", "third", "v1"), a_service())

        assert [p.id for p in await store.projects()] == ["shop"]
        assert len((await store.declared()).services) == 2
