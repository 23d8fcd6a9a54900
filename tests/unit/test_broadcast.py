"""What happens is handed to all who listen, and none is waited for."""

from collections.abc import AsyncIterator

from spacecloud.broadcast import Broadcast


async def next_of(items: AsyncIterator[int], count: int) -> list[int]:
    return [await anext(items) for _ in range(count)]


async def test_everybody_gets_every_item_from_the_subscription_on() -> None:
    numbers: Broadcast[int] = Broadcast(10)
    numbers.send(0)
    first = numbers.subscribe()
    numbers.send(1)
    second = numbers.subscribe()
    numbers.send(2)

    assert await next_of(first, 2) == [1, 2]
    assert await next_of(second, 1) == [2]


async def test_of_a_slow_subscriber_the_oldest_items_are_dropped() -> None:
    numbers: Broadcast[int] = Broadcast(3)
    slow, quick = numbers.subscribe(), numbers.subscribe()
    heard = []

    for number in range(5):
        numbers.send(number)
        heard += await next_of(quick, 1)

    assert await next_of(slow, 3) == [2, 3, 4]
    assert heard == [0, 1, 2, 3, 4]


async def test_nothing_is_held_for_one_who_has_gone() -> None:
    numbers: Broadcast[int] = Broadcast(3)
    items = numbers.subscribe()
    numbers.send(1)
    await next_of(items, 1)

    await items.aclose()

    assert not numbers.is_heard
