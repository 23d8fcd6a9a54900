"""What replicas take while they work."""

from collections.abc import Iterable
from datetime import timedelta

from spacecloud.model.lease import Lease
from spacecloud.store.port import Store
from store_bench import API, NOW, WEB, a_service

SECOND = timedelta(seconds=1)


def by_replica(leases: Iterable[Lease]) -> list[Lease]:
    return sorted(leases, key=lambda lease: (lease.ref, lease.replica))


async def test_a_lease_is_there_until_it_is_given_back_or_its_version_goes(store: Store) -> None:
    await store.put_service(API, a_service())
    await store.put_service(WEB, a_service())
    until = NOW + timedelta(minutes=5)
    first, longer = Lease(API, "api--v1--0", until), Lease(API, "api--v1--0", until + SECOND)
    second, other = Lease(API, "api--v1--1", until), Lease(WEB, "web--v1--0", until)
    declared = await store.declared()

    taken = [await store.take_lease(lease) for lease in (first, second, other, longer)]
    held = await store.leases()
    await store.give_back_lease(API, "api--v1--1")
    await store.give_back_lease(API, "api--v1--7")
    left = await store.leases()
    is_untouched = await store.declared() is declared
    await store.put_service(API, a_service(labels={"a": "b"}))
    applied = await store.leases()
    await store.delete_service(API)
    await store.put_service(API, a_service())

    assert taken == [True] * 4
    assert by_replica(held) == by_replica([longer, second, other])
    assert by_replica(left) == by_replica(applied) == by_replica([longer, other])
    assert is_untouched
    assert await store.leases() == [other]


async def test_no_lease_is_taken_for_what_is_not_declared(store: Store) -> None:
    lease = Lease(API, "api--v1--0", NOW + SECOND)

    assert not await store.take_lease(lease)
    assert await store.leases() == []


async def test_leases_that_have_ended_go_when_the_next_is_taken(store: Store) -> None:
    await store.put_service(API, a_service())
    ended, lease = Lease(API, "api--v1--0", NOW), Lease(API, "api--v1--1", NOW + SECOND)

    await store.take_lease(ended)
    await store.take_lease(lease)

    assert await store.leases() == [lease]
