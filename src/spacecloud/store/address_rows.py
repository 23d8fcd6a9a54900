"""Which addresses are handed out, as rows. Deciding is ``model/addresses``."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from spacecloud.model.addresses import Pools, next_subnet, next_vip
from spacecloud.model.refs import ServiceKey
from spacecloud.store.database import Session

# Parsing an address costs more than reading its row.
address = lru_cache(65_536)(IPv4Address)
network = lru_cache(65_536)(IPv4Network)


def allocate_service(db: Session, pools: Pools, key: ServiceKey) -> None:
    """A service that holds addresses already keeps them. ``Conflict`` when a pool is used up."""
    if db.row("SELECT 1 FROM services WHERE project = ? AND service = ?", *key):
        return
    subnet = _take_subnet(db, pools, key.project)
    vip = take_vip(db, pools)
    db.run("INSERT INTO services VALUES (?, ?, ?, ?)", *key, str(subnet), str(vip))


def take_vip(db: Session, pools: Pools) -> IPv4Address:
    """The caller writes it into its row in the same transaction."""
    row = db.row("SELECT value FROM counters WHERE name = 'vip'")
    last = IPv4Address(row[0]) if row and row[0] else None
    vip = next_vip(pools, last, _TakenVips(db))
    db.run("UPDATE counters SET value = ? WHERE name = 'vip'", int(vip))
    return vip


class _TakenVips:
    """Asked one by one: most often the first that is asked for is free."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def __contains__(self, vip: object) -> bool:
        sql = (
            "SELECT 1 FROM services WHERE vip = :1 UNION ALL SELECT 1 FROM versions WHERE vip = :1"
        )
        return self._db.row(sql, str(vip)) is not None


def give_back(db: Session, key: ServiceKey) -> bool:
    """The service's addresses, and its project's blocks when it was the last. False: it lives."""
    if db.row("SELECT 1 FROM versions WHERE project = ? AND service = ?", *key):
        return False
    gone = db.run("DELETE FROM services WHERE project = ? AND service = ?", *key)
    db.run(
        "DELETE FROM blocks WHERE project = :1"
        " AND NOT EXISTS (SELECT 1 FROM services WHERE project = :1)",
        key.project,
    )
    return gone > 0


def _take_subnet(db: Session, pools: Pools, project: str) -> IPv4Network:
    blocks = db.rows("SELECT network, project = ? FROM blocks", project)
    # Another project's subnets are never inside this one's blocks.
    taken = db.rows("SELECT subnet FROM services WHERE project = ?", project)
    subnet, block = next_subnet(
        pools,
        [network(text) for text, ours in blocks if ours],
        [network(text) for text, ours in blocks if not ours],
        [network(text) for (text,) in taken],
    )
    if block is not None:
        db.run("INSERT INTO blocks VALUES (?, ?)", str(block), project)
    return subnet
