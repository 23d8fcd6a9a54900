"""
One SQLite file, one writer, one reader.

A write returns when it is on the disk: WAL with ``synchronous=FULL``. Writes are queued on a
thread and a connection of their own and never wait for a reader, nor a reader for them; the
event loop waits for neither. SQLite's errors end here, as ``Unavailable``.
"""

import asyncio
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from spacecloud.errors import Unavailable
from spacecloud.model.declared import Change
from spacecloud.store.migrations import APPLICATION_ID, MIGRATIONS
from spacecloud.store.notifier import Notifier

T = TypeVar("T")
logger = logging.getLogger(__name__)
BUSY_TIMEOUT_MS = 5000
LEAST_FREE_BYTES = 64 * 1024
"""What a write needs beside the room that SQLite holds already."""

DISK_FULL = "nothing can be declared: the disk that holds the database is full"
NOT_WRITTEN = "nothing can be declared: the database cannot be written, see the log"


class Transaction:
    """A transaction in progress: rows in, rows out, and what to notify of once it is durable."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.changes: list[Change] = []

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        answer: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        return answer

    def run(self, sql: str, *values: Any) -> int:
        """How many rows it touched."""
        return self._connection.execute(sql, values).rowcount

    def notify(self, change: Change) -> None:
        self.changes.append(change)

    def copy_to(self, other: sqlite3.Connection) -> None:
        self._connection.backup(other)


def matching(**columns: str | None) -> tuple[str, list[str]]:
    """A condition on the columns that have a value here, and the values: found by an index."""
    given = {name: value for name, value in columns.items() if value is not None}
    where = " AND ".join(f"{name} = ?" for name in given)
    return (f" WHERE {where}" if where else ""), list(given.values())


class Database:
    def __init__(
        self, path: Path, writing: sqlite3.Connection, reading: sqlite3.Connection
    ) -> None:
        self.notifier = Notifier()
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._writing, self._reading = writing, reading
        self._writer = ThreadPoolExecutor(1, "store-write")
        self._reader = ThreadPoolExecutor(1, "store-read")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncGenerator[Self]:
        """``Unavailable`` when the file is not ours, damaged, or of a newer release."""
        with ExitStack() as opened:
            with _as_unavailable(path):
                _own_file(path)
                _observer(path)
                writing = opened.enter_context(closing(_connect(path)))
                migrate(writing, path)
                reading = opened.enter_context(closing(_connect(path)))
                reading.execute("PRAGMA query_only = ON")
            self = cls(path, writing, reading)
            opened.enter_context(self._writer)
            opened.enter_context(self._reader)
            opened.callback(self.notifier.close)
            yield self

    @asynccontextmanager
    async def copy(self) -> AsyncGenerator["Database"]:
        """All of it as it is now, in memory; for one task at a time."""
        with ExitStack() as opened:
            connection = opened.enter_context(
                closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
            )
            await self.read(lambda db: db.copy_to(connection))
            copied = Database(self._path, connection, connection)
            opened.enter_context(copied._writer)
            opened.enter_context(copied._reader)
            opened.callback(copied.notifier.close)
            yield copied

    async def rewrite(self) -> None:
        """Leave nothing in the files of what was deleted or overwritten."""
        await self._loop.run_in_executor(self._writer, self._rewrite)

    def _rewrite(self) -> None:
        with _as_unavailable(self._path):
            self._writing.execute("VACUUM")
            self._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run it in one transaction; all of it is durable on return, or none of it happened."""
        return await self._loop.run_in_executor(self._writer, self._write, work)

    async def check_writes(self) -> None:
        """``Unavailable`` where nothing could be written now. Costs a write."""
        try:
            room = await asyncio.to_thread(shutil.disk_usage, self._path.parent)
            if room.free >= LEAST_FREE_BYTES:
                await self.write(_write_check)
                return
        except (Unavailable, OSError) as error:
            if getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                logger.warning("the database cannot be written: %s", error)
                raise Unavailable(NOT_WRITTEN) from error
        raise Unavailable(DISK_FULL)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run it against one snapshot."""
        return await self._loop.run_in_executor(self._reader, self._read, work)

    def _write(self, work: Callable[[Transaction], T]) -> T:
        transaction = Transaction(self._writing)
        with _as_unavailable(self._path):
            self._writing.execute("BEGIN IMMEDIATE")
            with self._writing:
                answer = work(transaction)
        if transaction.changes:
            # From here and not from the coroutine: that one may have been cancelled meanwhile.
            self._loop.call_soon_threadsafe(self.notifier.notify, transaction.changes)
        return answer

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with _as_unavailable(self._path):
            self._reading.execute("BEGIN")
            with self._reading:
                return work(Transaction(self._reading))


def rows_beside(path: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Of a file that another process may have open; ``Unavailable`` where it cannot be read."""
    with (
        _as_unavailable(path),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection,
    ):
        return connection.execute(sql, values).fetchall()


def _write_check(db: Transaction) -> None:
    db.run(
        "INSERT INTO counters VALUES ('write check', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1"
    )


def check(connection: sqlite3.Connection, path: Path, known: int = len(MIGRATIONS)) -> int:
    """Its version. ``Unavailable`` where it is not ours, of a newer release, or damaged."""
    (marked,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if marked != APPLICATION_ID and (version or tables):
        raise Unavailable(f"{path} is a database of another program: move it away")
    if version > known:
        raise Unavailable(
            f"{path} was written by a newer release (its format is {version}, this release "
            f"knows up to {known}): install that release, or restore a backup"
        )
    (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if result != "ok":
        raise Unavailable(f"the database {path} is damaged ({result}): restore a backup")
    return int(version)


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
) -> None:
    version = check(connection, path, len(migrations))
    for number, statements in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")


def _observer(path: Path) -> None:
    """Before anything is written to it, its journal's mode among that."""
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
        try:
            check(connection, path)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise Unavailable(
                    f"the database {path} failed: {error}: restore it from a backup"
                ) from error
            raise


def _own_file(path: Path) -> None:
    """SQLite gives its other files the mode of the first."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def _as_unavailable(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise Unavailable(f"the database {path} failed: {error}") from error
    except OSError as error:
        raise Unavailable(f"the database {path} failed: {error.strerror}") from error
