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
    taken = {
        address(vip)
        for (vip,) in db.rows("SELECT vip FROM services UNION ALL SELECT vip FROM versions")
    }
    row = db.row("SELECT value FROM counters WHERE name = 'vip'")
    last = IPv4Address(row[0]) if row and row[0] else None
    vip = next_vip(pools, last, taken)
    db.run("UPDATE counters SET value = ? WHERE name = 'vip'", int(vip))
    return vip


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


def read_blocks(db: Session) -> dict[str, tuple[IPv4Network, ...]]:
    """Sorted by project, each project's sorted."""
    blocks: dict[str, list[IPv4Network]] = {}
    for project, text in db.rows("SELECT project, network FROM blocks"):
        blocks.setdefault(project, []).append(network(text))
    return {project: tuple(sorted(nets)) for project, nets in sorted(blocks.items())}


def _take_subnet(db: Session, pools: Pools, project: str) -> IPv4Network:
    blocks = db.rows("SELECT network, project = ? FROM blocks", project)
    # Another project's subnets are never inside this one's blocks.
    taken = db.rows("SELECT subnet FROM services WHERE project = ?", project)
    subnet, block = next_subnet(
        pools,
        [network(text) for text, ours in blocks if ours],
        [network(text) for text, ours in blocks if not ours],
        {network(text) for (text,) in taken},
    )
    if block is not None:
        db.run("INSERT INTO blocks VALUES (?, ?)", str(block), project)
    return subnet
