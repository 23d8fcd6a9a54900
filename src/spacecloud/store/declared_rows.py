"""
Everything that is declared, read cheaply.

The reconciler asks for it on every look. What has not changed since the last answer is not
read, parsed or built again: an unchanged service is the same object.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from spacecloud.errors import Unavailable
from spacecloud.model.addresses import Allocation
from spacecloud.model.declared import Declared, DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.service import Service
from spacecloud.store.address_rows import address, network
from spacecloud.store.database import Session


class DeclaredReader:
    """Remembers its last answer. For one thread."""

    def __init__(self) -> None:
        self._counter = -1
        self._generation = 0
        self._declared = Declared({}, {})
        self._versions: dict[ServiceRef, DeclaredVersion] = {}

    def read(self, db: Session) -> Declared:
        row = db.row("SELECT value FROM counters WHERE name = 'declared'")
        counter = row[0] if row else -1
        if counter != self._counter:
            self._versions = self._read_versions(db)
            self._declared = Declared(self._services(db), MappingProxyType(_blocks(db)))
            self._counter = counter
        return self._declared

    def _read_versions(self, db: Session) -> dict[ServiceRef, DeclaredVersion]:
        # Generations only grow, so what is newer than the last one seen is what is unknown.
        specs: dict[int, str] = dict(
            db.rows("SELECT generation, spec FROM versions WHERE generation > ?", self._generation)
        )
        versions = {}
        for project, service, version, generation, *facts in db.rows(
            "SELECT project, service, version, generation, place, vip, images, applied_at"
            " FROM versions ORDER BY project, service, place"
        ):
            ref = ServiceRef(project, service, version)
            text = specs.get(generation)
            known = self._versions.get(ref) if text is None else None
            versions[ref] = (
                _refreshed(known, facts) if known else _built(ref, generation, text, facts)
            )
        self._generation = max((v.generation for v in versions.values()), default=self._generation)
        return versions

    def _services(self, db: Session) -> Mapping[ServiceKey, DeclaredService]:
        of_service: dict[ServiceKey, list[DeclaredVersion]] = {}
        for version in self._versions.values():
            of_service.setdefault(version.ref.key, []).append(version)
        services = {}
        for project, service, subnet, vip in db.rows(
            "SELECT project, service, subnet, vip FROM services ORDER BY project, service"
        ):
            key = ServiceKey(project, service)
            allocation = Allocation(network(subnet), address(vip))
            built = DeclaredService(key, allocation, tuple(of_service.get(key, ())))
            known = self._declared.services.get(key)
            services[key] = known if known is not None and _same(known, built) else built
        return MappingProxyType(services)


def _same(known: DeclaredService, built: DeclaredService) -> bool:
    return (
        known.allocation == built.allocation
        and len(known.versions) == len(built.versions)
        and all(a is b for a, b in zip(known.versions, built.versions, strict=True))
    )


def _refreshed(known: DeclaredVersion, facts: list[Any]) -> DeclaredVersion:
    """Only pinned images change without a new generation."""
    images = json.loads(facts[2])
    return known if images == known.images else replace(known, images=images)


def _built(ref: ServiceRef, generation: int, text: str | None, facts: list[Any]) -> DeclaredVersion:
    place, vip, images, applied_at = facts
    try:
        spec = Service.model_validate_json(text or "")
    except ValidationError as error:
        raise Unavailable(
            f"what the store holds for {ref} is not valid in this release: delete it or apply "
            f"it again ({error.error_count()} mistakes)"
        ) from error
    return DeclaredVersion(
        ref,
        spec,
        generation,
        place,
        address(vip),
        json.loads(images),
        datetime.fromisoformat(applied_at),
    )


def _blocks(db: Session) -> dict[str, tuple[Any, ...]]:
    blocks: dict[str, list[Any]] = {}
    for project, text in db.rows("SELECT project, network FROM blocks"):
        blocks.setdefault(project, []).append(network(text))
    return {project: tuple(sorted(nets)) for project, nets in sorted(blocks.items())}
