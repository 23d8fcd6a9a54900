"""What watchers hear."""

import asyncio

import pytest

from spacecloud.errors import InvalidSpec
from spacecloud.model.declared import Change
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling import Scaling
from spacecloud.store.port import Store
from store_bench import API, NOW, WEB, a_secret, a_service, an_ingress


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


async def test_a_decision_about_replicas_is_told_to_watchers_once(store: Store) -> None:
    await store.put_service(API, a_service())
    changes = store.changes()

    await store.record_scaling(ServiceRef("shop", "nobody", "v1"), Scaling(2, NOW))
    await store.record_scaling(API, Scaling(2, NOW))
    await store.record_scaling(API, Scaling(2, NOW))
    await store.put_service(ServiceRef("shop", "other", "v1"), a_service())

    told = [await anext(changes) for _ in range(2)]
    assert [change.id for change in told if change.kind == "service"] == ["api", "other"]
