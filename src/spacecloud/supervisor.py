"""
Keep the control plane alive where no service manager does.

A small process of its own, in its own session: it starts the control plane, starts it again
when it ends, keeps its log at a size, and ends when it is asked to. A lock that dies with it
tells whether it lives. When it is killed, the kernel ends the control plane too: none lives on
that nobody looks after.
"""

import contextlib
import ctypes
import http.client
import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from spacecloud import lock
from spacecloud.errors import Conflict, Unavailable
from spacecloud.settings import Settings

RESTART_SECONDS = 0.1
QUICK_RESTARTS = 5
QUICK_WINDOW_SECONDS = 10.0
"""So many ends in so long a time are restarted at once; whoever ends more often is slowed down."""

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 5.0
STABLE_SECONDS = 10.0
"""A control plane that lived this long begins anew with quick restarts."""

KILL_SECONDS = 12
"""After SIGTERM, by the supervisor."""

STOP_SECONDS = 15.0
"""After SIGTERM, by who asked: the supervisor too may hang."""

MOST_FAILED_STARTS = 3
"""A first start that ended so often will not get better by itself."""

LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 3
STEP_SECONDS = 0.1
PR_SET_PDEATHSIG = 1


def log_path(settings: Settings) -> Path:
    return settings.state_dir / "space-cloud.log"


def serve_lock(settings: Settings) -> Path:
    """Held by the control plane itself, whoever started it."""
    return settings.run_dir / "serve.lock"


def supervisor(settings: Settings) -> lock.Holder | None:
    return lock.holder(_lock(settings))


def control_plane(settings: Settings) -> lock.Holder | None:
    return lock.holder(serve_lock(settings))


