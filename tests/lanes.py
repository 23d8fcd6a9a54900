"""
Runs of the tests side by side on one machine: each has ports, pools and names of its own.

A lane is held by a lock on a file for as long as the process lives, so that one that was killed
leaves it free.
"""

import fcntl
import functools
import os
import sys
from pathlib import Path

LANES = 5
_FOLDER = Path("/tmp")
"""Not the one of TMPDIR: all runs have to meet."""


@functools.cache
def lane() -> int:
    for number in range(LANES):
        held = _open(f"space-cloud-tests-lane-{number}")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
        else:
            return number
    raise RuntimeError(f"{LANES} runs of the tests are on this machine already")


@functools.cache
def take_turn(what: str) -> None:
    """Waits until no other run is at it, and keeps it until this one ends."""
    held = _open(f"space-cloud-tests-{what}")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"\n{what}: another run of the tests is at it, waiting", file=sys.__stderr__)
        fcntl.flock(held, fcntl.LOCK_EX)


def _open(name: str) -> int:
    return os.open(_FOLDER / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
