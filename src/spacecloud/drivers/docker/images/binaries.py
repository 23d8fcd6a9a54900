"""
A program of this machine as entries of an image: the file, its libraries, its loader.

The loader itself says which libraries it would take (what ``ldd`` asks too), so the image
holds exactly what the program runs with here.
"""

import struct
import subprocess
from pathlib import Path

from spacecloud.drivers.docker.images.recipe import Copied
from spacecloud.errors import Terminal, Transient

_PT_INTERP = 3
_LIST_TIMEOUT_SECONDS = 10


def program(source: Path, path: str) -> tuple[Copied, ...]:
    """``source`` at ``path``, and beside it all that it needs to start."""
    loader = loader_of(source)
    needed = () if loader is None else libraries(source, loader)
    return (Copied(path, source), *needed)


def libraries(source: Path, loader: Path) -> tuple[Copied, ...]:
    """Of a program or a library: what ``loader`` would load for it, and the loader."""
    # The loader needs an absolute path or it searches for a library of that name.
    listed = _list(loader, source.resolve())
    paths = {Path(path) for path in (_path_in(line) for line in listed.splitlines()) if path}
    return tuple(Copied(str(path), path) for path in sorted(paths | {loader}))


def loader_of(source: Path) -> Path | None:
    """The program's ELF interpreter; None of a static program and of a library."""
    with source.open("rb") as file:
        header = file.read(64)
        if header[:5] != b"\x7fELF\x02":
            raise Terminal(f"{source} is not a 64-bit ELF program; install it anew")
        (table_offset,) = struct.unpack_from("<Q", header, 32)
        entry_size, count = struct.unpack_from("<HH", header, 54)
        file.seek(table_offset)
        table = file.read(entry_size * count)
        for at in range(0, len(table), entry_size):
            (kind,) = struct.unpack_from("<I", table, at)
            if kind == _PT_INTERP:
                offset, _, _, size = struct.unpack_from("<QQQQ", table, at + 8)
                file.seek(offset)
                return Path(file.read(size).rstrip(b"\0").decode())
    return None


def _list(loader: Path, source: Path) -> str:
    try:
        done = subprocess.run(
            [str(loader), "--list", str(source)],
            capture_output=True,
            text=True,
            check=True,
            timeout=_LIST_TIMEOUT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise Terminal(
            f"{source} does not start on this machine: {error.stderr.strip()}; install the "
            "library that is named"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Transient(f"asking {loader} for the libraries of {source}: {error}") from error
    if "not found" in done.stdout:
        missing = next(line for line in done.stdout.splitlines() if "not found" in line)
        raise Terminal(f"{source} needs a library that is not installed: {missing.strip()}")
    return done.stdout


def _path_in(line: str) -> str | None:
    """``libm.so.6 => /lib/libm.so.6 (0x7f…)`` or ``/lib64/ld-linux.so.2 (0x7f…)``."""
    fields = line.split("=>")[-1].split()
    return fields[0] if fields and fields[0].startswith("/") else None
