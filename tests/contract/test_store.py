"""
What every store promises.

Another implementation joins by adding its opener to ``OPENERS``: a context manager that takes
a folder of its own and who allocates addresses, and yields a ``Store``. One whose platform
gives addresses by itself passes all but what stands under "addresses".
"""

import asyncio
import base64
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from spacecloud.errors import Conflict, InvalidSpec, NotFound
from spacecloud.model.addresses import Addresses, Allocation, GivenOut, Grant, PoolAllocator, Pools
from spacecloud.model.declared import Change, DeclaredService, DeclaredVersion, Event
from spacecloud.model.envelope import MODELS, Envelope
from spacecloud.model.kinds import KINDS, kind_named
from spacecloud.model.lease import Lease
from spacecloud.model.other_configuration import ClusterConfig, Integration, LetsEncrypt
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.revision import Revision, RevisionFailure
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.scaling import Scaling
from spacecloud.model.secret import REDACTED, Secret, SecretFacts, as_bytes
from spacecloud.model.service import Service
from spacecloud.reconcile.dry_run import dry_run
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store import by_kind
from spacecloud.store.port import Accepted, Allocator, NextRevision, Store, Written
from spacecloud.store.sqlite import SqliteStore

Opener = Callable[[Path, Allocator], AbstractAsyncContextManager[Store]]

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
POOLS = Pools()
API = ServiceRef("shop", "api", "v1")
WEB = ServiceRef("shop", "web", "v1")


@asynccontextmanager
async def sqlite(folder: Path, allocator: Allocator) -> AsyncGenerator[Store]:
    path = folder / "store.db"
    sealer = open_sealer(folder / "secret.key", path)
    async with SqliteStore.open(path, allocator, sealer, lambda: NOW) as store:
        yield store


OPENERS: dict[str, Opener] = {"sqlite": sqlite}


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Opener:
    return OPENERS[request.param]


@pytest.fixture
async def store(opener: Opener, tmp_path: Path) -> AsyncIterator[Store]:
    async with opener(tmp_path, PoolAllocator(POOLS)) as opened:
        yield opened


def a_service(**fields: Any) -> Service:
    task = {"id": "main", "docker": {"image": "app:1"}, **fields.pop("task", {})}
    return Service.model_validate({"tasks": [task], **fields})


def a_secret(type: str = "env", **data: str) -> Secret:
    root = "/etc/app" if type == "file" else ""
    return Secret.model_validate({"type": type, "rootPath": root, "data": data})


def a_docker_secret(password: str = "hunter2") -> Secret:
    return a_secret("docker", username="ann", password=password, url="registry.example.com")


def an_ingress(host: str) -> IngressRoute:
    return IngressRoute.model_validate({"targets": [{"host": host, "port": 80}]})


class Remembering(PoolAllocator):
    """What was asked, what was answered, and what it was told."""

    def __init__(self) -> None:
        super().__init__(POOLS)
        self.asked: list[tuple[str, Grant, GivenOut]] = []
        self.free: list[IPv4Address] = []
        """What it gave and was told is nobody's."""

        self.foreign: list[list[IPv4Network]] = []
        self.taken: list[list[IPv4Network]] = []
        """Of the subnets that it gave, those that it was told are somebody's."""

    def allocate(self, version: str, held: GivenOut) -> Grant:
        given = (vip for _, grant, _ in self.asked for vip in (grant.service.vip, grant.vip))
        self.free += [vip for vip in given if vip not in held.vips]
        # Held may be answered while the write goes on, and not later.
        self.foreign.append(list(held.foreign))
        subnets = dict.fromkeys(grant.service.subnet for _, grant, _ in self.asked)
        self.taken.append([subnet for subnet in subnets if subnet in held.subnets])
        grant = super().allocate(version, held)
        self.asked.append((version, grant, held))
        return grant


async def allocation_of(store: Store, key: ServiceKey) -> Allocation | None:
    return (await store.declared()).addresses.services.get(key)


# services


async def test_a_declared_version_is_read_back_as_it_was_given(store: Store) -> None:
    spec = a_service(labels={"tier": "web"}, whitelists=[])

    accepted = await store.put_service(API, spec)

    (version,) = await store.versions("shop", "api")
    assert accepted.created
    assert version.ref == API
    assert version.spec == spec
    assert version.spec.as_given() == spec.as_given()
    assert version.generation == accepted.generation
    assert version.applied_at == NOW


async def test_a_declaration_survives_closing_and_opening(opener: Opener, tmp_path: Path) -> None:
    async with opener(tmp_path, PoolAllocator(POOLS)) as store:
        await store.put_service(API, a_service())
        await store.put_secret("shop", "db", a_secret(PASS="s3cret"))
        before = await store.declared()

    async with opener(tmp_path, PoolAllocator(POOLS)) as store:
        assert await store.declared() == before
        assert await store.secret_values("shop", "db") == {"PASS": "s3cret"}


async def test_the_fields_that_follow_the_address_do_not_make_a_difference(store: Store) -> None:
    await store.put_service(API, a_service())

    again = await store.put_service(API, a_service(id="other", projectId="x", version="y"))

    assert again.change == "unchanged"


async def test_every_apply_has_a_later_generation_over_all_services(store: Store) -> None:
    generations = [
        (await store.put_service(API, a_service())).generation,
        (await store.put_service(WEB, a_service())).generation,
        (await store.put_service(API, a_service())).generation,
        (await store.put_service(API, a_service(labels={"a": "b"}))).generation,
    ]

    assert generations == sorted(set(generations))


async def test_an_apply_says_whether_it_created_updated_or_changed_nothing(store: Store) -> None:
    changes = [
        (await store.put_service(API, a_service())).change,
        (await store.put_service(API, a_service())).change,
        (await store.put_service(API, a_service(labels={"a": "b"}))).change,
    ]

    assert changes == ["created", "unchanged", "updated"]


async def test_a_generation_is_not_reused_after_a_deletion(store: Store) -> None:
    first = await store.put_service(API, a_service())
    await store.delete_service(API)

    second = await store.put_service(API, a_service())

    assert second.generation > first.generation
    assert second.created


async def test_two_applies_at_once_are_both_accepted_and_the_later_generation_stays(
    store: Store,
) -> None:
    specs = [a_service(labels={"by": str(n)}) for n in range(20)]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.put_service(API, spec)) for spec in specs]

    accepted = {task.result().generation: spec for task, spec in zip(tasks, specs, strict=True)}
    (version,) = await store.versions("shop", "api")
    assert len(accepted) == len(specs)
    assert version.generation == max(accepted)
    assert version.spec == accepted[max(accepted)]


async def test_versions_are_in_the_order_they_were_first_declared(store: Store) -> None:
    for name in ("v2", "v10", "v1", "v2"):
        await store.put_service(ServiceRef("shop", "api", name), a_service())

    versions = await store.versions("shop", "api")

    assert [v.ref.version for v in versions] == ["v2", "v10", "v1"]
    assert [v.order for v in versions] == sorted({v.order for v in versions})


