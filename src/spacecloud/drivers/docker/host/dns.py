"""The Docker driver's Names: a file per service, which the resolver reads as it changes."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from spacecloud.dns import zone
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.errors import Transient
from spacecloud.files import FOR_ALL, write_atomically
from spacecloud.model.refs import HOST, ServiceKey


class DnsmasqNames:
    """Fulfils ``drivers.driver.Names``."""

    def __init__(self, run: RunDirectory) -> None:
        self._dir = run.names
        self._staging = run.staging

    async def publish(self, key: ServiceKey, names: zone.Names) -> None:
        await asyncio.to_thread(self._write, key, names)

    async def published(self) -> Mapping[ServiceKey, zone.Names]:
        return await asyncio.to_thread(self._read)

    def _write(self, key: ServiceKey, names: zone.Names) -> None:
        """Whole or not at all: the resolver never sees half a file."""
        target = self._dir / zone.file_name(key)
        try:
            if not names:
                target.unlink(missing_ok=True)
                return
            self._dir.mkdir(parents=True, exist_ok=True)
            self._staging.mkdir(parents=True, exist_ok=True)
            write_atomically(target, zone.hosts_file(names), FOR_ALL, self._staging)
        except OSError as error:
            raise Transient(f"cannot write the names of {key}: {error}") from error

    def _read(self) -> dict[ServiceKey, zone.Names]:
        found: dict[ServiceKey, zone.Names] = {}
        try:
            entries = list(os.scandir(self._dir))
        except FileNotFoundError:
            return found
        except OSError as error:
            raise Transient(f"cannot read {self._dir}: {error}") from error
        for entry in entries:
            key = zone.key_of(entry.name)
            if key is None or key == HOST or not entry.is_file(follow_symlinks=False):
                # A folder or a pipe of a service's name holds up its names, and nobody else's.
                continue
            try:
                # What somebody else made of a file is a difference to mend, not a failure.
                found[key] = zone.read_hosts(Path(entry.path).read_text("ascii", "replace"))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Transient(f"cannot read {entry.path}: {error}") from error
        return found
