"""The copy that documents are tried on."""

import time

import pytest

from spacecloud.errors import InvalidSpec
from spacecloud.model.envelope import Envelope
from spacecloud.model.kinds import kind_named
from spacecloud.model.scaling import Scaling
from spacecloud.reconcile.dry_run import dry_run
from spacecloud.store.port import Store
from store_bench import API, NOW, WEB, a_service, allocation_of, the_only_version


async def test_documents_are_tried_in_a_time_linear_to_how_many_they_are(store: Store) -> None:
    """3,000 services took 19 s: for each of them all others were read again."""
    kind = kind_named("service")
    assert kind is not None

    async def seconds(count: int) -> float:
        spec = a_service()
        envelopes = [
            Envelope(kind, {"project": "shop", "serviceId": f"s{n}", "version": "v1"}, spec, {})
            for n in range(count)
        ]
        before = time.process_time()
        async with store.copy() as copy:
            await dry_run(copy, envelopes, delete=False)
        return time.process_time() - before

    few = min([await seconds(100) for _ in range(3)])

    # As a square it would be 256 times as much.
    assert await seconds(1600) < 16 * 2.5 * few


async def test_a_copy_answers_as_the_store_would_and_leaves_no_trace(store: Store) -> None:
    await store.put_service(API, a_service())
    before = await store.declared()

    async with store.copy() as copy:
        await copy.put_service(WEB, a_service())
        tried = await copy.declared()
        with pytest.raises(InvalidSpec):
            await copy.put_service(WEB, a_service(task={"secrets": ["nope"]}))

    assert await store.declared() == before
    await store.put_service(WEB, a_service())
    assert await allocation_of(store, WEB.key) == tried.addresses.services[WEB.key]


async def test_a_copy_knows_what_was_decided_about_replicas(store: Store) -> None:
    await store.put_service(API, a_service())
    await store.record_scaling(API, Scaling(1, NOW, "stopped"))

    async with store.copy() as copy:
        tried = await the_only_version(copy)

    assert tried.scaling == Scaling(1, NOW, "stopped")