async def test_versions_are_listed_by_project_and_service(store: Store) -> None:
    for ref in (WEB, API, ServiceRef("bank", "web", "v1")):
        await store.put_service(ref, a_service())

    everything = await store.versions()
    shop = await store.versions("shop")
    webs = await store.versions(None, "web")

    assert [str(v.ref) for v in everything] == ["bank/web@v1", "shop/api@v1", "shop/web@v1"]
    assert [str(v.ref) for v in shop] == ["shop/api@v1", "shop/web@v1"]
    assert [str(v.ref) for v in webs] == ["bank/web@v1", "shop/web@v1"]


async def test_deleting_a_version_says_whether_there_was_one(store: Store) -> None:
    await store.put_service(API, a_service())

    assert await store.delete_service(API)
    assert not await store.delete_service(API)


async def test_a_service_creates_its_project(store: Store) -> None:
    await store.put_service(API, a_service())

    assert [p.id for p in await store.projects()] == ["shop"]


async def test_the_platforms_own_project_cannot_be_taken(store: Store) -> None:
    with pytest.raises(Conflict, match="space-cloud"):
        await store.put_project("space-cloud", Project())
    with pytest.raises(Conflict, match="space-cloud"):
        await store.put_service(ServiceRef("space-cloud", "api", "v1"), a_service())

    assert await store.projects() == []


# domains


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("api", "1.0"), ("api", "1-0")),
        (("api", "1_0"), ("api", "1.0")),
        (("api", "b-c"), ("api-b", "c")),
        (("api", "v1"), ("api-v1-internal", "v1")),
        (("api-v1-internal", "v1"), ("api", "v1")),
    ],
)
async def test_a_domain_that_two_would_share_is_a_conflict(
    store: Store, first: tuple[str, str], second: tuple[str, str]
) -> None:
    await store.put_service(ServiceRef("shop", *first), a_service())

    with pytest.raises(Conflict, match="domain"):
        await store.put_service(ServiceRef("shop", *second), a_service())

    assert [tuple(v.ref[1:]) for v in await store.versions()] == [first]
    await store.put_service(ServiceRef("bank", *second), a_service())


async def test_a_version_whose_domain_label_is_too_long_is_refused(store: Store) -> None:
    with pytest.raises(InvalidSpec, match="63") as caught:
        await store.put_service(ServiceRef("shop", "a" * 50, "v1.2.3"), a_service())

    assert caught.value.mistakes[0].path == "meta.version"


# addresses


async def test_addresses_are_distinct_and_inside_their_pools(store: Store) -> None:
    refs = [ServiceRef("shop", f"s{n}", v) for n in range(20) for v in ("v1", "v2")]
    for ref in refs:
        await store.put_service(ref, a_service())

    allocations = (await store.declared()).addresses.services.values()

    subnets = [a.subnet for a in allocations]
    vips = [vip for a in allocations for vip in (a.vip, *a.versions.values())]
    assert len(set(subnets)) == 20
    assert all(net.subnet_of(POOLS.subnets) for net in subnets)
    assert len(set(vips)) == 60
    assert all(vip in POOLS.vips for vip in vips)


async def test_the_lowest_subnet_that_is_free_is_given_again(store: Store) -> None:
    refs = [ServiceRef("shop", f"s{n}", "v1") for n in range(20)]
    for ref in refs:
        await store.put_service(ref, a_service())
    before = (await store.declared()).addresses.services
    freed = [refs[n] for n in (7, 3, 12)]
    for ref in freed:
        await store.delete_service(ref)
        await store.release(ref.key)

    again = [ServiceRef("shop", f"t{n}", "v1") for n in range(4)]
    for ref in again:
        await store.put_service(ref, a_service())

    after = (await store.declared()).addresses.services
    lowest = sorted(before[ref.key].subnet for ref in freed)
    assert [after[ref.key].subnet for ref in again[:3]] == lowest
    assert after[again[3].key].subnet > max(a.subnet for a in before.values())


async def test_documents_are_tried_in_a_time_linear_to_how_many_they_are(store: Store) -> None:
    """3,000 services took 19 s: for each of them all others were read again."""
    kind = kind_named("service")
    assert kind is not None

    async def seconds(count: int) -> float:
        spec = a_service()
        envelopes = [
            Envelope(kind, {"project": "shop", "serviceId": f"s{n}", "version": "v1"}, spec, {})
            for n in range(count)
        ]
        before = time.process_time()
        async with store.copy() as copy:
            await dry_run(copy, envelopes, delete=False)
        return time.process_time() - before

    few = min([await seconds(100) for _ in range(3)])

    # As a square it would be 256 times as much.
    assert await seconds(1600) < 16 * 2.5 * few


async def test_a_store_gives_out_what_its_allocator_says_and_tells_it_what_is_held(
    opener: Opener, tmp_path: Path
) -> None:
    allocator = Remembering()
    async with opener(tmp_path, allocator) as store:
        await store.put_service(API, a_service())
        await store.put_service(API, a_service(labels={"a": "b"}))
        await store.put_service(ServiceRef("bank", "bill", "v7"), a_service())
        await store.put_service(ServiceRef("shop", "api", "v2"), a_service())
        addresses = (await store.declared()).addresses

    first, bank, second = (grant for _, grant, _ in allocator.asked)
    asked = [(version, held.service) for version, _, held in allocator.asked]
    assert asked == [("v1", None), ("v7", None), ("v2", first.service)]
    held = allocator.asked[2][2]
    assert (held.blocks, allocator.foreign[2]) == ([first.block], [bank.block])
    assert allocator.taken[2] == [first.service.subnet, bank.service.subnet]
    assert allocator.free == []
    assert held.last_vip == bank.vip
    assert addresses.services == {API.key: second.service, ServiceKey("bank", "bill"): bank.service}
    assert addresses.blocks == {"bank": (bank.block,), "shop": (first.block,)}


async def test_every_subnet_is_in_a_block_of_its_own_project(store: Store) -> None:
    for n in range(20):
        await store.put_service(ServiceRef("shop", f"s{n}", "v1"), a_service())
        await store.put_service(ServiceRef("bank", f"s{n}", "v1"), a_service())

    addresses = (await store.declared()).addresses

    for key, allocation in addresses.services.items():
        owners = [
            project
            for project, blocks in addresses.blocks.items()
            if any(allocation.subnet.subnet_of(block) for block in blocks)
        ]
        assert owners == [key.project]


async def test_addresses_do_not_change_while_a_service_is_declared(store: Store) -> None:
    await store.put_service(API, a_service())
    before = await allocation_of(store, API.key)
    assert before is not None

    await store.put_service(API, a_service(labels={"a": "b"}))
    unchanged = await allocation_of(store, API.key)
    await store.put_service(ServiceRef("shop", "api", "v2"), a_service())

    after = await allocation_of(store, API.key)
    assert after is not None
    assert unchanged == before
    assert (after.subnet, after.vip) == (before.subnet, before.vip)
    assert after.versions.items() > before.versions.items()


async def test_a_deleted_service_holds_its_addresses_until_they_are_released(store: Store) -> None:
    await store.put_service(API, a_service())
    before = await allocation_of(store, API.key)
    assert before is not None

    await store.delete_service(API)
    leaving, held = await store.service(API.key), await allocation_of(store, API.key)
    await store.release(API.key)
    gone = await store.service(API.key)

    assert leaving == DeclaredService(API.key, ())
    assert held == replace(before, versions={})
    assert gone is None
    assert (await store.declared()).addresses == Addresses()


