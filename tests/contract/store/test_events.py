"""What people are told."""

from datetime import timedelta

from spacecloud.model.declared import Event
from spacecloud.store.port import Store
from store_bench import NOW


def an_event(message: str, *, service: str = "api", minute: int = 0, kind: str = "Said") -> Event:
    return Event(NOW + timedelta(minutes=minute), "shop", service, kind, message)


async def test_events_are_listed_newest_first_and_filtered(store: Store) -> None:
    for minute, (service, message) in enumerate([("api", "a"), ("web", "b"), ("api", "c")]):
        await store.add_event(an_event(message, service=service, minute=minute))

    assert [e.message for e in await store.events()] == ["c", "b", "a"]
    assert [e.message for e in await store.events("shop", "api")] == ["c", "a"]
    assert [e.message for e in await store.events("shop", limit=2)] == ["c", "b"]
    assert await store.events("bank") == []


async def test_an_event_that_repeats_the_services_last_one_is_counted(store: Store) -> None:
    for minute, (service, message) in enumerate(
        [("api", "a"), ("api", "a"), ("web", "x"), ("api", "a"), ("api", "b"), ("api", "a")]
    ):
        await store.add_event(an_event(message, service=service, minute=minute))

    events = await store.events("shop", "api")

    assert [(e.message, e.count) for e in events] == [("a", 1), ("b", 1), ("a", 3)]
    assert events[2].at == NOW + timedelta(minutes=3)
