"""
This machine's own Python as entries of an image, for apps that need its standard library only.

The demo's and the tests' apps run on it where no registry is in reach. It is the
distribution's interpreter, never the one of a virtual environment, so that an image does not
depend on who builds it.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from spacecloud.drivers.docker.images.binaries import libraries, loader_of, program
from spacecloud.drivers.docker.images.recipe import Copied, Entry, Folder, Written
from spacecloud.errors import Terminal

PYTHON_PATH = "/usr/bin/python3"

_LIBRARY = Path("/usr/lib")
_LEFT_OUT = (
    *("config-", "curses", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3"),
    *("pydoc_data", "test", "tkinter", "turtledemo", "unittest", "venv"),
)
_EXTENSIONS_LEFT_OUT = ("_test", "_curses", "_dbm", "_xx", "xx", "_tkinter", "nis", "ossaudio")
_PYC_HEADER_BYTES = 16
_PYC_TRUSTED = b"\x01\x00\x00\x00" + bytes(8)
"""Flags of a ``.pyc`` that is never compared with its source, and an unused hash."""

_LOADED_BY_NAME = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2")
"""Libraries that the C library opens while it runs, which no listing shows."""


def python() -> tuple[Entry, ...]:
    """``/usr/bin/python3`` with its standard library, name lookup and a place for files."""
    binary = Path(PYTHON_PATH).resolve()
    standard = _LIBRARY / binary.name
    loader = loader_of(binary)
    if loader is None or not standard.is_dir():
        raise Terminal(f"{PYTHON_PATH} has no standard library here; run: apt-get install python3")
    return (
        *program(binary, PYTHON_PATH),
        *chain.from_iterable(_entries(path, loader) for path in _chosen(standard)),
        *loaded_by_name(binary, loader),
        *nobody(),
    )


def nobody() -> tuple[Entry, ...]:
    """Names of root and nobody, how names are looked up, and ``/tmp``."""
    return (
        Written(
            "/etc/passwd",
            b"root:x:0:0:root:/:/none\nnobody:x:65534:65534:nobody:/:/none\n",
        ),
        Written("/etc/group", b"root:x:0:\nnobody:x:65534:\n"),
        Written("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
        Folder("/tmp", 0o1777),
    )


def loaded_by_name(binary: Path, loader: Path) -> tuple[Copied, ...]:
    """The libraries that a running program opens by name, as far as they are installed."""
    folders = {Path(entry.path).parent for entry in libraries(binary, loader)}
    candidates = [folder / name for folder in folders for name in _LOADED_BY_NAME]
    return tuple(Copied(str(path), path) for path in sorted(candidates) if path.exists())


def _chosen(standard: Path) -> Iterator[Path]:
    for path in sorted(standard.rglob("*")):
        top = path.relative_to(standard).parts[0]
        if not top.startswith(_LEFT_OUT) and path.is_file():
            yield path


def _entries(path: Path, loader: Path) -> tuple[Entry, ...]:
    match path.suffix:
        case ".py":
            return (Copied(str(path), path),)
        case ".pyc" if ".opt-" not in path.name:
            return (Written(str(path), _trusted(path.read_bytes())),)
        case ".so" if not path.name.startswith(_EXTENSIONS_LEFT_OUT):
            return (Copied(str(path), path), *libraries(path, loader))
        case _:
            return ()


def _trusted(compiled: bytes) -> bytes:
    """
    The same code, used without a look at its source's time.

    Files of an image have no time, and compiling anew at each start costs a third of a second.
    """
    return compiled[:4] + _PYC_TRUSTED + compiled[_PYC_HEADER_BYTES:]
