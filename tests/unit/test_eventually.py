"""Waiting for the world: what is not there yet is asked again, what is wrong is told at once."""

from collections.abc import Callable

import pytest

from eventually import eventually, wait_until

Look = Callable[[list[int]], object]


def asserts(found: list[int]) -> None:
    assert len(found) == 1


def unpacks(found: list[int]) -> None:
    (_,) = found


def takes_the_first(found: list[int]) -> int:
    return found[0]


def looks_up(found: list[int]) -> int:
    return dict.fromkeys(found, 0)[7]


LOOKS = (asserts, unpacks, takes_the_first, looks_up)


class World:
    """There is something from the third look on, or never."""

    def __init__(self, look: Look, from_look: float = 3) -> None:
        self.looks = 0
        self._look = look
        self._from_look = from_look

    def check(self) -> None:
        self.looks += 1
        self._look([7] if self.looks >= self._from_look else [])

    async def check_in_a_loop(self) -> None:
        self.check()


@pytest.mark.parametrize("look", LOOKS)
async def test_what_is_not_there_yet_is_looked_for_again(look: Look) -> None:
    in_loop, called, in_thread = World(look), World(look), World(look)

    await eventually(in_loop.check_in_a_loop, every=0)
    await eventually(called.check, every=0)
    wait_until(in_thread.check, every=0)

    assert (in_loop.looks, called.looks, in_thread.looks) == (3, 3, 3)


@pytest.mark.parametrize(
    ("look", "error"),
    [*zip(LOOKS, (AssertionError, ValueError, IndexError, KeyError), strict=True)],
)
async def test_when_time_is_over_the_last_error_is_raised(
    look: Look, error: type[Exception]
) -> None:
    never = World(look, float("inf"))

    with pytest.raises(error):
        await eventually(never.check_in_a_loop, within=0.01, every=0.001)
    with pytest.raises(error):
        wait_until(never.check, within=0.01, every=0.001)

    assert never.looks > 2


async def test_what_is_wrong_in_a_check_is_told_at_once() -> None:
    def wrong(_: list[int]) -> None:
        raise TypeError("wrong")

    world = World(wrong)

    with pytest.raises(TypeError):
        await eventually(world.check, every=0)
    with pytest.raises(TypeError):
        wait_until(world.check, every=0)

    assert world.looks == 2