async def test_a_service_that_is_declared_again_before_release_keeps_its_addresses(
    store: Store,
) -> None:
    await store.put_service(API, a_service())
    before = await allocation_of(store, API.key)
    await store.delete_service(API)

    await store.put_service(API, a_service())
    await store.release(API.key)

    after, held = await store.service(API.key), await allocation_of(store, API.key)
    assert before is not None
    assert after is not None
    assert held is not None
    assert (held.subnet, held.vip) == (before.subnet, before.vip)
    assert len(after.versions) == 1


async def test_a_released_virtual_ip_is_not_the_next_one_given(store: Store) -> None:
    await store.put_service(API, a_service())
    old = await allocation_of(store, API.key)
    await store.delete_service(API)
    await store.release(API.key)

    await store.put_service(WEB, a_service())

    new = await allocation_of(store, WEB.key)
    assert old is not None
    assert new is not None
    assert {new.vip, *new.versions.values()}.isdisjoint({old.vip, *old.versions.values()})


async def test_a_used_up_pool_is_a_conflict_and_leaves_nothing_behind(
    opener: Opener, tmp_path: Path
) -> None:
    pools = Pools(IPv4Network("10.9.0.0/24"), 25, IPv4Network("10.8.0.0/16"))
    async with opener(tmp_path, PoolAllocator(pools)) as store:
        await store.put_service(API, a_service())
        await store.put_service(WEB, a_service())

        with pytest.raises(Conflict, match="used up"):
            await store.put_service(ServiceRef("shop", "third", "v1"), a_service())
        with pytest.raises(Conflict, match="used up"):
            await store.put_service(ServiceRef("bank", "third", "v1"), a_service())

        assert [p.id for p in await store.projects()] == ["shop"]
        assert len((await store.declared()).services) == 2


# revisions


def a_revision(
    number: int, *secrets: SecretFacts, image: str = "sha256:1", hash: str = ""
) -> NextRevision:
    return NextRevision(number, hash or f"hash{number}", {"main": image}, secrets)


async def facts_of(store: Store, id: str) -> SecretFacts:
    return next(facts for facts in await store.secrets("shop") if facts.id == id)


async def test_a_revision_is_kept_with_what_it_is_made_of(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    await store.put_secret("shop", "conf", a_secret("file", a="1", b="2"))
    spec = a_service(task={"secrets": ["db", "conf"]}, labels={"a": "b"})
    accepted = await store.put_service(API, spec)
    named = (await facts_of(store, "conf"), await facts_of(store, "db"))

    await store.record_revision(API, accepted.generation, a_revision(1, *named))

    (version,) = await store.versions()
    (revision,) = await store.revisions(API)
    assert version.revision == revision
    assert version.images == {"main": "sha256:1"}
    assert revision == Revision(
        1, "hash1", spec.as_given(), {"main": "sha256:1"}, named, accepted.generation, NOW
    )


async def test_a_revision_belongs_to_the_latest_generation(store: Store) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    recorded = await store.versions()

    second = await store.put_service(API, a_service(labels={"a": "b"}))
    reset = await store.versions()
    await store.record_revision(API, first.generation, a_revision(2, image="sha256:old"))
    late = await store.versions()
    await store.record_revision(API, second.generation, a_revision(2, image="sha256:2"))
    again = await store.versions()

    seen = [v[0] for v in (recorded, reset, late, again)]
    assert [v.images for v in seen] == [{"main": "sha256:1"}, {}, {}, {"main": "sha256:2"}]
    assert [v.revision.number for v in seen if v.revision is not None] == [1, 1, 1, 2]
    assert [r.number for r in await store.revisions(API)] == [2, 1]


async def test_a_generation_that_makes_the_same_points_at_the_revision_that_is_there(
    store: Store,
) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    before = await store.revisions(API)
    second = await store.put_service(API, a_service(whitelists=[]))

    await store.record_revision(API, second.generation, a_revision(1, hash="never written"))

    (version,) = await store.versions()
    assert await store.revisions(API) == before == [version.revision]
    assert version.images == {"main": "sha256:1"}


async def test_a_revision_is_recorded_once_and_never_out_of_turn(store: Store) -> None:
    accepted = await store.put_service(API, a_service())
    for number, image in ((2, "early"), (1, "first"), (1, "again"), (2, "second"), (1, "late")):
        await store.record_revision(API, accepted.generation, a_revision(number, image=image))

    assert [(r.number, r.images["main"]) for r in await store.revisions(API)] == [
        (2, "second"),
        (1, "first"),
    ]
    (version,) = await store.versions()
    assert version.images == {"main": "second"}


async def test_revisions_are_numbered_per_version_and_go_with_it(store: Store) -> None:
    web = await store.put_service(WEB, a_service())
    await store.record_revision(WEB, web.generation, a_revision(1))
    api = await store.put_service(API, a_service())
    await store.record_revision(API, api.generation, a_revision(1))
    await store.record_revision(API, api.generation, a_revision(2))

    await store.delete_service(API)
    gone = await store.revisions(API)
    anew = await store.put_service(API, a_service())
    (fresh, _) = await store.versions()
    await store.record_revision(API, anew.generation, a_revision(1))

    assert gone == []
    assert fresh.revision is None
    assert [r.number for r in await store.revisions(API)] == [1]
    assert [r.number for r in await store.revisions(WEB)] == [1]


async def test_the_last_ten_revisions_of_a_version_are_kept(store: Store) -> None:
    accepted = await store.put_service(API, a_service())
    other = await store.put_service(WEB, a_service())
    await store.record_revision(WEB, other.generation, a_revision(1))

    for number in range(1, 14):
        await store.record_revision(API, accepted.generation, a_revision(number))

    assert [r.number for r in await store.revisions(API)] == list(range(13, 3, -1))
    assert [r.number for r in await store.revisions(WEB)] == [1]


async def test_the_values_of_a_secret_stay_while_a_kept_revision_names_their_version(
    store: Store,
) -> None:
    async def kept() -> list[str]:
        found = []
        for version in range(1, 14):
            try:
                values = await store.secret_values("shop", "db", version)
            except NotFound:
                continue
            assert values == {"PASS": f"s{version}"}
            found.append(values["PASS"])
        return found

    await store.put_secret("shop", "db", a_secret(PASS="s1"))
    accepted = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    await store.put_secret("shop", "db", a_secret(PASS="s2"))
    unnamed = await kept()
    await store.record_revision(
        API, accepted.generation, a_revision(1, await facts_of(store, "db"))
    )
    await store.put_secret("shop", "db", a_secret(PASS="s3"))
    named = await kept()
    for number in range(2, 11):
        await store.record_revision(
            API, accepted.generation, a_revision(number, await facts_of(store, "db"))
        )
    last_chance = await kept()
    await store.record_revision(
        API, accepted.generation, a_revision(11, await facts_of(store, "db"))
    )

    assert unnamed == ["s2"]
    assert named == last_chance == ["s2", "s3"]
    assert await kept() == ["s3"]
    assert await store.secret_values("shop", "db") == {"PASS": "s3"}


async def test_a_revision_that_names_values_that_are_gone_is_not_recorded(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="s1"))
    accepted = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    seen = await facts_of(store, "db")
    await store.put_secret("shop", "db", a_secret(PASS="s2"))

    await store.record_revision(API, accepted.generation, a_revision(1, seen))

    assert await store.revisions(API) == []


