"""
Recipes as the archives that ``docker load`` takes.

An archive is a function of the files' bytes: no times, no owners, sorted names. The same files
give the same image id, on every machine and after every reinstall, so that a rebuilt image
never looks like a change of the workloads that use it.
"""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO

from spacecloud.drivers.docker.images.recipe import (
    Copied,
    Entry,
    Folder,
    Link,
    Recipe,
    Written,
    with_parents,
)

_CHUNK = 1 << 20
_EPOCH = "1970-01-01T00:00:00Z"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Of this machine, in the engine's words."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def archive(recipe: Recipe, reference: str) -> Generator[bytes, None, None]:
    """The archive in pieces; ``reference`` is the name that the engine gives the image."""
    with tempfile.TemporaryFile() as layer:
        digest = _write_layer(recipe, layer)
        config = json.dumps(
            {
                "architecture": architecture(),
                "os": "linux",
                "created": _EPOCH,
                "config": recipe.config,
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                "history": [{"created": _EPOCH, "created_by": "space-cloud"}],
            },
            sort_keys=True,
        ).encode()
        manifest = json.dumps(
            [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
        ).encode()

        yield _member("config.json", config)
        yield _member("manifest.json", manifest)
        size = layer.tell()
        yield _header("layer.tar", size)
        layer.seek(0)
        while chunk := layer.read(_CHUNK):
            yield chunk
        yield _padding(size) + bytes(2 * tarfile.BLOCKSIZE)


def _write_layer(recipe: Recipe, file: IO[bytes]) -> str:
    """The layer's digest; the file's position is its end."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for entry in with_parents(recipe.entries):
            _add(tar, entry)
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path.lstrip("/"))
    match entry:
        case Folder(mode=mode):
            info.type, info.mode = tarfile.DIRTYPE, mode
            tar.addfile(info)
        case Link(target=target):
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(info)
        case Written(content=content, mode=mode):
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
        case Copied(source=source):
            _copy(tar, info, source)


def _copy(tar: tarfile.TarFile, info: tarfile.TarInfo, source: Path) -> None:
    with source.open("rb") as body:
        stat = source.stat()
        info.size, info.mode = stat.st_size, stat.st_mode & 0o755 | 0o444
        tar.addfile(info, body)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _member(name: str, content: bytes) -> bytes:
    return _header(name, len(content)) + content + _padding(len(content))
