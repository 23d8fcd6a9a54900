"""
Keep the control plane alive where no service manager does.

A small process of its own, in its own session: it starts the control plane, starts it again
when it ends, and ends when it is asked to. A lock that dies with it tells whether it lives.
"""

import contextlib
import fcntl
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from spacecloud.errors import Unavailable
from spacecloud.settings import Settings

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
PEACE_SECONDS = 10.0
"""A control plane that lived this long is started again at once."""

STOP_SECONDS = 15.0
LOG_BYTES = 10 * 1024 * 1024
"""A log that is larger when the control plane starts becomes ``….log.1``."""


def log_path(settings: Settings) -> Path:
    return settings.state_dir / "space-cloud.log"


def start(command: Sequence[str], settings: Settings) -> None:
    """Leave a supervisor behind that runs the command; it survives this process."""
    log = log_path(settings)
    _rotate(log)
    with log.open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "spacecloud.supervisor", str(_lock(settings)), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )


def is_running(settings: Settings) -> bool:
    return _pid(_lock(settings)) is not None


def stop(settings: Settings) -> bool:
    """False when there was none. ``Unavailable`` when it does not end."""
    pid = _pid(_lock(settings))
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _pid(_lock(settings)) is not None:
        if time.monotonic() > deadline:
            raise Unavailable(f"the supervisor (process {pid}) does not end: see its log")
        time.sleep(0.05)
    return True


def wait_until_it_answers(settings: Settings, timeout_seconds: float) -> None:
    """``Unavailable`` with the end of its log when it does not."""
    deadline = time.monotonic() + timeout_seconds
    while not _answers(settings.http_port):
        if not is_running(settings) and time.monotonic() > deadline - timeout_seconds + 2:
            raise Unavailable(f"it ended at once:\n{_tail(log_path(settings))}")
        if time.monotonic() > deadline:
            raise Unavailable(
                f"it does not answer on port {settings.http_port} after {timeout_seconds:g} s:\n"
                f"{_tail(log_path(settings))}"
            )
        time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v1/config/env")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(log: Path, lines: int = 8) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
    return "(no log)"


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.rename(log.with_name(log.name + ".1"))


def _lock(settings: Settings) -> Path:
    return settings.run_dir / "supervisor.lock"


def _pid(lock: Path) -> int | None:
    """Of the process that holds it; None when nobody does."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)


class _Supervisor:
    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = False

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        pause = FIRST_PAUSE_SECONDS
        while not self._ending:
            began = time.monotonic()
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            if self._ending:
                self._child.terminate()
            code = self._child.wait()
            if self._ending:
                return
            lived = time.monotonic() - began
            pause = FIRST_PAUSE_SECONDS if lived > PEACE_SECONDS else pause
            sys.stderr.write(f"the control plane ended with {code}; again in {pause:g} s\n")
            sys.stderr.flush()
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _end(self, signum: int, frame: FrameType | None) -> None:
        self._ending = True
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()


def main() -> None:
    lock, *command = sys.argv[1:]
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("another supervisor runs already")
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    _Supervisor(command).run()


if __name__ == "__main__":
    main()
