"""What is declared of services, and under which names."""

import asyncio
from pathlib import Path

import pytest

from spacecloud.errors import Conflict, InvalidSpec
from spacecloud.model.addresses import PoolAllocator
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceRef
from spacecloud.store.port import Store
from store_bench import API, NOW, POOLS, WEB, Opener, a_secret, a_service


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


async def test_replicas_of_two_versions_never_have_the_same_name(store: Store) -> None:
    await store.put_service(ServiceRef("shop", "a--b", "c"), a_service())

    with pytest.raises(Conflict, match="a--b"):
        await store.put_service(ServiceRef("shop", "a", "b--c"), a_service())
    await store.put_service(ServiceRef("bank", "a", "b--c"), a_service())