def start(command: Sequence[str], settings: Settings, timeout_seconds: float) -> None:
    """
    Leave a supervisor behind that runs the command; return when the control plane works.

    ``Conflict`` where one runs without a supervisor. ``Unavailable`` with the end of its log
    when it cannot run; nothing is left behind then.
    """
    refuse_a_second(settings)
    with log_path(settings).open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "spacecloud.supervisor"),
                *(str(_lock(settings)), str(log_path(settings)), *command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    wait_until_it_works(settings, timeout_seconds, process)


def refuse_a_second(settings: Settings) -> None:
    """``Conflict`` where a control plane runs without a supervisor."""
    if (other := control_plane(settings)) is not None:
        raise Conflict(
            f"instance {settings.instance} is being served already in the foreground (process "
            f"{other.process or 'unknown'}): end it with space-cloud stop, or choose another name "
            "with SPACE_CLOUD_INSTANCE"
        )


def stop(settings: Settings) -> bool:
    """Also one in the foreground. False when there was none; ``Unavailable`` if it stays."""
    found = False
    for path in (_lock(settings), serve_lock(settings)):
        if (holder := lock.holder(path)) is not None:
            found = True
            _end(path, holder)
    return found


def wait_until_it_works(
    settings: Settings, timeout_seconds: float, process: subprocess.Popen[bytes] | None = None
) -> None:
    """``process``: of the supervisor that was started for it, where it is not systemd's."""
    deadline = time.monotonic() + timeout_seconds
    while control_plane(settings) is None or not works(settings):
        if process is not None:
            _raise_if_it_cannot_start(settings, process)
        if time.monotonic() > deadline:
            lacks = "not all of it works" if answers(settings) else "it does not answer"
            raise Unavailable(
                f"{lacks} on port {settings.http_port} after {timeout_seconds:g} s, and "
                "goes on trying (space-cloud doctor tells more, space-cloud stop ends it):\n"
                f"{_tail(log_path(settings))}"
            )
        time.sleep(STEP_SECONDS)


def answers(settings: Settings) -> bool:
    """Does the API, by way of the gateway?"""
    return _asked(settings.http_port, "/v1/config/env") == 200


def works(settings: Settings) -> bool:
    """Has all that it does on this machine been done once since it was started?"""
    return _asked(settings.http_port, "/v1/api/health-check") == 200


def tells_metrics(settings: Settings) -> bool:
    return _asked(settings.metrics_port, "/metrics") == 200


def _asked(port: int, path: str) -> int | None:
    """The status of the answer; None without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _end(path: Path, holder: lock.Holder) -> None:
    if not holder.process:
        raise Unavailable(f"somebody holds {path} and does not say who: fuser {path} tells")
    deadline = time.monotonic() + STOP_SECONDS
    signals = [signal.SIGTERM, signal.SIGKILL]
    while (now := lock.holder(path)) is not None and now.process == holder.process:
        if signals and (signals[0] == signal.SIGTERM or time.monotonic() > deadline):
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder.process, signals.pop(0))
        if time.monotonic() > deadline + STEP_SECONDS * 20:
            raise Unavailable(f"process {holder.process} does not end, not even by force")
        time.sleep(STEP_SECONDS / 2)


def _raise_if_it_cannot_start(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    log = log_path(settings)
    if process.poll() is not None:
        raise Unavailable(f"its supervisor ended at once:\n{_tail(log)}")
    there = supervisor(settings)
    if there is not None and there.note.isdigit() and int(there.note) >= MOST_FAILED_STARTS:
        stop(settings)
        raise Unavailable(f"it ends whenever it is started; the end of {log}:\n{_tail(log)}")


def _tail(log: Path, lines: int = 8) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
    return "(no log)"


def _lock(settings: Settings) -> Path:
    return settings.run_dir / "supervisor.lock"


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often the control plane ended without having been stable, and what follows from it."""

    ended_at: tuple[float, ...] = ()
    """The latest, in seconds of one clock; at most one more than are restarted quickly."""

    endings: int = 0
    delay: float = RESTART_SECONDS
    """Seconds until the next start."""


def after_ending(before: Restarts, lived: float, now: float) -> Restarts:
    """
    ``lived``: seconds between the last start and this end.

    | it ended                                          | next start after    |
    |---------------------------------------------------|---------------------|
    | at most five times in ten seconds                 | 0.1 s               |
    | more often, or again while it was slowed down     | 0.5 s, 1 s … 5 s    |
    | after it had lived for ten seconds                | 0.1 s, counted anew |
    """
    if lived > STABLE_SECONDS:
        return Restarts((now,), 1)
    ended_at = (*before.ended_at, now)[-QUICK_RESTARTS - 1 :]
    often = len(ended_at) > QUICK_RESTARTS and now - ended_at[0] <= QUICK_WINDOW_SECONDS
    delay = RESTART_SECONDS
    if before.delay > RESTART_SECONDS:
        delay = min(before.delay * 2, LONGEST_BACKOFF_SECONDS)
    elif often:
        delay = FIRST_BACKOFF_SECONDS
    return Restarts(ended_at, before.endings + 1, delay)


class _Supervisor:
    def __init__(self, command: Sequence[str], log: logging.Logger, held: int) -> None:
        self._command = command
        self._log = log
        self._held = held
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = False

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGALRM, self._kill)
        restarts = Restarts()
        while not self._ending:
            began = time.monotonic()
            code = self._run_once()
            if self._ending:
                return
            now = time.monotonic()
            restarts = after_ending(restarts, now - began, now)
            lock.write(self._held, str(restarts.endings))
            self._log.info("the control plane ended with %d; again in %g s", code, restarts.delay)
            self._sleep(restarts.delay)

    def _run_once(self) -> int:
        own, libc = os.getpid(), ctypes.CDLL(None, use_errno=True)

        def end_with_me() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != own:
                os._exit(1)

        # No other thread runs at this time, so that code may run between fork and exec.
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=end_with_me,
        )
        assert self._child.stdout is not None
        reader = threading.Thread(target=self._copy, args=(self._child.stdout,), daemon=True)
        reader.start()
        if self._ending:
            self._child.terminate()
        code = self._child.wait()
        reader.join(1)
        return code

    def _copy(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._log.info("%s", line.decode("utf-8", "replace").rstrip("\n"))

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._ending and time.monotonic() < until:
            time.sleep(min(STEP_SECONDS, seconds))

    def _end(self, signum: int, frame: FrameType | None) -> None:
        self._ending = True
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
        signal.alarm(KILL_SECONDS)

    def _kill(self, signum: int, frame: FrameType | None) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.kill()


def _log_to(path: Path) -> logging.Logger:
    """What cannot be written, as on a full disk, is lost; the control plane goes on."""
    logging.raiseExceptions = False
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
    )
    log = logging.getLogger("spacecloud.supervised")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    return log


def main() -> None:
    path, log, *command = sys.argv[1:]
    held = lock.take(Path(path))
    if held is None:
        sys.exit("another supervisor runs already")
    _Supervisor(command, _log_to(Path(log)), held).run()


if __name__ == "__main__":
    main()
