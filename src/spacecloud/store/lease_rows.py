"""Until when which replicas work, as they have said. A row goes with its version."""

from datetime import datetime

from spacecloud.model.lease import Lease
from spacecloud.model.refs import ServiceRef
from spacecloud.store.database import Transaction

OF_THIS_VERSION = " WHERE project = ? AND service = ? AND version = ?"


def take(db: Transaction, now: datetime, lease: Lease) -> bool:
    """Was there such a version? Those that have ended go meanwhile: no more rows than replicas."""
    db.run("DELETE FROM leases WHERE until <= ?", now.isoformat())
    return bool(
        db.run(
            "INSERT OR REPLACE INTO leases SELECT project, service, version, ?, ? FROM versions"
            + OF_THIS_VERSION,
            lease.replica,
            lease.until.isoformat(),
            *lease.ref,
        )
    )


def give_back(db: Transaction, ref: ServiceRef, replica: str) -> None:
    db.run("DELETE FROM leases" + OF_THIS_VERSION + " AND replica = ?", *ref, replica)


def leases(db: Transaction) -> list[Lease]:
    rows = db.rows("SELECT project, service, version, replica, until FROM leases")
    return [
        Lease(ServiceRef(project, service, version), replica, datetime.fromisoformat(until))
        for project, service, version, replica, until in rows
    ]
