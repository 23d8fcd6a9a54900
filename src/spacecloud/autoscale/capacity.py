"""
Does the memory of the machine hold what is to start? Pure.

| counted                             | as                                                        |
|-------------------------------------|-----------------------------------------------------------|
| a replica that runs, frozen or not  | its measured working set                                  |
| one that starts                     | the more of what it has, and what it is expected to need  |
| everything else on the machine      | what is not available and not of these                    |
| the reserve                         | nobody's                                                  |

CPU never refuses: it is a weight, and all get slower together. The first replica of a version
comes before a further one of a version that answers; of the same kind who asked first starts first.
Who does not fit waits, and holds up nobody who fits: a small one behind a large one starts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spacecloud.model.refs import ServiceRef
from spacecloud.reasons.scaling import MemoryShort

MIB = 1 << 20
GROWTH_SHARE = 0.25
RESERVE_SHARE = 0.05
LEAST_RESERVE_BYTES = 128 * MIB
"""For the kernel's own needs, and for the time until the next look."""


@dataclass(frozen=True, slots=True)
class Wish:
    """For one more replica."""

    ref: ServiceRef
    slot: int
    since: float
    """When it was wished for, on a clock that only goes forward."""

    memory_bytes: int
    """What it is expected to need; 0: nothing is kept free for it."""

    is_first: bool = False
    """Nothing of its version runs: who calls it waits for it."""


@dataclass(frozen=True, slots=True)
class Starting:
    """It has been begun, and does not use yet what it will."""

    memory_bytes: int
    working_set_bytes: int = 0

    @property
    def still_to_come(self) -> int:
        return max(0, self.memory_bytes - self.working_set_bytes)


def expected_bytes(request: int, measured: int | None) -> int:
    """
    By what it asks for, or by what the last replica of the version has used: that with a margin,
    and never more than what it asks for.
    """
    if measured is None:
        return request
    with_margin = int(measured * (1 + GROWTH_SHARE))
    return min(with_margin, request) if request else with_margin


@dataclass(frozen=True, slots=True)
class Capacity:
    fits: tuple[Wish, ...]
    """In the order in which they are to start."""

    refused: Mapping[Wish, MemoryShort]


def capacity(
    starting: Iterable[Starting],
    wishes: Iterable[Wish],
    *,
    total_bytes: int,
    available_bytes: int,
) -> Capacity:
    """
    ``available_bytes``: what can be had without swapping, as the kernel estimates it
    (``MemAvailable``): what runs is counted in it, with its working set.

    A wish for nothing always fits, as does any where nobody knows the machine's memory (0).
    """
    free = available_bytes - reserve_bytes(total_bytes)
    free -= sum(each.still_to_come for each in starting)
    fits, refused = list[Wish](), dict[Wish, MemoryShort]()
    for wish in sorted(wishes, key=lambda w: (not w.is_first, w.since, w.ref, w.slot)):
        if total_bytes and wish.memory_bytes > max(0, free):
            refused[wish] = MemoryShort(_mib(wish.memory_bytes), _mib(max(0, free)))
            continue
        fits.append(wish)
        free -= wish.memory_bytes
    return Capacity(tuple(fits), refused)


def reserve_bytes(total_bytes: int) -> int:
    return max(LEAST_RESERVE_BYTES, int(total_bytes * RESERVE_SHARE))


def _mib(amount: int) -> int:
    return amount // MIB
