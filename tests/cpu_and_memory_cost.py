"""What a piece of work costs per kB of its input, measured so that a busy machine does no harm."""

import time
import tracemalloc
from collections.abc import Callable

TRIES = 3
LONG_SECONDS = 0.3
"""What takes longer is measured once: it is no noise."""

SLACK_SECONDS = 0.05


def processor_seconds(work: Callable[[], object]) -> float:
    """Of this thread and not of the clock on the wall: the best of a few tries."""
    first = _once(work)
    return first if first > LONG_SECONDS else min(first, *(_once(work) for _ in range(TRIES - 1)))


def takes_less_than(seconds: float, work: Callable[[], object]) -> bool:
    """The best of a few tries does: no more are made than it takes to know."""
    return any(_once(work) < seconds for _ in range(TRIES))


def _once(work: Callable[[], object]) -> float:
    before = time.thread_time()
    work()
    return time.thread_time() - before


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_linear(small: Callable[[], object], large: Callable[[], object], factor: int) -> None:
    """``large`` has ``factor`` times the input: a square law would cost ``factor`` times more."""
    most = processor_seconds(small) * factor * 2.5 + SLACK_SECONDS

    assert takes_less_than(most, large), most
