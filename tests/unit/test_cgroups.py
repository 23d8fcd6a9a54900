"""What a container uses, by the files of its cgroup: of both versions, as kernels write them."""

from pathlib import Path

import pytest

from spacecloud.drivers.docker.pods.cgroups import Process, machine_memory, usage
from spacecloud.model.load import MachineMemory, Usage

ID = "9f" * 32
MAIN = Process("api--v1--0", ID, 100)
USED = Usage(cpu_seconds=12.5, memory_bytes=50 << 20)


class Machine:
    """``/proc`` and ``/sys/fs/cgroup`` as folders."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.cgroups = folder / "proc", folder / "cgroup"

    def process(self, pid: int, cgroup: str) -> None:
        _write(self.proc / str(pid) / "cgroup", cgroup)

    def v1(self, path: str, used: Usage = USED) -> None:
        memory, cpu = self.cgroups / "memory" / path, self.cgroups / "cpuacct" / path
        _write(cpu / "cpuacct.usage", f"{round(used.cpu_seconds * 1e9)}\n")
        _write(memory / "memory.usage_in_bytes", f"{used.memory_bytes + 4096}\n")
        _write(memory / "memory.stat", "inactive_file 7\ntotal_inactive_file 4096\n")

    def v2(self, path: str, used: Usage = USED) -> None:
        folder = self.cgroups / path
        usec = round(used.cpu_seconds * 1e6)
        _write(folder / "cpu.stat", f"usage_usec {usec}\nuser_usec 5\nsystem_usec 5\n")
        _write(folder / "memory.current", f"{used.memory_bytes + 4096}\n")
        _write(folder / "memory.stat", "anon 9\ninactive_file 4096\nactive_file 3\n")

    def usage(self, *processes: Process) -> dict[str, Usage]:
        return dict(usage(processes or (MAIN,), self.cgroups, self.proc))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"docker/{ID}", id="cgroupfs"),
        pytest.param(f"system.slice/docker-{ID}.scope", id="systemd"),
        pytest.param(f"docker/{'0a' * 32}/docker/{ID}", id="an engine in a container"),
    ],
)
@pytest.mark.parametrize("below", ["", "/init.scope"])
def test_a_container_is_read_as_a_whole(machine: Machine, path: str, below: str) -> None:
    machine.process(100, f"0::/{path}{below}\n")
    machine.v2(path)

    assert machine.usage() == {"api--v1--0": USED}


@pytest.mark.parametrize("controllers", ["cpuacct", "cpu,cpuacct"])
def test_the_first_version_has_a_folder_for_each_controller(
    machine: Machine, controllers: str
) -> None:
    """With the second one mounted beside it, where no controller is."""
    machine.process(100, f"9:memory:/docker/{ID}\n2:{controllers}:/docker/{ID}\n0::/docker/{ID}\n")
    machine.v1(f"docker/{ID}")

    assert machine.usage() == {"api--v1--0": USED}


def test_the_tasks_of_a_replica_are_summed(machine: Machine) -> None:
    other = "1c" * 32
    for pid, id in ((100, ID), (101, other)):
        machine.process(pid, f"0::/docker/{id}\n")
        machine.v2(f"docker/{id}")

    found = machine.usage(MAIN, Process("api--v1--0", other, 101), Process("gone", "2d" * 32, 9))

    assert found == {"api--v1--0": Usage(25.0, 100 << 20)}


def test_a_number_that_is_another_process_now_tells_nothing(machine: Machine) -> None:
    machine.process(100, "0::/user.slice/session-1.scope\n")
    machine.v2("user.slice/session-1.scope")

    assert machine.usage() == {}


@pytest.mark.parametrize("missing", ["cpu.stat", "memory.current", "memory.stat"])
def test_a_container_that_ends_while_it_is_read_is_left_out(machine: Machine, missing: str) -> None:
    machine.process(100, f"0::/docker/{ID}\n")
    machine.v2(f"docker/{ID}")
    (machine.cgroups / "docker" / ID / missing).unlink()

    assert machine.usage() == {}


def test_the_machine_has_what_its_kernel_says(machine: Machine) -> None:
    _write(
        machine.proc / "meminfo",
        "MemTotal:       16000 kB\nMemFree:  100 kB\nMemAvailable:    9000 kB\nHugePages_Total:   0\n",
    )

    assert machine_memory(machine.proc) == MachineMemory(16000 << 10, 9000 << 10)


def test_this_machine_says_so_too() -> None:
    memory = machine_memory()

    assert 0 < memory.available_bytes < memory.total_bytes
