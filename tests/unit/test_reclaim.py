"""A frozen container's memory goes to swap, where the machine can do that."""

import asyncio
import errno
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from eventually import BUSY, eventually
from spacecloud.drivers.docker.doctor.checks import reclaims
from spacecloud.drivers.docker.pods.reclaim import BIT_BYTES, Reclaim, Reclaims, why_not
from spacecloud.drivers.driver import Check
from spacecloud.settings import Settings

CONTAINER, PID = "ab" * 32, 4242
PATH = f"system.slice/docker-{CONTAINER}.scope"


@dataclass
class Machine:
    """With cgroup v2, swap and a kernel that gives what it is asked for."""

    cgroups: Path
    proc: Path

    @property
    def folder(self) -> Path:
        return self.cgroups / PATH

    def run(self, asked: list[int], *, most: int = 1 << 40, thawed_after: int = 1 << 40) -> int:
        def write(file: Path, amount: int) -> None:
            assert file == self.folder / "memory.reclaim"
            if sum(asked) + amount > most:
                raise OSError(errno.EAGAIN, "less was reclaimed")
            asked.append(amount)
            if sum(asked) >= thawed_after:
                (self.folder / "cgroup.freeze").write_text("0\n")

        return Reclaim(CONTAINER, PID, self.cgroups, self.proc, write).run()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "cgroup", tmp_path / "proc")
    made.folder.mkdir(parents=True)
    (made.proc / str(PID)).mkdir(parents=True)
    (made.cgroups / "cgroup.controllers").write_text("cpu memory\n")
    (made.cgroups / "memory.reclaim").write_text("")
    (made.folder / "memory.reclaim").write_text("")
    (made.folder / "memory.current").write_text(f"{2 * BIT_BYTES + 100}\n")
    (made.folder / "cgroup.freeze").write_text("1\n")
    (made.proc / "meminfo").write_text("MemTotal: 8000 kB\nSwapTotal:  4000 kB\n")
    (made.proc / str(PID) / "cgroup").write_text(f"0::/{PATH}\n")
    return made


def test_all_that_it_uses_is_given_back_bit_by_bit(machine: Machine) -> None:
    asked: list[int] = []

    assert machine.run(asked) == 2 * BIT_BYTES + 100
    assert asked == [BIT_BYTES, BIT_BYTES, 100]


def test_it_is_written_as_a_number_to_the_kernels_own_file(machine: Machine) -> None:
    (machine.folder / "memory.current").write_text("4096\n")

    assert Reclaim(CONTAINER, PID, machine.cgroups, machine.proc).run() == 4096
    assert (machine.folder / "memory.reclaim").read_text() == "4096"


def test_what_is_thawed_meanwhile_keeps_the_rest(machine: Machine) -> None:
    assert machine.run([], thawed_after=BIT_BYTES) == BIT_BYTES


def test_where_the_kernel_gives_no_more_it_ends(machine: Machine) -> None:
    assert machine.run([], most=BIT_BYTES) == BIT_BYTES


def test_a_process_that_is_anothers_now_keeps_its_memory(machine: Machine) -> None:
    (machine.proc / str(PID) / "cgroup").write_text("0::/system.slice/ssh.service\n")

    assert machine.run([]) == 0


def test_an_old_kernel_is_given_no_file(machine: Machine) -> None:
    (machine.folder / "memory.reclaim").unlink()

    assert Reclaim(CONTAINER, PID, machine.cgroups, machine.proc).run() == 0
    assert not (machine.folder / "memory.reclaim").exists()


def test_the_first_version_of_cgroups_gives_nothing_back(machine: Machine) -> None:
    (machine.proc / str(PID) / "cgroup").write_text(f"5:memory:/{PATH}\n")

    assert machine.run([]) == 0


def test_a_machine_that_cannot_says_why(machine: Machine) -> None:
    def why() -> str:
        return why_not(machine.cgroups, machine.proc)

    assert why() == ""
    (machine.proc / "meminfo").write_text("MemTotal: 8000 kB\nSwapTotal:  0 kB\n")
    assert "no swap" in why()
    (machine.cgroups / "memory.reclaim").unlink()
    assert "older than Linux 5.19" in why()
    (machine.cgroups / "cgroup.controllers").unlink()
    assert "cgroup v1" in why()


def test_the_doctor_says_whether_the_machine_can_where_that_is_asked_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> list[Check]:
        return reclaims(Settings(), machine.cgroups, machine.proc)

    unasked = said()
    monkeypatch.setenv("SPACE_CLOUD_RECLAIM_FROZEN", "true")
    (can,) = said()
    (machine.proc / "meminfo").write_text("MemTotal: 8000 kB\nSwapTotal:  0 kB\n")
    (cannot,) = said()

    assert unasked == []
    assert can == Check("reclaim", "frozen replicas give their memory back", ok=True)
    assert (cannot.what, cannot.ok) == ("reclaim", False)
    assert "zram would do" in cannot.message


async def test_a_kernel_that_takes_its_time_keeps_no_thread_from_others(machine: Machine) -> None:
    begun, may_end, reclaims = list[int](), threading.Event(), Reclaims()

    def write(file: Path, amount: int) -> None:
        begun.append(amount)
        may_end.wait(10 * BUSY)

    slow = Reclaim(CONTAINER, PID, machine.cgroups, machine.proc, write)
    waiting = [asyncio.ensure_future(reclaims.run(slow)) for _ in range(100)]

    def one_has_begun() -> None:
        assert begun

    await eventually(one_has_begun)
    async with asyncio.timeout(BUSY):
        assert await asyncio.to_thread(lambda: "a turn") == "a turn"
    assert len(begun) == 1
    for one in waiting:
        one.cancel()
    reclaims.close()
    may_end.set()
