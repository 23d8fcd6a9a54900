"""Waiting for the world: what is not there yet is asked again, what is wrong is told at once."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from eventually import Wait, eventually, next_line, stays, wait_until

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


async def test_what_is_to_stay_is_looked_at_all_the_while() -> None:
    there = World(asserts, 1)
    wait = Wait(10)

    await stays(there.check_in_a_loop, 0.05, every=0.001)
    await stays(there.check, 0.01, every=0.001)

    assert wait.seconds >= 0.06
    assert there.looks > 3


async def test_what_does_not_stay_is_told_at_once() -> None:
    looks = itertools.count()

    def goes() -> None:
        assert next(looks) < 3

    with pytest.raises(AssertionError):
        await stays(goes, 30, every=0)

    assert next(looks) == 4


def test_a_process_that_says_nothing_in_time_is_killed() -> None:
    with a_process("input()") as silent:
        with pytest.raises(TimeoutError):
            next_line(silent, within=0.1)

        assert silent.wait(30) == -signal.SIGKILL


def test_the_next_line_of_a_process_is_read_of_either_stream() -> None:
    with a_process("import sys; print('out'); print('err', file=sys.stderr)") as process:
        assert next_line(process) == "out\n"
        assert next_line(process, process.stderr) == "err\n"


def a_process(code: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
