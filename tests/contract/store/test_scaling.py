"""What was decided about replicas."""

from spacecloud.model.scaling import Scaling
from spacecloud.store.port import Store
from store_bench import API, NOW, a_service, the_only_version


async def test_what_was_decided_about_replicas_outlives_an_apply_and_goes_with_its_version(
    store: Store,
) -> None:
    asleep = Scaling(1, NOW, "frozen")
    await store.record_scaling(API, asleep)
    await store.put_service(API, a_service())
    never = (await the_only_version(store)).scaling

    await store.record_scaling(API, asleep)
    recorded = await the_only_version(store)
    await store.put_service(API, a_service(labels={"a": "b"}))
    applied = await the_only_version(store)
    await store.record_scaling(API, Scaling(3, NOW, pinned=applied.generation))
    pinned = await the_only_version(store)
    await store.delete_service(API)
    await store.put_service(API, a_service())

    assert never is None
    assert (recorded.scaling, applied.scaling) == (asleep, asleep)
    assert applied.generation > recorded.generation
    assert pinned.scaling == Scaling(3, NOW, pinned=applied.generation)
    assert (await the_only_version(store)).scaling is None


async def test_a_trial_is_skipped_of_one_generation_alone(store: Store) -> None:
    await store.put_service(API, a_service())
    tried = await the_only_version(store)
    await store.put_service(API, a_service(), "skipped")
    skipped = await the_only_version(store)
    await store.record_scaling(API, Scaling(1, NOW, "stopped"))
    decided = await the_only_version(store)
    await store.put_service(API, a_service())

    assert not tried.is_trial_skipped
    assert skipped.is_trial_skipped
    assert decided.is_trial_skipped
    assert not (await the_only_version(store)).is_trial_skipped
