"""
A database of the release before revisions were stored, with ten services that run.

It was written by that release's own code; ``HASHES`` is what it gave their replicas to carry.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spacecloud.errors import NotFound
from spacecloud.mesh.policy import Policy
from spacecloud.model.addresses import PoolAllocator, Pools
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scale import declared_replicas
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store.database import migrate
from spacecloud.store.migrations import MIGRATIONS
from spacecloud.store.port import NextRevision
from spacecloud.store.sqlite import SqliteStore
from spacecloud.workloads.decide import decide
from spacecloud.workloads.forecast import plan
from spacecloud.workloads.observed import History, Observed, ObservedWorkloads
from spacecloud.workloads.operations import CreateReplica, RecordRevision
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Declared, Situation

SQL = Path(__file__).parent.parent / "golden" / "store_before_revisions.sql"
KEY = "aes-256-gcm:dW2ooFswtIhOLnJC3knyhmuKMBe4fPhdPEEI701WjrM=\n"
BEFORE_REVISIONS = 3
NOW = datetime(2026, 11, 2, tzinfo=UTC)
HASHES = {
    "s0": "87f3b524ce6d",
    "s1": "9e0ef43cbf4e",
    "s2": "1273e12e78f4",
    "s3": "4738792c5caf",
    "s4": "81b4b1246aa7",
    "s5": "ad780ad1da6a",
    "s6": "0ce37407e296",
    "s7": "18c6da23c4d7",
    "s8": "8cdb8ca62cd0",
    "s9": "5d3c08452cf3",
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    path = tmp_path / "store.db"
    (tmp_path / "secret.key").write_text(KEY)
    (tmp_path / "secret.key").chmod(0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript(SQL.read_text())
    sealer = open_sealer(tmp_path / "secret.key", path)
    async with SqliteStore.open(path, PoolAllocator(Pools()), sealer, lambda: NOW) as store:
        yield store


async def desired_of(store: SqliteStore, key: ServiceKey) -> Declared:
    declared = await store.declared()
    secrets = {facts.id: facts for facts in await store.secrets(key.project)}
    service = declared.services[key]
    wanted = {version.ref: declared_replicas(version.spec) for version in service.versions}
    face, allocation = Policy(declared).face(key), declared.addresses.services[key]
    return Declared(service, face, allocation, secrets, wanted)


async def running(store: SqliteStore, service: str) -> Situation:
    """As declared, and as the earlier release left it: its replicas carry that one's hash."""
    key = ServiceKey("shop", service)
    desired = await desired_of(store, key)
    images = {image: image for v in desired.versions for image in v.images.values()}
    images |= {
        task.docker.image: v.images.get(task.id, "sha256:here")
        for v in desired.versions
        for task in v.spec.tasks
    }
    world = Observed(ObservedWorkloads(key, None), images=dict(images))
    situation = Situation(desired, world, History(), NOW)
    for step in plan(situation).steps:
        situation = simulate(situation, step.op)
    workloads = situation.observed.workloads
    old = tuple(replace(r, revision=HASHES[service]) for r in workloads.replicas)
    observed = replace(situation.observed, workloads=replace(workloads, replicas=old))
    return replace(situation, desired=desired, observed=observed)


@pytest.mark.parametrize("service", HASHES)
async def test_what_an_earlier_release_left_running_stays(store: SqliteStore, service: str) -> None:
    situation = await running(store, service)

    assert len(situation.observed.workloads.replicas) in (1, 2)
    assert decide(situation).steps == ()


async def test_what_runs_is_revision_1_with_the_hash_that_it_carries(store: SqliteStore) -> None:
    versions = {v.ref.service: v for v in await store.versions("shop")}
    kept = {name: await store.revisions(versions[name].ref) for name in HASHES}

    assert {name: [(r.number, r.hash) for r in kept[name]] for name in HASHES} == {
        name: [(1, hash)] for name, hash in HASHES.items()
    }
    assert [versions[name].revision for name in HASHES] == [kept[name][0] for name in HASHES]
    assert [(s.id, s.version) for s in kept["s4"][0].secrets] == [("conf", 1), ("db", 2)]
    assert kept["s8"][0].document == versions["s8"].spec.as_given()
    assert kept["s8"][0].generation == versions["s8"].generation
    assert versions["pending"].revision is None


async def test_a_replica_that_ran_something_else_before_the_upgrade_is_replaced(
    store: SqliteStore,
) -> None:
    situation = await running(store, "s0")
    workloads = situation.observed.workloads
    other = tuple(replace(r, revision="0123456789ab") for r in workloads.replicas)
    observed = replace(situation.observed, workloads=replace(workloads, replicas=other))

    steps = decide(replace(situation, observed=observed)).steps

    assert [s.op.revision for s in steps if isinstance(s.op, CreateReplica)] == [HASHES["s0"]]


@pytest.mark.parametrize("service", HASHES)
async def test_the_same_document_applied_after_the_upgrade_replaces_nothing(
    store: SqliteStore, service: str
) -> None:
    situation = await running(store, service)
    (version,) = situation.desired.versions
    await store.put_service(version.ref, version.spec)
    applied = replace(situation, desired=await desired_of(store, version.ref.key))

    (step,) = decide(applied).steps
    assert isinstance(step.op, RecordRevision)
    op = step.op
    next = NextRevision(op.number, op.hash, dict(op.images), op.secrets)
    await store.record_revision(op.ref, op.generation, next)

    recorded = replace(situation, desired=await desired_of(store, version.ref.key))
    assert decide(recorded).steps == ()
    assert [(r.number, r.hash) for r in await store.revisions(op.ref)] == [(1, HASHES[service])]


async def test_secrets_keep_their_versions_and_values(store: SqliteStore) -> None:
    facts = {f.id: (f.version, f.keys, f.root_path) for f in await store.secrets("shop")}

    assert facts == {"db": (2, ("PASS",), ""), "conf": (1, ("app.ini",), "/etc/app")}
    assert await store.secret_values("shop", "db", 2) == {"PASS": "s3cret"}
    assert await store.secret_values("shop", "conf") == {"app.ini": "x = 1"}
    with pytest.raises(NotFound):
        await store.secret_values("shop", "db", 1)


async def test_an_upgrade_that_was_cut_short_is_finished_by_the_next_start(
    tmp_path: Path,
) -> None:
    """The tables are there and what runs has no number yet."""
    path = tmp_path / "store.db"
    (tmp_path / "secret.key").write_text(KEY)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript(SQL.read_text())
        assert raw.execute("PRAGMA user_version").fetchone() == (BEFORE_REVISIONS,)
        migrate(raw, path)
        assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    sealer = open_sealer(tmp_path / "secret.key", path)

    for _ in range(2):
        async with SqliteStore.open(path, PoolAllocator(Pools()), sealer, lambda: NOW) as store:
            (revision,) = await store.revisions(ServiceRef("shop", "s0", "v1"))
            assert (revision.number, revision.hash) == (1, HASHES["s0"])
