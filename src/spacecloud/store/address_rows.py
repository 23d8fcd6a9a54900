"""Which addresses are given out, as rows. An ``Allocator`` decides which are next."""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from spacecloud.model.addresses import Allocation, GivenOut
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.store.database import Transaction
from spacecloud.store.port import Allocator

# Parsing an address costs more than reading its row.
address = lru_cache(65_536)(IPv4Address)
network = lru_cache(65_536)(IPv4Network)


def allocate(db: Transaction, allocator: Allocator, ref: ServiceRef) -> IPv4Address:
    """
    The virtual IP of a new version, which the caller writes into its row.

    What the service gets with it is written here. A service that holds addresses keeps them.
    """
    held = _held(db, ref.key)
    grant = allocator.allocate(ref.version, held)
    if held.service is None:
        row = (str(grant.service.subnet), str(grant.service.vip))
        db.run("INSERT INTO services VALUES (?, ?, ?, ?)", *ref.key, *row)
        # The first that was free was taken: all before it are in use.
        end = int(grant.service.subnet.broadcast_address) + 1
        db.run("INSERT OR REPLACE INTO counters VALUES (?, ?)", _lowest(ref.project), end)
    if grant.block is not None:
        db.run("INSERT INTO blocks VALUES (?, ?)", str(grant.block), ref.project)
    db.run("UPDATE counters SET value = ? WHERE name = 'vip'", int(grant.vip))
    return grant.vip


def _held(db: Transaction, key: ServiceKey) -> GivenOut:
    blocks = db.rows("SELECT network FROM blocks WHERE project = ?", key.project)
    last = db.row("SELECT value FROM counters WHERE name = 'vip'")
    lowest = db.row("SELECT value FROM counters WHERE name = ?", _lowest(key.project))
    return GivenOut(
        service=_allocation(db, key),
        blocks=[network(text) for (text,) in blocks],
        foreign=_ForeignBlocks(db, key.project),
        subnets=_TakenSubnets(db),
        vips=_TakenVips(db),
        last_vip=IPv4Address(last[0]) if last and last[0] else None,
        lowest_subnet=lowest[0] if lowest else 0,
    )


def _lowest(project: str) -> str:
    """The counter that says below which address the project's blocks are full."""
    return f"subnet {project}"


def _allocation(db: Transaction, key: ServiceKey) -> Allocation | None:
    of_key = " WHERE project = ? AND service = ?"
    row = db.row("SELECT subnet, vip FROM services" + of_key, *key)
    if row is None:
        return None
    versions = db.rows("SELECT version, vip FROM versions" + of_key, *key)
    vips = {version: address(vip) for version, vip in versions}
    return Allocation(network(row[0]), address(row[1]), vips)


class _ForeignBlocks:
    """Looked at where a project needs another block."""

    def __init__(self, db: Transaction, project: str) -> None:
        self._db = db
        self._project = project

    def __iter__(self) -> Iterator[IPv4Network]:
        rows = self._db.rows("SELECT network FROM blocks WHERE project <> ?", self._project)
        return (network(text) for (text,) in rows)


class _TakenSubnets:
    """Asked one by one: most often the first that is asked for is free."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def __contains__(self, subnet: object) -> bool:
        return self._db.row("SELECT 1 FROM services WHERE subnet = ?", str(subnet)) is not None


class _TakenVips:
    """Asked one by one: most often the first that is asked for is free."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def __contains__(self, vip: object) -> bool:
        sql = (
            "SELECT 1 FROM services WHERE vip = :1 UNION ALL SELECT 1 FROM versions WHERE vip = :1"
        )
        return self._db.row(sql, str(vip)) is not None


def give_back(db: Transaction, key: ServiceKey) -> bool:
    """The service's addresses, and its project's blocks when it was the last. False: it lives."""
    if db.row("SELECT 1 FROM versions WHERE project = ? AND service = ?", *key):
        return False
    held = db.row("SELECT subnet FROM services WHERE project = ? AND service = ?", *key)
    gone = db.run("DELETE FROM services WHERE project = ? AND service = ?", *key)
    if held is not None:
        start = int(network(held[0]).network_address)
        free = "UPDATE counters SET value = min(value, ?) WHERE name = ?"
        db.run(free, start, _lowest(key.project))
    db.run(
        "DELETE FROM blocks WHERE project = :1"
        " AND NOT EXISTS (SELECT 1 FROM services WHERE project = :1)",
        key.project,
    )
    return gone > 0


def read_blocks(db: Transaction) -> dict[str, tuple[IPv4Network, ...]]:
    """Sorted by project, each project's sorted."""
    blocks: dict[str, list[IPv4Network]] = {}
    for project, text in db.rows("SELECT project, network FROM blocks"):
        blocks.setdefault(project, []).append(network(text))
    return {project: tuple(sorted(nets)) for project, nets in sorted(blocks.items())}
