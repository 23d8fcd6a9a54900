"""Projects: made by their first document, gone with all that is in them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from spacecloud.errors import InvalidSpec
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceRef
from spacecloud.model.routing import IngressGlobal, Role, Routes
from spacecloud.model.secret import REDACTED
from spacecloud.store.port import Accepted, Store, Written
from store_bench import API, a_secret, a_service, an_ingress


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
