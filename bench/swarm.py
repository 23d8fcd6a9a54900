"""
Twenty services by Swarm: an overlay network and a task each, a port of the host to ask it at.

It has an engine of its own, in a network namespace of its own: joining a swarm changes an
engine for everybody who uses it.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.caller import Caller
from bench.engine import Images
from bench.lane import lane
from bench.tools import Missing

ADDRESS = "198.51.100.2"
FIRST_PORT = 9000
START_SECONDS = 30.0
END_SECONDS = 60.0
COMMAND_SECONDS = 120.0


def up(
    images: Images, count: int, parallel: int, first_answer: Callable[[str, int], float]
) -> float:
    """
    Seconds until all answer; ``first_answer`` waits for one at an address and a port.

    ``Missing`` without an engine's program.
    """
    with tempfile.TemporaryDirectory(prefix="sc-swarm-") as folder, _engine(Path(folder)) as it:
        it.load(images.server)
        it.docker("swarm", "init", "--advertise-addr", ADDRESS, "--listen-addr", ADDRESS)

        def one(number: int) -> None:
            name, port = f"n{number}", FIRST_PORT + number
            it.docker("network", "create", "--driver", "overlay", name)
            it.docker(
                *("service", "create", "--detach", "--no-resolve-image", "--name", name),
                *("--endpoint-mode", "dnsrr", "--network", name),
                *("--publish", f"mode=host,target=8080,published={port}", images.server),
            )

        began = time.perf_counter()
        with ThreadPoolExecutor(parallel) as pool:
            list(pool.map(one, range(count)))
        caller = Caller(it.pid)
        try:
            ports = range(FIRST_PORT, FIRST_PORT + count)
            return caller.run(lambda: max(first_answer(ADDRESS, port) for port in ports)) - began
        finally:
            caller.close()
            it.docker("swarm", "leave", "--force")


class _Engine:
    def __init__(self, folder: Path, pid: int) -> None:
        self.pid = pid
        self._host = f"unix://{folder}/s"

    def docker(self, *words: str, given: bytes | None = None) -> bytes:
        command = ["docker", "-H", self._host, *words]
        return subprocess.run(
            command, input=given, capture_output=True, check=True, timeout=COMMAND_SECONDS
        ).stdout

    def load(self, image: str) -> None:
        saved = subprocess.run(
            ["docker", "save", image], capture_output=True, check=True, timeout=120
        ).stdout
        self.docker("load", given=saved)


@contextmanager
def _engine(folder: Path) -> Generator[_Engine]:
    if not (shutil.which("dockerd") and shutil.which("docker")):
        raise Missing("Swarm is missing: there is no dockerd beside the engine that answers")
    with _namespace(), (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("nsenter", f"--net=/run/netns/{_netns()}", "dockerd", "--bridge", "none"),
                *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
                *("--pidfile", str(folder / "pid"), "-H", f"unix://{folder}/s"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            engine = _Engine(folder, process.pid)
            _until_it_answers(engine, process)
            yield engine
        finally:
            process.terminate()
            process.wait(END_SECONDS)
            _unmount(folder)


@contextmanager
def _namespace() -> Generator[None]:
    """With a link of its own: a swarm wants an address that is not loopback's."""
    _ip("netns", "add", _netns())
    try:
        for words in (
            "link set lo up",
            "link add up0 type veth peer name up1",
            f"address add {ADDRESS}/24 dev up0",
            "link set up0 up",
            "link set up1 up",
        ):
            _ip("-n", _netns(), *words.split())
        yield
    finally:
        _ip("netns", "delete", _netns())


def _netns() -> str:
    return lane().resource("swarm")


def _until_it_answers(engine: _Engine, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            engine.docker("version")
        except subprocess.CalledProcessError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                words = error.stderr.decode(errors="replace").strip()
                raise Missing(f"an engine for Swarm does not start: {words}") from error
            time.sleep(0.1)
        else:
            return


def _unmount(folder: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((m for m in mounted if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", path], check=False, timeout=60)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, check=True, timeout=60)
