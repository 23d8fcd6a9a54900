"""Deletions that do not end, as the database tells them while nobody serves it, too."""

from pathlib import Path

from spacecloud.errors import Unavailable
from spacecloud.model.refs import ServiceKey
from spacecloud.store.database import rows_beside

_STUCK = """
    SELECT project, service, message FROM events AS last
    WHERE kind = ?
    AND seq = (SELECT max(seq) FROM events WHERE (project, service) = (last.project, last.service))
    AND EXISTS (SELECT 1 FROM services WHERE (project, service) = (last.project, last.service))
    AND NOT EXISTS (SELECT 1 FROM versions WHERE (project, service) = (last.project, last.service))
    ORDER BY project, service
"""


def stuck_deletions(database: Path, event_kind: str) -> tuple[tuple[ServiceKey, str], ...]:
    """
    Deleted services that are still there and of which ``event_kind`` was said last, with its words.

    Only reads; empty where there is no database, or none that can be read.
    """
    try:
        rows = rows_beside(database, _STUCK, event_kind)
    except Unavailable:
        return ()
    return tuple((ServiceKey(project, service), message) for project, service, message in rows)
