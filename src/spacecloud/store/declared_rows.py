"""
Everything that is declared, read cheaply.

The reconciler asks for it on every look. What has not changed since the last answer is not
read, parsed or built again: an unchanged service is the same object.
"""

import itertools
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
from spacecloud.model.stored import STORED
from spacecloud.store.address_rows import address, network
from spacecloud.store.database import Session


class DeclaredReader:
    """Remembers its last answer. For one thread."""

    def __init__(self) -> None:
        self._counter = -1
        self._declared = Declared({}, {})

    def read(self, db: Session) -> Declared:
        row = db.row("SELECT value FROM counters WHERE name = 'declared'")
        counter = row[0] if row else -1
        if counter != self._counter:
            known = self._declared.services
            services = self._refreshed(db) if self._counter >= 0 else _read(db, known)
            self._declared = Declared(MappingProxyType(services), MappingProxyType(_blocks(db)))
            self._counter = counter
        return self._declared

    def _refreshed(self, db: Session) -> dict[ServiceKey, DeclaredService]:
        """Only what changed since the last answer is read."""
        services = dict(self._declared.services)
        stamped = "SELECT project, service FROM declared_changes WHERE stamp > ?"
        for key in itertools.starmap(ServiceKey, db.rows(stamped, self._counter)):
            now = _read(db, self._declared.services, key).get(key)
            if now is None:
                services.pop(key, None)
            else:
                services[key] = now
        if services.keys() == self._declared.services.keys():
            return services
        return dict(sorted(services.items()))


def _read(
    db: Session, known: Mapping[ServiceKey, DeclaredService], only: ServiceKey | None = None
) -> dict[ServiceKey, DeclaredService]:
    """Sorted. What did not change since ``known`` is the same object."""
    where = " WHERE project = ? AND service = ?" if only else ""
    versions: dict[ServiceKey, list[DeclaredVersion]] = {}
    for project, service, version, *facts in db.rows(
        "SELECT project, service, version, generation, spec, place, vip, images, applied_at"
        f" FROM versions{where} ORDER BY project, service, place",
        *(only or ()),
    ):
        ref = ServiceRef(project, service, version)
        versions.setdefault(ref.key, []).append(_version(ref, facts, known.get(ref.key)))
    services = {}
    for project, service, subnet, vip in db.rows(
        f"SELECT project, service, subnet, vip FROM services{where} ORDER BY project, service",
        *(only or ()),
    ):
        key = ServiceKey(project, service)
        allocation = Allocation(network(subnet), address(vip))
        built = DeclaredService(key, allocation, tuple(versions.get(key, ())))
        before = known.get(key)
        services[key] = before if before is not None and _same(before, built) else built
    return services


def _same(known: DeclaredService, built: DeclaredService) -> bool:
    return (
        known.allocation == built.allocation
        and len(known.versions) == len(built.versions)
        and all(a is b for a, b in zip(known.versions, built.versions, strict=True))
    )


def _version(ref: ServiceRef, facts: list[Any], service: DeclaredService | None) -> DeclaredVersion:
    """A generation is never used twice: within one, only pinned images change."""
    generation, text, place, vip, images_text, applied_at = facts
    images = json.loads(images_text)
    for known in service.versions if service is not None else ():
        if known.generation == generation:
            return known if images == known.images else replace(known, images=images)
    try:
        spec = Service.model_validate_json(text, context=STORED)
    except ValidationError as error:
        raise Unavailable(
            f"what the store holds for {ref} is not valid in this release: delete it or apply "
            f"it again ({error.error_count()} mistakes)"
        ) from error
    when = datetime.fromisoformat(applied_at)
    return DeclaredVersion(ref, spec, generation, place, address(vip), images, when)


def _blocks(db: Session) -> dict[str, tuple[Any, ...]]:
    blocks: dict[str, list[Any]] = {}
    for project, text in db.rows("SELECT project, network FROM blocks"):
        blocks.setdefault(project, []).append(network(text))
    return {project: tuple(sorted(nets)) for project, nets in sorted(blocks.items())}