async def test_a_deleted_secrets_values_stay_for_the_revision_that_names_them(
    store: Store,
) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="old"))
    first = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    await store.record_revision(API, first.generation, a_revision(1, await facts_of(store, "db")))
    second = await store.put_service(API, a_service())
    await store.record_revision(API, second.generation, a_revision(2))

    await store.delete_secret("shop", "db")
    listed = await store.secrets("shop")
    of_revision = await store.secret_values("shop", "db", 1)
    await store.put_secret("shop", "db", a_secret("file", PASS="new"))
    facts = await facts_of(store, "db")
    await store.delete_service(API)

    assert listed == []
    assert of_revision == {"PASS": "old"}
    assert (facts.version, facts.keys) == (2, ("PASS",))
    assert await store.secret_values("shop", "db", 2) == {"PASS": "new"}
    with pytest.raises(NotFound):
        await store.secret_values("shop", "db", 1)


async def test_a_deleted_project_leaves_no_revision_and_no_value(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    accepted = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    await store.record_revision(
        API, accepted.generation, a_revision(1, await facts_of(store, "db"))
    )

    await store.delete_project("shop")

    assert await store.revisions(API) == []
    with pytest.raises(NotFound):
        await store.secret_values("shop", "db", 1)


# secrets


async def test_a_secret_is_listed_without_values_and_read_with_them(store: Store) -> None:
    await store.put_secret("shop", "conf", a_secret("file", **{"b.toml": "x = 1", "a": ""}))

    (facts,) = await store.secrets("shop")

    assert (facts.project, facts.id, facts.type) == ("shop", "conf", "file")
    assert facts.root_path == "/etc/app"
    assert facts.keys == ("a", "b.toml")
    assert await store.secret_values("shop", "conf") == {"b.toml": "x = 1", "a": ""}
    assert [p.id for p in await store.projects()] == ["shop"]


async def test_a_redacted_value_keeps_the_stored_one(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(USER="ann", PASS="s3cret", OLD="x"))

    await store.put_secret("shop", "db", a_secret(USER="bob", PASS=REDACTED))

    assert await store.secret_values("shop", "db") == {"USER": "bob", "PASS": "s3cret"}


async def test_a_redacted_value_without_a_stored_one_is_refused(store: Store) -> None:
    with pytest.raises(InvalidSpec) as caught:
        await store.put_secret("shop", "db", a_secret(PASS=REDACTED))

    assert [m.path for m in caught.value.mistakes] == ["spec.data.PASS"]
    assert await store.secrets("shop") == []


async def test_a_secrets_version_grows_with_changes_and_only_with_them(store: Store) -> None:
    async def version() -> int:
        return (await store.secrets("shop"))[0].version

    versions = []
    for secret in (
        a_secret("file", a="1"),
        a_secret("file", a="1"),
        a_secret("file", a=REDACTED),
        a_secret("file", a="2"),
        a_secret("file", a="2", b="3"),
        a_secret("file", a="2"),
        Secret.model_validate({"type": "file", "rootPath": "/other", "data": {"a": "2"}}),
    ):
        await store.put_secret("shop", "db", secret)
        versions.append(await version())

    assert versions[0] == versions[1] == versions[2]
    assert versions[2:] == sorted(set(versions[2:]))


async def test_a_secrets_type_cannot_change(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="x"))

    with pytest.raises(Conflict, match="type env"):
        await store.put_secret("shop", "db", a_secret("file", PASS="x"))


async def test_single_keys_and_the_folder_of_a_secret_can_be_changed(store: Store) -> None:
    await store.put_secret("shop", "conf", a_secret("file", a="1", b="2"))

    await store.set_secret_key("shop", "conf", "c", "3")
    await store.delete_secret_key("shop", "conf", "a")
    await store.delete_secret_key("shop", "conf", "never-there")
    await store.set_secret_root_path("shop", "conf", "/etc/other")

    (facts,) = await store.secrets("shop")
    assert facts.root_path == "/etc/other"
    assert await store.secret_values("shop", "conf") == {"b": "2", "c": "3"}


async def test_changing_one_key_keeps_the_secret_valid(store: Store) -> None:
    await store.put_secret("shop", "conf", a_secret("file", a="1"))

    with pytest.raises(InvalidSpec, match="rootPath"):
        await store.set_secret_root_path("shop", "conf", "")
    with pytest.raises(InvalidSpec, match="slash"):
        await store.set_secret_key("shop", "conf", "../x", "1")

    assert dict(await store.secret_values("shop", "conf")) == {"a": "1"}


async def test_credentials_of_a_registry_are_written_as_a_whole(store: Store) -> None:
    await store.put_secret("shop", "reg", a_docker_secret())

    with pytest.raises(Conflict, match="as a whole"):
        await store.set_secret_key("shop", "reg", "username", "eve")
    with pytest.raises(Conflict, match="as a whole"):
        await store.delete_secret_key("shop", "reg", "password")
    with pytest.raises(Conflict, match="as a whole"):
        await store.set_secret_root_path("shop", "reg", "/etc/reg")

    assert dict(await store.secret_values("shop", "reg"))["password"] == "hunter2"


async def test_what_is_done_to_an_unknown_secret_says_so(store: Store) -> None:
    with pytest.raises(NotFound, match="nope"):
        await store.secret_values("shop", "nope")
    with pytest.raises(NotFound, match="nope"):
        await store.set_secret_key("shop", "nope", "a", "1")
    with pytest.raises(NotFound, match="nope"):
        await store.delete_secret_key("shop", "nope", "a")
    with pytest.raises(NotFound, match="nope"):
        await store.set_secret_root_path("shop", "nope", "/a")
    assert not await store.delete_secret("shop", "nope")


async def test_every_secret_that_a_service_cannot_use_is_named_at_once(store: Store) -> None:
    await store.put_secret("shop", "reg", a_docker_secret())
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    spec = Service.model_validate(
        {
            "tasks": [
                {"id": "a", "docker": {"image": "x"}, "secrets": ["db", "reg", "nope"]},
                {"id": "b", "docker": {"image": "x", "secret": "db"}},
                {"id": "c", "docker": {"image": "x", "secret": "nope"}},
                {"id": "d", "docker": {"image": "x", "secret": "reg"}, "secrets": ["db"]},
            ]
        }
    )

    with pytest.raises(InvalidSpec) as caught:
        await store.put_service(API, spec)

    assert [m.path for m in caught.value.mistakes] == [
        "spec.tasks[0].secrets[1]",
        "spec.tasks[0].secrets[2]",
        "spec.tasks[1].docker.secret",
        "spec.tasks[2].docker.secret",
    ]
    assert await store.versions() == []


async def test_a_secret_in_use_cannot_be_deleted(store: Store) -> None:
    await store.put_secret("shop", "reg", a_docker_secret())
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    spec = a_service(task={"secrets": ["db"], "docker": {"image": "x", "secret": "reg"}})
    await store.put_service(API, spec)

    for id in ("db", "reg"):
        with pytest.raises(Conflict, match="shop/api@v1"):
            await store.delete_secret("shop", id)
    await store.delete_service(API)

    assert await store.delete_secret("shop", "db")
    assert await store.delete_secret("shop", "reg")
    assert await store.secrets("shop") == []


