"""Locks that die with their holder, and that say who the holder is."""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from spacecloud.errors import Forbidden

TRIES = 20
RETRY_SECONDS = 0.02
"""Whoever only asks holds the lock for a moment too."""


@dataclass(frozen=True, slots=True)
class Holder:
    process: int
    """0 where it did not say."""

    note: str


def take(path: Path) -> int | None:
    """A descriptor that holds it until it is closed or its process ends; None: it is taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(RETRY_SECONDS)
        else:
            write(descriptor, "")
            return descriptor
    os.close(descriptor)
    return None


def write(descriptor: int, note: str) -> None:
    text = f"{os.getpid()} {note}".strip().encode()
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))


def holder(path: Path) -> Holder | None:
    """
    None when nobody holds it, whatever an earlier holder has left in the file.

    ``Forbidden`` for who may not open it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise Forbidden(
            f"only the owner of {path} can see who holds it: run it with sudo"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process, _, note = os.read(descriptor, 256).decode("ascii", "replace").partition(" ")
        return Holder(int(process) if process.isdigit() else 0, note)
    else:
        return None
    finally:
        os.close(descriptor)
