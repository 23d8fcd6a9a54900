"""
Files that are there whole or not at all, whatever dies while they are written.

| function             | after a power cut         | for                                           |
|----------------------|---------------------------|-----------------------------------------------|
| ``write_durably``    | there                     | what cannot be made again (keys, passwords,   |
|                      |                           | accounts), or is not looked at again          |
|                      |                           | (``resolv.conf`` of pods that run)            |
| ``write_atomically`` | gone with the run folder  | what each start makes anew (resolver's files) |

Each raises ``OSError`` and leaves the file as it was. Any number may write one file at a time.
"""

import os
import threading
from pathlib import Path

OWNER_ONLY = 0o600
FOR_ALL = 0o644


def write_atomically(path: Path, text: str, mode: int, staging: Path | None = None) -> None:
    """
    A reader sees the old file or the new one, and nobody sees the new one with another mode.

    ``staging``: where it is written first, for a folder that somebody watches; on the same file
    system.
    """
    temporary = _temporary(path, staging)
    try:
        os.close(_written(temporary, text, mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_durably(path: Path, text: str, mode: int) -> None:
    """As above; when it returns, a power cut takes the file away no more."""
    temporary = _temporary(path, None)
    try:
        file = _written(temporary, text, mode)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def temporaries_of(name: str) -> str:
    """The pattern of what a killed process may leave beside the file of this name."""
    return f"{name}.*.new"


def _temporary(path: Path, staging: Path | None) -> Path:
    """Nobody else's who is alive."""
    writer = f"{os.getpid()}-{threading.get_native_id()}"
    return (staging or path.parent) / f"{path.name}.{writer}.new"


def _written(temporary: Path, text: str, mode: int) -> int:
    """The open file. It is its owner's alone until all is in it."""
    temporary.unlink(missing_ok=True)
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(file, "w", encoding="utf-8", closefd=False) as stream:
            stream.write(text)
        os.fchmod(file, mode)
    except BaseException:
        os.close(file)
        raise
    return file


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