# projects, routes, roles, ingress


async def test_a_projects_document_is_kept_as_it_was_given(store: Store) -> None:
    project = Project.model_validate({"name": "Shop", "egress": [{"port": 5432}]})

    await store.put_service(API, a_service())
    await store.put_project("shop", project)

    (stored,) = await store.projects()
    assert (stored.project, stored.id) == ("shop", "shop")
    assert stored.document == project.as_given()


def a_signed_project(*keys: dict[str, Any], **fields: Any) -> Project:
    return Project.model_validate({"secrets": list(keys), **fields})


async def test_the_keys_in_a_projects_document_are_not_read_back(store: Store) -> None:
    key = {"isPrimary": True, "alg": "RS256", "kid": "a", "publicKey": "open", "privateKey": "hid"}
    given = a_signed_project(key, {"alg": "HS256", "secret": "hid"}, aesKey="hid", name="Shop")

    await store.put_project("shop", given)

    (stored,) = await store.projects()
    assert stored.document == {
        "name": "Shop",
        "aesKey": REDACTED,
        "secrets": [{**key, "privateKey": REDACTED}, {"alg": "HS256", "secret": REDACTED}],
    }


async def test_a_redacted_key_of_a_project_keeps_the_stored_one(store: Store) -> None:
    first, second = ({"kid": kid, "secret": f"s-{kid}"} for kid in "ab")
    await store.put_project("shop", a_signed_project(first, second, aesKey="aes"))
    hidden = [{**key, "secret": REDACTED} for key in (second, first)]

    moved = await store.put_project("shop", a_signed_project(*hidden, aesKey=REDACTED))
    same = await store.put_project("shop", a_signed_project(second, first, aesKey="aes"))
    other = await store.put_project("shop", a_signed_project(second, first, aesKey="new"))

    changes = [written.change for written in (moved, same, other)]
    assert changes == ["updated", "unchanged", "updated"]


async def test_a_redacted_key_of_a_project_without_a_stored_one_is_refused(store: Store) -> None:
    await store.put_project("shop", a_signed_project({"kid": "a", "secret": "s"}))

    with pytest.raises(InvalidSpec) as refused:
        keys = ({"kid": "a", "secret": REDACTED}, {"kid": "b", "secret": REDACTED})
        await store.put_project("shop", a_signed_project(*keys, aesKey=REDACTED))

    assert [m.path for m in refused.value.mistakes] == ["spec.aesKey", "spec.secrets[1].secret"]
    (stored,) = await store.projects()
    assert stored.document == {"secrets": [{"kid": "a", "secret": REDACTED}]}


async def test_a_write_says_what_it_changed(store: Store) -> None:
    await store.put_service(API, a_service())

    target = {"type": "version", "version": "v1", "port": 8080, "weight": 100}

    async def twice(put: Callable[[Any], Awaitable[Written]], one: Any, other: Any) -> list[str]:
        return [(await put(document)).change for document in (one, one, other)]

    changes = {
        "project": await twice(
            lambda given: store.put_project("bank", given),
            Project.model_validate({"name": "Bank"}),
            Project.model_validate({"name": "The bank"}),
        ),
        "secret": await twice(
            lambda given: store.put_secret("shop", "db", given),
            a_secret(PASS="x"),
            a_secret(PASS="y"),
        ),
        "routes": await twice(
            lambda given: store.put_routes(API.key, given),
            Routes.model_validate({"routes": []}),
            Routes.model_validate({"routes": [{"source": {"port": 80}, "targets": [target]}]}),
        ),
        "role": await twice(
            lambda given: store.put_role(API.key, "reader", given),
            Role.model_validate({"type": "project"}),
            Role.model_validate({"type": "cluster"}),
        ),
        "ingress": await twice(
            lambda given: store.put_ingress("shop", "r", given),
            an_ingress("a.example.com"),
            an_ingress("b.example.com"),
        ),
        "global": await twice(
            lambda given: store.put_ingress_global("shop", given),
            IngressGlobal.model_validate({"headers": [{"key": "a", "value": "a", "op": "set"}]}),
            IngressGlobal.model_validate({"headers": [{"key": "a", "value": "b", "op": "set"}]}),
        ),
    }

    assert changes == {kind: ["created", "unchanged", "updated"] for kind in changes}


@pytest.mark.parametrize(
    "put",
    [
        lambda store: store.put_project("shop", Project()),
        lambda store: store.put_service(API, a_service()),
        lambda store: store.put_secret("shop", "db", a_secret(PASS="x")),
        lambda store: store.put_role(API.key, "r", Role.model_validate({"type": "project"})),
        lambda store: store.put_ingress("shop", "r", an_ingress("a.example.com")),
        lambda store: store.put_ingress_global("shop", IngressGlobal()),
    ],
    ids=["project", "service", "secret", "role", "ingress", "global"],
)
async def test_of_several_first_writes_one_says_that_it_made_the_project(
    store: Store, put: Callable[[Store], Coroutine[Any, Any, Written | Accepted]]
) -> None:
    async with asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(put(store)) for _ in range(4)]

    assert [write.result().project_created for write in writes].count(True) == 1
    assert not (await put(store)).project_created


