"""
What goes into an image that is made from local files, as a value.

A recipe has a fingerprint that costs no more than a ``stat`` per file, so that "is it built
already?" is answered without reading a hundred megabytes.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

_LAYOUT = "1"
"""Goes up when the same recipe would give another image, so that old ones are not reused."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A file of this machine. A symbolic link is followed: the image gets what it leads to."""

    path: str
    source: Path

    def identity(self) -> str:
        stat = self.source.stat()
        return f"{self.source} {stat.st_size} {stat.st_mtime_ns} {stat.st_mode & 0o777:o}"


@dataclass(frozen=True, slots=True)
class Written:
    """A file whose bytes are known here."""

    path: str
    content: bytes
    mode: int = 0o644

    def identity(self) -> str:
        return f"{hashlib.sha256(self.content).hexdigest()} {self.mode:o}"


@dataclass(frozen=True, slots=True)
class Folder:
    """Only where its mode or emptiness matters; parents of files are made anyway."""

    path: str
    mode: int = 0o755

    def identity(self) -> str:
        return f"folder {self.mode:o}"


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    path: str
    target: str

    def identity(self) -> str:
        return f"link {self.target}"


Entry = Copied | Written | Folder | Link


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image: one layer of files, and what the engine starts."""

    repository: str
    """As in ``space-cloud/pause``; the tag is the fingerprint."""

    entries: tuple[Entry, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    """``uid`` or ``uid:gid``; empty is root."""

    environment: tuple[str, ...] = ()
    """``NAME=value``."""

    labels: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """The part of the image's configuration that a container inherits."""
        return {
            "Entrypoint": list(self.entrypoint) or None,
            "Cmd": list(self.command) or None,
            "User": self.user,
            "Env": list(self.environment),
            "WorkingDir": "/",
            "Labels": self.labels,
        }

    def fingerprint(self) -> str:
        """Twelve hex digits that change when a file, by size and time, or a setting changes."""
        digest = hashlib.sha256(_LAYOUT.encode())
        digest.update(json.dumps(self.config, sort_keys=True).encode())
        for entry in sorted(self.entries, key=lambda e: e.path):
            digest.update(f"{entry.path}\0{entry.identity()}\n".encode())
        return digest.hexdigest()[:12]

    def reference(self) -> str:
        return f"{self.repository}:{self.fingerprint()}"


def with_parents(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Every entry once (the last of a path wins), with the folders above it, sorted by path."""
    by_path: dict[str, Entry] = {}
    for entry in entries:
        by_path[entry.path] = entry
    for path in tuple(by_path):
        for parent in PurePosixPath(path).parents:
            if str(parent) != "/":
                by_path.setdefault(str(parent), Folder(str(parent)))
    return tuple(by_path[path] for path in sorted(by_path))
