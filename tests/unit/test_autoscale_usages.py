"""CPU and memory of replicas, of counters that are read now and then."""

from dataclasses import dataclass

import pytest

from spacecloud.autoscale.usages import Usages

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Used:
    cpu_seconds: float
    memory_bytes: int


def usages(*looks: tuple[float, dict[str, tuple[float, int]]]) -> Usages:
    found = Usages()
    for at, replicas in looks:
        found.record(at, {id: Used(cpu, mib * MIB) for id, (cpu, mib) in replicas.items()})
    return found


def test_cpu_is_the_mean_of_what_each_replica_spent_between_two_looks() -> None:
    found = usages(
        (15, {"a": (100, 10), "b": (7, 30)}),
        (30, {"a": (103, 10), "b": (7, 30)}),
    )

    assert found.cpu_millicores(30) == pytest.approx(1000 * (3 + 0) / 15 / 2)
    assert found.memory_bytes(30) == pytest.approx(20 * MIB)


def test_the_mean_is_over_the_last_minute() -> None:
    found = usages(*((n * 15.0, {"a": (float(n * n), 10 * n)}) for n in range(9)))

    spent = [n * n - (n - 1) ** 2 for n in range(5, 9)]
    # To a second, which is what a window is made of.
    assert found.cpu_millicores(120) == pytest.approx(1000 * sum(spent) / 60, rel=0.02)
    assert found.memory_bytes(120) == pytest.approx(sum(range(50, 90, 10)) / 4 * MIB, rel=0.02)


def test_one_look_says_nothing_of_cpu() -> None:
    found = usages((15, {"a": (100, 10)}))

    assert found.cpu_millicores(15) is None
    assert found.memory_bytes(15) == 10 * MIB
    assert Usages().memory_bytes(15) is None


def test_a_replica_that_is_started_again_has_spent_what_its_counter_says() -> None:
    assert usages((0, {"a": (100, 1)}), (10, {"a": (1, 1)})).cpu_millicores(10) == 100


def test_of_a_replica_that_came_or_went_no_cpu_is_told() -> None:
    found = usages((0, {"a": (5, 1), "gone": (9, 1)}), (10, {"a": (6, 1), "new": (900, 1)}))

    assert found.cpu_millicores(10) == pytest.approx(100)


def test_what_is_not_later_or_too_long_ago_is_no_mean() -> None:
    found = usages((10, {"a": (5, 1)}), (10, {"a": (9, 99)}), (71, {"a": (90, 1)}))

    assert found.cpu_millicores(71) is None
    assert found.memory_bytes(71) == MIB


def test_without_a_look_in_the_last_minute_there_is_no_data() -> None:
    found = usages((0, {"a": (5, 1)}), (10, {"a": (6, 1)}))

    assert found.cpu_millicores(68.9) is not None
    assert found.cpu_millicores(70) is None
    assert found.memory_bytes(70) is None