async def test_a_deleted_project_takes_all_with_it_but_the_addresses_in_use(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    await store.put_service(API, a_service(task={"secrets": ["db"]}))
    await store.put_service(ServiceRef("bank", "api", "v1"), a_service())
    await store.put_role(API.key, "reader", Role.model_validate({"type": "project"}))
    await store.put_ingress("shop", "r1", an_ingress("api.shop.svc.cluster.local"))
    await store.put_ingress_global("shop", IngressGlobal())

    assert await store.delete_project("shop")
    assert not await store.delete_project("shop")

    assert [p.id for p in await store.projects()] == ["bank"]
    assert [str(v.ref) for v in await store.versions()] == ["bank/api@v1"]
    assert await store.secrets("shop") == []
    assert await store.roles("shop") == []
    assert await store.ingress() == []
    assert await store.ingress_global("shop") is None
    leaving = await store.service(API.key)
    assert leaving is not None
    assert leaving.versions == ()


def some_routes(*versions: str) -> Routes:
    weight = 100 // len(versions)
    targets = [{"type": "version", "version": v, "port": 80, "weight": weight} for v in versions]
    return Routes.model_validate({"routes": [{"source": {"port": 80}, "targets": targets}]})


async def test_routes_replace_those_of_their_service_and_go_with_its_last_version(
    store: Store,
) -> None:
    v2 = ServiceRef("shop", "api", "v2")
    await store.put_service(API, a_service())
    await store.put_service(v2, a_service())

    await store.put_routes(API.key, some_routes("v1"))
    await store.put_routes(API.key, some_routes("v1", "v2"))
    (kept,) = await store.routes("shop")
    await store.delete_service(v2)
    (still,) = await store.routes("shop")
    again = await store.put_routes(API.key, Routes.model_validate(still.document))
    await store.delete_service(API)

    assert (kept.id, kept.document) == ("api", some_routes("v1", "v2").as_given())
    assert still.document == some_routes("v1").as_given()
    assert again == Written("unchanged")
    assert await store.routes("shop") == []


async def test_routes_lead_to_versions_that_exist(store: Store) -> None:
    with pytest.raises(NotFound, match="no version"):
        await store.put_routes(API.key, some_routes("v1"))
    await store.put_service(API, a_service())

    with pytest.raises(InvalidSpec) as caught:
        await store.put_routes(API.key, some_routes("v1", "v2"))

    assert [m.path for m in caught.value.mistakes] == ["spec.routes[0].targets[1].version"]
    assert str(caught.value) == (
        "the routes of shop/api lead to versions that do not exist: v2; it has v1"
    )


async def test_roles_are_kept_by_service_and_removed_singly_or_together(store: Store) -> None:
    role = Role.model_validate({"type": "Project", "rules": [{"verbs": ["get"]}]})
    for key, id in ((API.key, "b"), (API.key, "a"), (WEB.key, "a"), (WEB.key, "c")):
        await store.put_role(key, id, role)

    listed = await store.roles("shop")
    one = await store.delete_role(WEB.key, "c")
    none = await store.delete_role(WEB.key, "c")
    several = await store.delete_role(API.key, "*")

    assert [(r.document["service"], r.id) for r in listed] == [
        ("api", "a"),
        ("api", "b"),
        ("web", "a"),
        ("web", "c"),
    ]
    assert listed[0].document == {**role.as_given(), "service": "api"}
    assert (one, none, several) == (True, False, True)
    assert [(r.document["service"], r.id) for r in await store.roles("shop")] == [("web", "a")]


async def test_roles_go_with_the_last_version_of_their_service(store: Store) -> None:
    v2 = ServiceRef("shop", "api", "v2")
    role = Role.model_validate({"type": "project"})
    for ref in (API, v2, WEB):
        await store.put_service(ref, a_service())
        await store.put_role(ref.key, "reader", role)

    await store.delete_service(API)
    with_one_left = await store.roles("shop", "api")
    await store.delete_service(v2)

    assert len(with_one_left) == 1
    assert [r.document["service"] for r in await store.roles("shop")] == ["web"]


async def test_what_is_kept_for_other_parts_is_given_back_without_its_keys(store: Store) -> None:
    cluster = ClusterConfig.model_validate({"letsencryptEmail": "a@example.com"})
    domains = LetsEncrypt.model_validate({"domains": ["shop.example.com"]})
    licensed = {"id": "pay", "license": "L-1", "url": "https://pay.example.com"}

    first = await store.put_other("cluster-config", "", "cluster", cluster)
    again = await store.put_other("cluster-config", "", "cluster", cluster)
    of_project = await store.put_other("letsencrypt", "shop", "config", domains)
    await store.put_other("integrations", "", "pay", Integration.model_validate(licensed))
    (shown,) = await store.others("integrations")
    kept = await store.put_other(
        "integrations", "", "pay", Integration.model_validate({"id": "pay", **shown.document})
    )

    assert (first, again) == (Written("created"), Written("unchanged"))
    assert of_project == Written("created", project_created=True)
    assert [d.document for d in await store.others("cluster-config")] == [cluster.as_given()]
    assert [d.document for d in await store.others("letsencrypt", "shop")] == [domains.as_given()]
    assert shown.document == {"license": REDACTED, "url": "https://pay.example.com"}
    assert kept == Written("unchanged")
    assert await store.other_values("integrations", "", "pay") == {"license": "L-1"}
    await store.delete_project("shop")
    assert await store.others("letsencrypt", "shop") == []
    assert len(await store.others("cluster-config")) == 1


async def test_an_empty_configuration_is_none_and_a_hidden_key_needs_a_stored_one(
    store: Store,
) -> None:
    empty = ClusterConfig.model_validate({})
    await store.put_other("cluster-config", "", "cluster", ClusterConfig(enableTelemetry=True))

    await store.put_other("cluster-config", "", "cluster", empty)

    assert await store.others("cluster-config") == []
    with pytest.raises(InvalidSpec, match=r"integrations pay holds .* spec\.key"):
        hidden = Integration.model_validate({"id": "pay", "key": REDACTED})
        await store.put_other("integrations", "", "pay", hidden)


async def test_ingress_routes_keep_the_order_of_their_creation(store: Store) -> None:
    for project, id in (("shop", "z"), ("bank", "m"), ("shop", "a"), ("shop", "z")):
        await store.put_ingress(project, id, an_ingress(f"{id}.example.com"))

    everything = await store.ingress()
    shop = await store.ingress("shop")

    assert [(r.project, r.id) for r in everything] == [("shop", "z"), ("bank", "m"), ("shop", "a")]
    assert [r.id for r in shop] == ["z", "a"]
    assert shop[0].document == an_ingress("z.example.com").as_given()
    assert await store.delete_ingress("shop", "z")
    assert not await store.delete_ingress("shop", "z")
    assert [r.id for r in await store.ingress("shop")] == ["a"]


async def test_global_ingress_settings_are_one_document_of_the_project(store: Store) -> None:
    settings = IngressGlobal.model_validate({"headers": [{"key": "x-a", "value": "1"}]})

    assert await store.ingress_global("shop") is None
    await store.put_ingress_global("shop", settings)

    stored = await store.ingress_global("shop")
    assert stored is not None
    assert stored.document == settings.as_given()


# events


def an_event(message: str, *, service: str = "api", minute: int = 0, kind: str = "Said") -> Event:
    return Event(NOW + timedelta(minutes=minute), "shop", service, kind, message)


async def test_events_are_listed_newest_first_and_filtered(store: Store) -> None:
    for minute, (service, message) in enumerate([("api", "a"), ("web", "b"), ("api", "c")]):
        await store.add_event(an_event(message, service=service, minute=minute))

    assert [e.message for e in await store.events()] == ["c", "b", "a"]
    assert [e.message for e in await store.events("shop", "api")] == ["c", "a"]
    assert [e.message for e in await store.events("shop", limit=2)] == ["c", "b"]
    assert await store.events("bank") == []


async def test_an_event_that_repeats_the_services_last_one_is_counted(store: Store) -> None:
    for minute, (service, message) in enumerate(
        [("api", "a"), ("api", "a"), ("web", "x"), ("api", "a"), ("api", "b"), ("api", "a")]
    ):
        await store.add_event(an_event(message, service=service, minute=minute))

    events = await store.events("shop", "api")

    assert [(e.message, e.count) for e in events] == [("a", 1), ("b", 1), ("a", 3)]
    assert events[2].at == NOW + timedelta(minutes=3)


# the notifier


async def test_a_subscription_hears_what_happens_after_it_was_made(store: Store) -> None:
    await store.put_service(WEB, a_service())

    changes = store.changes()
    await store.put_service(API, a_service())
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    await store.put_ingress("shop", "r1", an_ingress("x"))
    await store.delete_service(API)

    async with asyncio.timeout(30):
        heard = [await anext(changes) for _ in range(3)]
    assert Change("service", "shop", "api") in heard
    assert Change("secret", "shop", "db") in heard
    assert Change("ingress", "shop", "r1") in heard


async def test_the_bell_rings_when_the_change_can_be_read(store: Store) -> None:
    changes = store.changes()

    async with asyncio.TaskGroup() as group:
        group.create_task(store.put_service(API, a_service()))
        async with asyncio.timeout(30):
            while (await anext(changes)).kind != "service":
                pass
            assert len(await store.versions()) == 1


async def test_a_deleted_project_rings_for_each_of_its_services(store: Store) -> None:
    await store.put_service(API, a_service())
    await store.put_service(WEB, a_service())
    changes = store.changes()

    await store.delete_project("shop")

    async with asyncio.timeout(30):
        heard = {await anext(changes) for _ in range(4)}
    assert {Change("service", "shop", "api"), Change("service", "shop", "web")} <= heard
    assert Change("project", "shop", "shop") in heard


async def test_a_refused_write_changes_nothing_and_rings_nothing(store: Store) -> None:
    changes = store.changes()

    with pytest.raises(InvalidSpec):
        await store.put_service(API, a_service(task={"secrets": ["nope"]}))
    await store.put_project("bank", Project())

    async with asyncio.timeout(30):
        assert await anext(changes) == Change("project", "bank", "bank")
    assert [p.id for p in await store.projects()] == ["bank"]
    assert await store.service(ServiceKey("shop", "api")) is None


async def test_a_copy_answers_as_the_store_would_and_leaves_no_trace(store: Store) -> None:
    await store.put_service(API, a_service())
    before = await store.declared()

    async with store.copy() as copy:
        await copy.put_service(WEB, a_service())
        tried = await copy.declared()
        with pytest.raises(InvalidSpec):
            await copy.put_service(WEB, a_service(task={"secrets": ["nope"]}))

    assert await store.declared() == before
    await store.put_service(WEB, a_service())
    assert await allocation_of(store, WEB.key) == tried.addresses.services[WEB.key]


async def test_replicas_of_two_versions_never_have_the_same_name(store: Store) -> None:
    await store.put_service(ServiceRef("shop", "a--b", "c"), a_service())

    with pytest.raises(Conflict, match="a--b"):
        await store.put_service(ServiceRef("shop", "a", "b--c"), a_service())
    await store.put_service(ServiceRef("bank", "a", "b--c"), a_service())


def every_kind() -> list[Envelope]:
    target = {"type": "version", "version": "v1", "port": 80, "weight": 100}
    given: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
        ("project", ("shop",), {"name": "Shop"}),
        ("secret", ("shop", "db"), {"type": "env", "data": {"PASS": "x"}}),
        ("service", ("shop", "api", "v1"), {"tasks": [{"id": "a", "docker": {"image": "a"}}]}),
        (
            "service-route",
            ("shop", "api"),
            {"routes": [{"source": {"port": 80}, "targets": [target]}]},
        ),
        ("service-role", ("shop", "api", "reader"), {"type": "project"}),
        ("ingress-routes", ("shop", "web"), {"targets": [{"host": "api.shop.svc", "port": 80}]}),
        ("ingress-global", ("shop",), {"headers": [{"key": "a", "value": "b"}]}),
        ("letsencrypt", ("shop", "any"), {"domains": ["shop.example.com"]}),
        ("cluster-config", (), {"letsencryptEmail": "a@example.com"}),
        ("integrations", ("pay",), {"id": "pay", "url": "https://pay.example.com"}),
    ]
    return [envelope_of(name, ids, spec) for name, ids, spec in given]


