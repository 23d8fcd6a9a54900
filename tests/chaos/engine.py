"""
A Docker Engine of our own, in a network namespace of its own: it may be restarted.

Whoever is ``inside`` has the namespace's loopback, links and rules, and its engine for ``docker``.

Its mounts are in a mount namespace of its own as well, which a restart leaves. In the machine's,
every container that another engine starts meanwhile takes a copy of them for as long as it is being
set up, and they cannot be removed: "device or resource busy".
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from eventually import holds_within

CLONE_NEWNET = 0x40000000
START_SECONDS = 60
TESTS = Path(__file__).parent.parent


class Engine:
    """Its folder's path must be short: that of a socket has at most 107 characters."""

    def __init__(self, folder: Path, namespace: str, *flags: str) -> None:
        self.folder = folder
        self.namespace = namespace
        self.flags = list(flags)
        self.host = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._holder: subprocess.Popen[bytes] | None = None
        """Keeps the mount namespace."""

    def hold_mounts(self) -> None:
        """
        What the machine unmounts goes here too (slave), and nothing goes the other way. What is
        unmounted here goes from the containers' copies too (shared), as on a machine.
        """
        held = "mount --make-rshared / && exec sleep infinity"
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", held]
        self._holder = subprocess.Popen(command)
        assert holds_within(self._holds_mounts, START_SECONDS), "unshare does nothing"

    def _holds_mounts(self) -> bool:
        """The last thing that it does is to become ``sleep``."""
        assert self._holder is not None
        return Path(f"/proc/{self._holder.pid}/comm").read_text().strip() == "sleep"

    def drop_mounts(self) -> None:
        """The namespace, and with it all that is mounted there, goes with its last process."""
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait(START_SECONDS)
            self._holder = None

    def start(self) -> None:
        assert self._holder is not None
        command = [
            *(
                "nsenter",
                f"--net=/run/netns/{self.namespace}",
                f"--mount=/proc/{self._holder.pid}/ns/mnt",
            ),
            "dockerd",
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")),
            *("--pidfile", str(self.folder / "pid"), "-H", self.host),
            *("--bridge", "none", *self.flags),
        ]
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        assert holds_within(self._has_started, START_SECONDS, every=0.1), self._log()

    def _has_started(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log()
        command = ["docker", "-H", self.host, "info"]
        done = subprocess.run(command, capture_output=True, timeout=START_SECONDS)
        return done.returncode == 0

    def stop(self) -> None:
        """As a service manager does; it ends its containers, or leaves them (live-restore)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)
        self._process = None
        # Its own containerd has no parent any more, and would be in the next one's way.
        containerd = self.folder / "exec" / "containerd" / "containerd.pid"
        with contextlib.suppress(OSError, ValueError):
            pid = int(containerd.read_text())
            os.kill(pid, signal.SIGTERM)
            assert holds_within(lambda: not Path(f"/proc/{pid}").exists(), START_SECONDS)

    def _log(self) -> str:
        return (self.folder / "dockerd.log").read_text("utf-8", "replace")[-3000:]


@contextlib.contextmanager
def an_engine(folder: Path, namespace: str, *flags: str) -> Iterator[Engine]:
    """Running, with the images of the tests; this thread, and what it starts, is inside."""
    engine = Engine(folder, namespace, *flags)
    subprocess.run(["ip", "netns", "add", namespace], check=True, timeout=60)
    try:
        with inside(namespace), _spoken_to(engine):
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=60)
            engine.hold_mounts()
            try:
                engine.start()
                command = [sys.executable, "-m", "apps.images"]
                paths = {**os.environ, "PYTHONPATH": str(TESTS)}
                subprocess.run(command, env=paths, check=True, capture_output=True, timeout=600)
                yield engine
            finally:
                engine.stop()
                engine.drop_mounts()
    finally:
        subprocess.run(["ip", "netns", "del", namespace], check=True, timeout=60)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(outside)
        os.close(there)
        os.close(outside)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def _spoken_to(engine: Engine) -> Iterator[None]:
    """By ``docker``, by the platform and by what makes the tests' images."""
    names = ("DOCKER_HOST", "SPACE_CLOUD_DOCKER_HOST")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, engine.host))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
