"""What only a file on a real disk can show: kills, clear text, foreign files, upgrades."""

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import pytest

from spacecloud.errors import InvalidSpec, Unavailable
from spacecloud.model.addresses import PoolAllocator, Pools
from spacecloud.model.declared import Change, Event
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceRef
from spacecloud.model.secret import REDACTED, Secret
from spacecloud.model.service import Service
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store.database import Database, migrate
from spacecloud.store.event_rows import KEPT_EVENTS
from spacecloud.store.migrations import FIRST, MIGRATIONS, WHICH_CHANGED
from spacecloud.store.port import NextRevision
from spacecloud.store.sqlite import SqliteStore

NOW = datetime(2030, 1, 2, tzinfo=UTC)
API = ServiceRef("shop", "api", "v1")
CLEAR = "correct-horse-battery-staple"

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from spacecloud.model.addresses import PoolAllocator, Pools
from spacecloud.model.refs import ServiceRef
from spacecloud.model.service import Service
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store.port import NextRevision
from spacecloud.store.sqlite import SqliteStore

async def main(folder: Path, start: int) -> None:
    database = folder / "store.db"
    sealer = open_sealer(folder / "secret.key", database)
    now = lambda: datetime(2030, 1, 1, tzinfo=UTC)
    async with SqliteStore.open(database, PoolAllocator(Pools()), sealer, now) as store:
        for n in range(start, start + 1_000_000):
            ref = ServiceRef("shop", f"s{n % 50}", f"v{n % 3}")
            tasks = [{"id": "main", "docker": {"image": f"app:{n}"}}]
            spec = Service.model_validate({"tasks": tasks, "labels": {"n": str(n)}})
            accepted = await store.put_service(ref, spec)
            print(n, accepted.generation, flush=True)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def opened(
    folder: Path, pools: Pools = Pools(), own_ports: frozenset[int] = frozenset()
) -> AbstractAsyncContextManager[SqliteStore]:
    path = folder / "store.db"
    sealer = open_sealer(folder / "secret.key", path)
    return SqliteStore.open(path, PoolAllocator(pools), sealer, lambda: NOW, own_ports)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(tmp_path) as store:
        yield store


def a_service(**fields: object) -> Service:
    return Service.model_validate({"tasks": [{"id": "main", "docker": {"image": "a"}}], **fields})


async def test_an_acknowledged_write_survives_a_killed_writer(tmp_path: Path) -> None:
    """Killed twenty times in the middle of writing, after a different number of writes each."""
    latest: dict[ServiceRef, tuple[int, int]] = {}
    start = 0
    for kill in range(20):
        acknowledged = await _write_until_killed(tmp_path, start, after=1 + kill * 3)
        for n, generation in acknowledged:
            latest[ServiceRef("shop", f"s{n % 50}", f"v{n % 3}")] = (n, generation)
        start = acknowledged[-1][0] + 1

        with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert raw.execute("PRAGMA foreign_key_check").fetchall() == []

    async with opened(tmp_path) as store:
        kept = {v.ref: v for v in await store.versions()}
    for ref, (n, generation) in latest.items():
        assert kept[ref].generation >= generation
        assert int(kept[ref].spec.labels["n"]) >= n


async def _write_until_killed(folder: Path, start: int, after: int) -> list[tuple[int, int]]:
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        str(folder),
        str(start),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    lines += (await writer.stdout.read()).splitlines(keepends=True)
    await writer.wait()
    whole = [line.split() for line in lines if line.endswith(b"\n")]
    assert whole, "the writer wrote nothing"
    return [(int(n), int(generation)) for n, generation in whole]