def envelope_of(name: str, ids: tuple[str, ...], spec: dict[str, Any]) -> Envelope:
    kind = kind_named(name)
    assert kind is not None
    return Envelope(
        kind, dict(zip(kind.ids, ids, strict=True)), MODELS[kind.name].model_validate(spec), spec
    )


async def test_a_document_of_every_kind_is_put_read_back_and_deleted(store: Store) -> None:
    documents = every_kind()
    neighbours = [
        replace(each, ids={**each.ids, each.kind.ids[-1]: "other"})
        for each in documents
        if each.kind.name in ("secret", "service", "ingress-routes", "service-role", "project")
    ]

    for each in (*documents, *neighbours):
        assert await by_kind.document(store, each) is None
        await by_kind.put(store, each)
    kept = {each.kind.name: await by_kind.document(store, each) for each in documents}
    gone = [await by_kind.delete(store, each) for each in reversed(documents)]

    expected = {each.kind.name: each.spec.as_given() for each in documents}
    assert kept.pop("secret") == {"keys": ["PASS"]}
    assert kept.pop("service-role") == {**expected.pop("service-role"), "service": "api"}
    del expected["secret"], expected["integrations"]["id"]
    assert kept == expected
    assert all(gone)
    for each in documents:
        assert await by_kind.document(store, each) is None, each.name


def test_every_kind_of_document_has_its_calls() -> None:
    assert set(by_kind.CALLS) == {kind.name for kind in KINDS}


async def test_a_completed_revision_is_known_until_another_one_is_recorded(store: Store) -> None:
    async def is_completed() -> bool:
        return (await store.versions())[0].is_completed

    first = await store.put_service(API, a_service())
    await store.record_completion(API, 1)
    never = await is_completed()
    await store.record_revision(API, first.generation, a_revision(1))
    await store.record_completion(API, 2)
    other = await is_completed()
    await store.record_completion(API, 1)
    done = await is_completed()
    second = await store.put_service(API, a_service(labels={"a": "b"}))
    await store.record_revision(API, second.generation, a_revision(2))

    assert (never, other, done, await is_completed()) == (False, False, True, False)


async def test_bytes_are_kept_as_they_are_and_shown_as_bytes(store: Store) -> None:
    content = bytes(range(256))
    given = {"type": "file", "rootPath": "/etc/app", "data": {"text": "x"}}
    text = base64.b64encode(content).decode()
    secret = Secret.model_validate({**given, "binaryData": {"store.p12": text}})
    await store.put_secret("shop", "conf", secret)
    kept = {**given, "data": {"text": REDACTED}, "binaryData": {"store.p12": REDACTED}}
    await store.put_secret("shop", "conf", Secret.model_validate(kept))
    await store.set_secret_root_path("shop", "conf", "/etc/other")

    (facts,) = await store.secrets("shop")
    values = await store.secret_values("shop", "conf")
    await store.set_secret_key("shop", "conf", "store.p12", "text")

    assert as_bytes(values["store.p12"]) == content
    assert (facts.keys, facts.binary_keys, facts.version) == (
        ("store.p12", "text"),
        ("store.p12",),
        2,
    )
    assert (await store.secrets("shop"))[0].binary_keys == ()


async def test_a_redacted_value_in_either_field_keeps_what_is_stored(store: Store) -> None:
    given = {"type": "file", "rootPath": "/etc/app"}
    await store.put_secret(
        "shop", "conf", Secret.model_validate({**given, "binaryData": {"a": "/w=="}})
    )
    old = Secret.model_validate({**given, "data": {"a": REDACTED}})

    await store.put_secret("shop", "conf", old)

    (facts,) = await store.secrets("shop")
    assert (facts.binary_keys, facts.version) == (("a",), 1)
    with pytest.raises(InvalidSpec) as caught:
        await store.put_secret(
            "shop", "new", Secret.model_validate({**given, "binaryData": {"b": REDACTED}})
        )
    assert [m.path for m in caught.value.mistakes] == ["spec.binaryData.b"]


