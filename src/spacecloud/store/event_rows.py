"""Events as rows: what happened, for people; the oldest make room for the newest."""

from datetime import UTC, datetime

from spacecloud.model.declared import Event
from spacecloud.store.database import Transaction

KEPT_EVENTS = 10_000


def add_event(db: Transaction, event: Event) -> None:
    last = db.row(
        "SELECT seq, kind, message, severity, reason FROM events WHERE project = ? AND service = ?"
        " ORDER BY seq DESC LIMIT 1",
        event.project,
        event.service,
    )
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")  # so that text sorts
    if last and last[1:] == (event.kind, event.message, event.severity, event.reason):
        db.run(
            "UPDATE events SET count = count + ?, at = ? WHERE seq = ?", event.count, at, last[0]
        )
        return
    db.run(
        "INSERT INTO events (at, project, service, kind, message, severity, count, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        at,
        event.project,
        event.service,
        event.kind,
        event.message,
        event.severity,
        event.count,
        event.reason,
    )
    db.run("DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", KEPT_EVENTS)


def events(db: Transaction, project: str | None, service: str | None, limit: int) -> list[Event]:
    """By the time something was last said: a repeated event is news again."""
    rows = db.rows(
        "SELECT at, project, service, kind, message, severity, count, reason FROM events"
        " WHERE project = coalesce(?, project) AND service = coalesce(?, service)"
        " ORDER BY at DESC, seq DESC LIMIT ?",
        project,
        service,
        max(limit, 0),
    )
    return [Event(datetime.fromisoformat(at), *rest) for at, *rest in rows]
