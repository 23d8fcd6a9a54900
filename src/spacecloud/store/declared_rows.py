"""
Everything that is declared, read cheaply.

The reconciler asks for it on every look. What has not changed since the last answer is not
read, parsed or built again: an unchanged service is the same object.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from spacecloud.errors import Unavailable
from spacecloud.model.addresses import Addresses, Allocation
from spacecloud.model.declared import Declarations, DeclaredService, DeclaredVersion
from spacecloud.model.lenient_reading import STORED
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.revision import Revision
from spacecloud.model.service import Service
from spacecloud.store import revision_rows, scaling_rows, verdict_rows
from spacecloud.store.address_rows import address, network, read_blocks
from spacecloud.store.database import Transaction

Found = tuple[DeclaredService, Allocation]
VERDICT_COLUMNS = 4


class DeclaredReader:
    """Remembers its last answer. For one thread."""

    def __init__(self) -> None:
        self._counter = -1
        self._declared = Declarations({})

    def read(self, db: Transaction) -> Declarations:
        row = db.row("SELECT value FROM counters WHERE name = 'declared'")
        counter = row[0] if row else -1
        if counter != self._counter:
            self._declared = self._refreshed(db) if self._counter >= 0 else self._whole(db)
            self._counter = counter
        return self._declared

    def _whole(self, db: Transaction) -> Declarations:
        found = _read(db, self._declared)
        allocations = {key: allocation for key, (_, allocation) in found.items()}
        addresses = Addresses(MappingProxyType(allocations), MappingProxyType(read_blocks(db)))
        services = {key: service for key, (service, _) in found.items()}
        return Declarations(MappingProxyType(services), addresses)

    def _refreshed(self, db: Transaction) -> Declarations:
        """Only what changed since the last answer is read."""
        known = self._declared
        services, allocations = dict(known.services), dict(known.addresses.services)
        stamped = "SELECT project, service FROM declared_changes WHERE stamp > ?"
        for key in itertools.starmap(ServiceKey, db.rows(stamped, self._counter)):
            now = _read(db, known, key).get(key)
            if now is None:
                services.pop(key, None)
                allocations.pop(key, None)
            else:
                services[key], allocations[key] = now
        if services.keys() != known.services.keys():
            services = dict(sorted(services.items()))
        addresses = _addresses(known.addresses, allocations, read_blocks(db))
        return Declarations(MappingProxyType(services), addresses)


def _addresses(
    known: Addresses,
    allocations: Mapping[ServiceKey, Allocation],
    blocks: Mapping[str, tuple[IPv4Network, ...]],
) -> Addresses:
    """The same object where nothing was given out or back."""
    differs = allocations.keys() != known.services.keys() or any(
        allocation is not known.services[key] for key, allocation in allocations.items()
    )
    if not differs and blocks == known.blocks:
        return known
    allocations = dict(sorted(allocations.items()))
    return Addresses(MappingProxyType(allocations), MappingProxyType(dict(blocks)))


def _read(
    db: Transaction, known: Declarations, only: ServiceKey | None = None
) -> dict[ServiceKey, Found]:
    """Sorted. What did not change since ``known`` is the same object."""
    where = " WHERE project = ? AND service = ?" if only else ""
    versions_where = " WHERE v.project = ? AND v.service = ?" if only else ""
    versions: dict[ServiceKey, list[DeclaredVersion]] = {}
    vips: dict[ServiceKey, dict[str, IPv4Address]] = {}
    for project, service, version, vip, *facts in db.rows(
        "SELECT v.project, v.service, v.version, v.vip, v.generation, v.spec, v.place,"
        " v.applied_at, v.resolved, v.completed, v.scaling, v.untried,"
        " v.confirmed, v.serving_since, v.failed, v.failure,"
        f" {revision_rows.COLUMNS}"
        " FROM versions AS v LEFT JOIN revisions AS r ON r.number = v.revision"
        " AND (r.project, r.service, r.version) = (v.project, v.service, v.version)"
        f"{versions_where} ORDER BY v.project, v.service, v.place",
        *(only or ()),
    ):
        ref = ServiceRef(project, service, version)
        vips.setdefault(ref.key, {})[version] = address(vip)
        before = known.services.get(ref.key)
        versions.setdefault(ref.key, []).append(_version(db, ref, facts, before))
    found: dict[ServiceKey, Found] = {}
    for project, service, subnet, vip in db.rows(
        f"SELECT project, service, subnet, vip FROM services{where} ORDER BY project, service",
        *(only or ()),
    ):
        key = ServiceKey(project, service)
        allocation = Allocation(network(subnet), address(vip), vips.get(key, {}))
        built = DeclaredService(key, tuple(versions.get(key, ())))
        was, held = known.services.get(key), known.addresses.services.get(key)
        found[key] = (
            was if was is not None and _same(was, built) else built,
            held if held == allocation and held is not None else allocation,
        )
    return found


def _same(known: DeclaredService, built: DeclaredService) -> bool:
    return len(known.versions) == len(built.versions) and all(
        a is b for a, b in zip(known.versions, built.versions, strict=True)
    )


def _version(
    db: Transaction, ref: ServiceRef, facts: list[Any], service: DeclaredService | None
) -> DeclaredVersion:
    """A generation is never used twice: within one, only what is recorded of it changes."""
    generation, text, place, applied_at, resolved, completed, scaling, untried, *rest = facts
    verdict, row = rest[:VERDICT_COLUMNS], rest[VERDICT_COLUMNS:]
    latest = revision_rows.revision_from(ref.project, row) if row[0] is not None else None
    recorded = _recorded(db, ref, generation, resolved, latest, verdict)
    recorded["completed"] = completed
    recorded["is_trial_skipped"] = untried == generation
    recorded["scaling"] = scaling_rows.scaling_from(scaling)
    for known in service.versions if service is not None else ():
        if known.generation == generation:
            is_same = all(getattr(known, name) == value for name, value in recorded.items())
            return known if is_same else replace(known, **recorded)
    try:
        spec = Service.model_validate_json(text, context=STORED)
    except ValidationError as error:
        raise Unavailable(
            f"what the store holds for {ref} is not valid in this release: delete it or apply "
            f"it again ({error.error_count()} mistakes)"
        ) from error
    when = datetime.fromisoformat(applied_at)
    return DeclaredVersion(ref, spec, generation, place, applied_at=when, **recorded)


def _recorded(
    db: Transaction,
    ref: ServiceRef,
    generation: int,
    resolved: int,
    latest: Revision | None,
    verdict: list[Any],
) -> dict[str, Any]:
    """Fields of a declared version: its revisions, and what became of the latest."""
    confirmed, serving_since, failed, failure = verdict
    is_latest = latest is not None and latest.number == confirmed
    return {
        "revision": latest,
        "resolved": resolved,
        "confirmed": latest if is_latest else revision_rows.revision(db, ref, confirmed),
        "serving_since": datetime.fromisoformat(serving_since) if serving_since else None,
        "failure": verdict_rows.failure_from(failure) if failed == generation else None,
    }