A_FAILURE = RevisionFailure("api--v1--1/main", "Exited", "exited with code 1", "mend it")


async def the_only_version(store: Store) -> DeclaredVersion:
    (version,) = await store.versions()
    return version


async def test_a_revision_is_confirmed_once_it_has_served(store: Store) -> None:
    accepted = await store.put_service(API, a_service())
    its = (API, accepted.generation)
    await store.record_revision(*its, a_revision(1))
    recorded = await the_only_version(store)

    await store.record_serving(*its, 1)
    serving = await the_only_version(store)
    await store.confirm_revision(*its, 1)
    confirmed = await the_only_version(store)

    assert (recorded.is_confirmed, recorded.serving_since) == (False, None)
    assert (serving.is_confirmed, serving.serving_since) == (False, NOW)
    assert confirmed.is_confirmed
    assert confirmed.confirmed == confirmed.revision


async def test_a_revision_is_given_up_for_one_generation_and_what_was_confirmed_stays(
    store: Store,
) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    await store.confirm_revision(API, first.generation, 1)
    labelled = a_service(labels={"a": "b"})
    second = await store.put_service(API, labelled)
    await store.record_revision(API, second.generation, a_revision(2))
    await store.record_serving(API, second.generation, 2)

    await store.fail_revision(API, second.generation, 2, A_FAILURE)
    failed = await the_only_version(store)
    third = await store.put_service(API, labelled)
    await store.record_revision(API, third.generation, a_revision(2))
    again = await the_only_version(store)

    assert (failed.failure, failed.serving_since) == (A_FAILURE, None)
    assert failed.confirmed is not None
    assert failed.confirmed.number == 1
    assert failed.running == a_service()
    assert (again.failure, again.is_confirmed, again.running) == (None, False, labelled)


async def test_a_verdict_on_what_is_not_the_latest_any_more_is_no_news(store: Store) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    second = await store.put_service(API, a_service(labels={"a": "b"}))
    unresolved = await the_only_version(store)

    for generation, number in ((first.generation, 1), (second.generation, 1)):
        await store.record_serving(API, generation, number)
        await store.confirm_revision(API, generation, number)
        await store.fail_revision(API, generation, number, A_FAILURE)

    assert await the_only_version(store) == unresolved


async def test_the_last_confirmed_revision_is_kept_however_many_fail_after_it(
    store: Store,
) -> None:
    accepted = await store.put_service(API, a_service())
    await store.record_revision(API, accepted.generation, a_revision(1))
    await store.confirm_revision(API, accepted.generation, 1)

    for number in range(2, 15):
        accepted = await store.put_service(API, a_service(labels={"a": str(number)}))
        await store.record_revision(API, accepted.generation, a_revision(number))

    version = await the_only_version(store)
    assert [r.number for r in await store.revisions(API)] == [*range(14, 4, -1), 1]
    assert version.confirmed is not None
    assert version.confirmed.number == 1


async def test_what_was_decided_about_replicas_outlives_an_apply_and_goes_with_its_version(
    store: Store,
) -> None:
    asleep = Scaling(1, NOW, "frozen")
    await store.record_scaling(API, asleep)
    await store.put_service(API, a_service())
    never = (await the_only_version(store)).scaling

    await store.record_scaling(API, asleep)
    recorded = await the_only_version(store)
    await store.put_service(API, a_service(labels={"a": "b"}))
    applied = await the_only_version(store)
    await store.record_scaling(API, Scaling(3, NOW, pinned=applied.generation))
    pinned = await the_only_version(store)
    await store.delete_service(API)
    await store.put_service(API, a_service())

    assert never is None
    assert (recorded.scaling, applied.scaling) == (asleep, asleep)
    assert applied.generation > recorded.generation
    assert pinned.scaling == Scaling(3, NOW, pinned=applied.generation)
    assert (await the_only_version(store)).scaling is None


async def test_a_trial_is_skipped_of_one_generation_alone(store: Store) -> None:
    await store.put_service(API, a_service())
    tried = await the_only_version(store)
    await store.put_service(API, a_service(), "skipped")
    skipped = await the_only_version(store)
    await store.record_scaling(API, Scaling(1, NOW, "stopped"))
    decided = await the_only_version(store)
    await store.put_service(API, a_service())

    assert not tried.is_trial_skipped
    assert skipped.is_trial_skipped
    assert decided.is_trial_skipped
    assert not (await the_only_version(store)).is_trial_skipped


async def test_a_decision_about_replicas_is_told_to_watchers_once(store: Store) -> None:
    await store.put_service(API, a_service())
    changes = store.changes()

    await store.record_scaling(ServiceRef("shop", "nobody", "v1"), Scaling(2, NOW))
    await store.record_scaling(API, Scaling(2, NOW))
    await store.record_scaling(API, Scaling(2, NOW))
    await store.put_service(ServiceRef("shop", "other", "v1"), a_service())

    told = [await anext(changes) for _ in range(2)]
    assert [change.id for change in told if change.kind == "service"] == ["api", "other"]


async def test_a_copy_knows_what_was_decided_about_replicas(store: Store) -> None:
    await store.put_service(API, a_service())
    await store.record_scaling(API, Scaling(1, NOW, "stopped"))

    async with store.copy() as copy:
        tried = await the_only_version(copy)

    assert tried.scaling == Scaling(1, NOW, "stopped")


async def test_a_lease_is_there_until_it_is_given_back_or_its_version_goes(store: Store) -> None:
    await store.put_service(API, a_service())
    await store.put_service(WEB, a_service())
    until = NOW + timedelta(minutes=5)
    first, longer = Lease(API, "api--v1--0", until), Lease(API, "api--v1--0", until + SECOND)
    second, other = Lease(API, "api--v1--1", until), Lease(WEB, "web--v1--0", until)
    declared = await store.declared()

    taken = [await store.take_lease(lease) for lease in (first, second, other, longer)]
    held = await store.leases()
    await store.give_back_lease(API, "api--v1--1")
    await store.give_back_lease(API, "api--v1--7")
    left = await store.leases()
    is_untouched = await store.declared() is declared
    await store.put_service(API, a_service(labels={"a": "b"}))
    applied = await store.leases()
    await store.delete_service(API)
    await store.put_service(API, a_service())

    assert taken == [True] * 4
    assert by_replica(held) == by_replica([longer, second, other])
    assert by_replica(left) == by_replica(applied) == by_replica([longer, other])
    assert is_untouched
    assert await store.leases() == [other]


async def test_no_lease_is_taken_for_what_is_not_declared(store: Store) -> None:
    lease = Lease(API, "api--v1--0", NOW + SECOND)

    assert not await store.take_lease(lease)
    assert await store.leases() == []


async def test_leases_that_have_ended_go_when_the_next_is_taken(store: Store) -> None:
    await store.put_service(API, a_service())
    ended, lease = Lease(API, "api--v1--0", NOW), Lease(API, "api--v1--1", NOW + SECOND)

    await store.take_lease(ended)
    await store.take_lease(lease)

    assert await store.leases() == [lease]


SECOND = timedelta(seconds=1)


def by_replica(leases: Iterable[Lease]) -> list[Lease]:
    return sorted(leases, key=lambda lease: (lease.ref, lease.replica))
