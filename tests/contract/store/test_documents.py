"""Routes, roles, ingress, and what is kept for other parts."""

from dataclasses import replace
from typing import Any

import pytest

from spacecloud.errors import InvalidSpec, NotFound
from spacecloud.model.envelope import MODELS, Envelope
from spacecloud.model.kinds import KINDS, kind_named
from spacecloud.model.other_configuration import ClusterConfig, Integration, LetsEncrypt
from spacecloud.model.refs import ServiceRef
from spacecloud.model.routing import IngressGlobal, Role, Routes
from spacecloud.model.secret import REDACTED
from spacecloud.store import by_kind
from spacecloud.store.port import Store, Written
from store_bench import API, WEB, a_service, an_ingress


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