async def test_no_secret_value_is_in_any_file_of_the_store(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        data = {"PASS": CLEAR, "OTHER": "x"}
        await store.put_secret("shop", "db", Secret.model_validate({"type": "env", "data": data}))
        await store.set_secret_key("shop", "db", "MORE", CLEAR[::-1])
        await store.delete_secret_key("shop", "db", "PASS")
        keys = [{"alg": "HS256", "secret": CLEAR}, {"kid": "rsa", "privateKey": CLEAR}]
        project = Project.model_validate({"secrets": keys, "aesKey": CLEAR})
        await store.put_project("shop", project)
        await store.put_service(API, a_service(labels={"findable": "needle-in-the-file"}))
        while_open = _all_bytes(tmp_path)
    after = _all_bytes(tmp_path)

    assert b"needle-in-the-file" in while_open
    assert CLEAR.encode() not in while_open + after
    assert CLEAR[::-1].encode() not in while_open + after


@pytest.mark.parametrize("cut_short", [False, True])
async def test_the_keys_that_an_earlier_release_kept_in_clear_are_sealed(
    tmp_path: Path, cut_short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_sealer(tmp_path / "secret.key", tmp_path / "store.db")
    document = {"name": "needle", "aesKey": CLEAR, "secrets": [{"kid": "a", "secret": CLEAR}]}
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        migrate(raw, tmp_path / "store.db", (FIRST, WHICH_CHANGED))
        raw.execute("INSERT INTO projects VALUES ('shop', ?)", (json.dumps(document),))
    before = _all_bytes(tmp_path)
    if cut_short:
        with monkeypatch.context() as patch, pytest.raises(Cut):
            patch.setattr(Database, "rewrite", _cut)
            async with opened(tmp_path):
                pass

    async with opened(tmp_path) as store:
        (stored,) = await store.projects()
        project = Project.model_validate({**stored.document, "name": "other"})
        kept = await store.put_project("shop", project)
        while_open = _all_bytes(tmp_path)

    assert CLEAR.encode() in before
    assert stored.document["aesKey"] == stored.document["secrets"][0]["secret"] == REDACTED
    assert kept.change == "updated"
    assert CLEAR.encode() not in while_open + _all_bytes(tmp_path)


class Cut(Exception):
    """The process ended here."""


async def _cut(_: Database) -> None:
    raise Cut


def _all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


async def test_only_the_owner_can_read_the_files_of_the_store(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_service(API, a_service())

        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert set(modes) >= {"store.db", "store.db-wal", "secret.key"}
    assert set(modes.values()) == {0o600}


async def test_a_write_that_nobody_waits_for_any_more_still_rings(store: SqliteStore) -> None:
    changes = store.changes()
    write = asyncio.create_task(store.put_service(API, a_service()))
    await asyncio.sleep(0)
    write.cancel()
    await asyncio.wait([write])

    if await store.service(API.key) is not None:
        async with asyncio.timeout(30):
            heard = {await anext(changes), await anext(changes)}
        assert Change("service", "shop", "api") in heard


async def test_hints_that_nobody_reads_take_bounded_room_and_end_with_the_store(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        changes = store.changes()
        for n in range(20):
            await store.put_service(API, a_service(labels={"n": str(n)}))

    async with asyncio.timeout(30):
        heard = [change async for change in changes]
    assert len(heard) == len(set(heard)) == 2


async def test_the_store_keeps_the_last_events_only(store: SqliteStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        raw.executemany(
            "INSERT INTO events (at, project, service, kind, message, severity, count)"
            " VALUES (?, 'shop', 'api', 'Said', ?, 'info', 1)",
            [(NOW.isoformat(timespec="microseconds"), f"m{n}") for n in range(KEPT_EVENTS)],
        )
        raw.commit()

    await store.add_event(Event(NOW, "shop", "api", "Said", "one more"))

    events = await store.events(limit=KEPT_EVENTS * 2)
    assert len(events) == KEPT_EVENTS
    assert events[0].message == "one more"
    assert events[-1].message == "m1"


async def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    before = (tmp_path / "store.db").read_bytes()

    with pytest.raises(Unavailable, match="another program"):
        async with Database.open(tmp_path / "store.db"):
            pass

    assert (tmp_path / "store.db").read_bytes() == before


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database" * 1000)

    with pytest.raises(Unavailable, match="not a database: restore it from a backup"):
        async with Database.open(tmp_path / "store.db"):
            pass


@pytest.mark.attack
async def test_a_database_whose_pages_are_damaged_is_refused_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_project("shop", Project())
    path = tmp_path / "store.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    before = path.read_bytes()

    with pytest.raises(Unavailable, match=r"store\.db.*restore"):
        async with opened(tmp_path):
            pass

    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=re.escape(str(tmp_path / "nowhere"))):
        async with Database.open(tmp_path / "nowhere" / "store.db"):
            pass


async def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_service(API, a_service())
    with closing(sqlite3.connect(tmp_path / "store.db")) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    with pytest.raises(Unavailable, match="newer release"):
        async with opened(tmp_path):
            pass


def test_an_interrupted_upgrade_keeps_the_steps_it_finished(tmp_path: Path) -> None:
    good, bad = ("CREATE TABLE second (x)",), ("CREATE TABLE third (x)", "nonsense")
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as raw:
        with pytest.raises(sqlite3.OperationalError):
            migrate(raw, tmp_path / "x.db", (FIRST, good, bad))

        assert raw.execute("PRAGMA user_version").fetchone() == (2,)
        migrate(raw, tmp_path / "x.db", (FIRST, good, ("CREATE TABLE third (x)",)))
        tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_schema")}

    assert {"second", "third"} <= tables


async def test_a_database_opened_with_another_key_says_what_to_restore(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    (tmp_path / "secret.key").rename(tmp_path / "old.key")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    open_sealer(elsewhere / "secret.key", elsewhere / "store.db")
    (elsewhere / "secret.key").rename(tmp_path / "secret.key")

    with pytest.raises(Unavailable, match=r"secret\.key.*restore"):
        async with opened(tmp_path):
            pass


async def test_what_did_not_change_is_the_same_object_in_the_next_answer(
    store: SqliteStore,
) -> None:
    web = ServiceRef("shop", "web", "v1")
    await store.put_service(API, a_service())
    await store.put_service(web, a_service())
    first = await store.declared()

    again = await store.declared()
    await store.put_service(API, a_service(labels={"a": "b"}))
    changed = await store.declared()

    assert again is first
    assert changed.services[web.key] is first.services[web.key]
    assert changed.services[API.key] != first.services[API.key]


async def test_a_thousand_services_are_read_again_within_milliseconds(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for n in range(1000):
            await store.put_service(ServiceRef(f"p{n % 5}", f"s{n}", "v1"), a_service())

        cold = await _seconds(store)
        same = min([await _seconds(store) for _ in range(5)])
        await store.put_service(ServiceRef("p0", "s0", "v1"), a_service(labels={"a": "b"}))
        one_changed = await _seconds(store)

    print(f"declared(): cold {cold:.4f}, same {same:.4f}, one changed {one_changed:.4f} s")
    assert same < 0.005
    assert one_changed < 0.1


async def _seconds(store: SqliteStore) -> float:
    start = perf_counter()
    await store.declared()
    return perf_counter() - start


async def test_what_is_remembered_of_the_declared_is_what_a_fresh_look_says(
    store: SqliteStore, tmp_path: Path
) -> None:
    """After any row of edits, and what no edit concerned is the same object as before."""
    dice = random.Random(7)
    refs = [ServiceRef(p, s, v) for p in ("a", "b") for s in ("x", "y", "z") for v in ("v1", "v2")]
    before = await store.declared()
    for _ in range(150):
        ref = dice.choice(refs)
        match dice.randrange(5):
            case 0 | 1:
                labels = {"n": str(dice.randrange(3))}
                await store.put_service(ref, a_service(labels=labels))
            case 2:
                await store.delete_service(ref)
            case 3:
                await store.release(ref.key)
            case 4:
                before = await store.declared()
                for declared in await store.versions(ref.project, ref.service):
                    images = {"main": f"sha256:{dice.randrange(3)}"}
                    number = declared.revision.number if declared.revision is not None else 0
                    next = NextRevision(number + dice.randrange(2), "hash", images, ())
                    await store.record_revision(declared.ref, declared.generation, next)
        if dice.randrange(3):
            continue
        now = await store.declared()
        async with opened(tmp_path) as fresh:
            anew = await fresh.declared()
        assert list(now.services.items()) == list(anew.services.items())
        assert list(now.addresses.services.items()) == list(anew.addresses.services.items())
        assert now.addresses.blocks == anew.addresses.blocks
        assert now.addresses is before.addresses or now.addresses != before.addresses
        for key, service in now.services.items():
            assert service is before.services.get(key) or service != before.services.get(key)
        for key, held in now.addresses.services.items():
            known = before.addresses.services.get(key)
            assert held is known or held != known
        before = now
    assert before.services


async def test_a_disk_without_room_is_told_until_there_is_some_and_is_read_meanwhile(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    subprocess.run(mount, check=True, timeout=60)
    try:
        async with opened(disk) as store:
            await store.put_service(API, a_service())
            await store.check_writes()
            stuffing = disk / "stuffing"
            with pytest.raises(OSError, match="No space left"), stuffing.open("wb") as file:
                for _ in range(1 << 20):
                    file.write(b"x" * 4096)

            with pytest.raises(Unavailable, match="disk that holds the database is full") as told:
                await store.check_writes()
            assert str(disk) not in str(told.value)
            assert [version.ref for version in await store.versions()] == [API]

            stuffing.unlink()
            await store.check_writes()
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=60)


@pytest.mark.attack
async def test_a_project_is_given_no_port_of_the_platform_itself(tmp_path: Path) -> None:
    """Whoever comes from the host's loopback counts as somebody on this machine."""
    asked = [{"port": port} for port in (5432, 4122, 15001)]
    project = Project.model_validate({"egress": asked})
    async with opened(tmp_path, own_ports=frozenset({4122, 4123, 15001})) as store:
        async with store.copy() as copy:
            for tried in (store, copy):
                with pytest.raises(InvalidSpec) as caught:
                    await tried.put_project("shop", project)
                assert [(m.path, m.value) for m in caught.value.mistakes] == [
                    ("spec.egress[1].port", 4122),
                    ("spec.egress[2].port", 15001),
                ]
        assert await store.projects() == []
        await store.put_project("shop", Project.model_validate({"egress": [{"port": 5432}]}))
