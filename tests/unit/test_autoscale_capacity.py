"""What the memory of the machine holds."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_service, a_task
from spacecloud.autoscale.capacity import (
    MIB,
    Capacity,
    Starting,
    Wish,
    capacity,
    expected_bytes,
    reserve_bytes,
)
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scale import UNWRITTEN_MEMORY_BYTES, memory_request
from spacecloud.reasons.scaling import MemoryShort


def on_a_machine(free: int, starting: Iterable[Starting], wishes: Iterable[Wish]) -> Capacity:
    """With so many MiB beside the reserve."""
    total = 8192 * MIB
    available = free * MIB + reserve_bytes(total)
    return capacity(starting, wishes, total_bytes=total, available_bytes=available)


def wish(name: str, since: float, mib: int, slot: int = 0) -> Wish:
    return Wish(ServiceRef("shop", name, "v1"), slot, since, mib * MIB)


def test_the_oldest_wish_is_first_and_what_does_not_fit_says_so() -> None:
    old, large, small = wish("b", 1, 300), wish("a", 2, 500), wish("c", 3, 200)

    found = on_a_machine(512, [], [small, large, old])

    assert found.fits == (old, small)
    assert found.refused == {large: MemoryShort(500, 212)}


def test_the_first_replica_of_a_version_comes_before_a_further_one_of_another() -> None:
    further, first = wish("a", 1, 300, slot=1), replace(wish("b", 2, 300), is_first=True)

    found = on_a_machine(400, [], [further, first])

    assert found.fits == (first,)
    assert found.refused == {further: MemoryShort(300, 100)}


def test_what_starts_counts_with_what_it_is_still_to_need() -> None:
    starting = [Starting(300 * MIB, 100 * MIB), Starting(50 * MIB, 80 * MIB)]

    found = on_a_machine(512, starting, [wish("a", 1, 312), wish("b", 2, 1)])

    assert found.fits == (wish("a", 1, 312),)
    assert found.refused == {wish("b", 2, 1): MemoryShort(1, 0)}


def test_with_no_memory_left_nothing_starts_but_what_asks_for_nothing() -> None:
    found = on_a_machine(-50, [], [wish("a", 1, 1), wish("b", 2, 0)])

    assert found.fits == (wish("b", 2, 0),)
    assert found.refused == {wish("a", 1, 1): MemoryShort(1, 0)}


def test_where_nobody_knows_the_memory_all_fits() -> None:
    found = capacity([], [wish("a", 1, 9999)], total_bytes=0, available_bytes=0)

    assert found.fits == (wish("a", 1, 9999),)


def test_a_twentieth_is_kept_free_and_never_less_than_what_the_kernel_needs() -> None:
    assert reserve_bytes(100_000 * MIB) == 5000 * MIB
    assert reserve_bytes(1024 * MIB) == 128 * MIB


@pytest.mark.parametrize(
    ("request_mib", "measured", "expected"),
    [(512, None, 512), (512, 100, 125), (512, 500, 512), (0, 100, 125), (0, None, 0)],
)
def test_what_a_version_used_before_counts_more_than_what_it_asks_for(
    request_mib: int, measured: int | None, expected: int
) -> None:
    known = None if measured is None else measured * MIB

    assert expected_bytes(request_mib * MIB, known) == expected * MIB


def test_a_limit_that_nobody_wrote_is_no_request() -> None:
    written = a_service(tasks=[a_task(resources={"memory": 256})])
    both = a_service(tasks=[a_task(resources={"memory": 0}), a_task(id="side", ports=[])])

    assert memory_request(written) == 256 * MIB
    assert memory_request(both) == UNWRITTEN_MEMORY_BYTES


sizes = st.integers(0, 4000)
wishes = st.lists(
    st.builds(wish, st.sampled_from("abc"), st.integers(0, 5), sizes, st.integers(0, 9)),
    unique_by=lambda w: (w.ref, w.slot),
    max_size=12,
)


@given(st.integers(-100, 8000), wishes, sizes)
def test_what_starts_fits_and_the_order_of_the_question_means_nothing(
    free: int, asked: list[Wish], starting: int
) -> None:
    under_way = [Starting(starting * MIB)]
    found = on_a_machine(free, under_way, asked)

    total = sum(each.memory_bytes for each in found.fits) + starting * MIB
    assert total <= max(free * MIB, starting * MIB)
    assert {*found.fits, *found.refused} == {*asked}
    assert on_a_machine(free, under_way, reversed(asked)) == found
