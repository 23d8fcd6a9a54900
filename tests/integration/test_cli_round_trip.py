"""What ``get -o yaml`` prints, read and applied again, changes nothing: for every kind."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_client import Api, an_api
from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.read import parse
from spacecloud.documents.write import write
from spacecloud.model.envelope import MODELS, Envelope
from spacecloud.model.kinds import KINDS
from spacecloud.model.listings_as_documents import LISTED, envelopes
from strategies import Document, labels, names, objects, ports, services, texts

RUNNER = "/v1/runner/shop"
CONFIG = "/v1/config/projects"

projects = objects(
    {}, {"name": texts, "egress": st.lists(objects({"port": ports}, {}), max_size=2)}
)

# File and registry secrets have rules between their fields; the keys are what matters here.
secrets = st.fixed_dictionaries(
    {"type": st.just("env"), "data": st.dictionaries(names, texts, max_size=3)}
)

# Control characters are refused in them.
header_values = st.text(st.characters(exclude_categories=["C"]), max_size=8)
headers = st.lists(
    objects(
        {"key": names}, {"value": header_values, "op": st.sampled_from(["", "set", "add", "del"])}
    ),
    max_size=2,
)
ingress_routes = objects(
    {
        "targets": st.lists(
            objects(
                {"host": st.just("api.shop.svc.cluster.local"), "port": ports},
                {"scheme": st.sampled_from(["http", "HTTP"]), "weight": st.integers(0, 100)},
            ),
            min_size=1,
            max_size=2,
        )
    },
    {
        "source": objects(
            {},
            {
                "hosts": st.lists(labels, max_size=2),
                "methods": st.just(["GET"]),
                "url": st.just("/a"),
                "type": st.sampled_from(["prefix", "exact"]),
                "rewrite": st.sampled_from(["", "/b"]),
            },
        ),
        "rule": st.just({"rule": "allow"}),
        "modify": objects({}, {"headers": headers, "resHeaders": headers}),
    },
)

roles = objects(
    {"type": st.sampled_from(["project", "cluster", "Project"])},
    {"rules": st.lists(objects({}, {"verbs": st.lists(texts, max_size=2)}), max_size=2)},
)

matchers = objects(
    {},
    {
        "url": objects({}, {"value": texts, "type": st.just("regex"), "ignoreCase": st.booleans()}),
        "headers": st.lists(objects({}, {"key": texts, "value": texts}), max_size=2),
    },
)
routes = st.lists(
    objects(
        {
            "source": objects({"port": ports}, {"protocol": st.sampled_from(["", "http", "tcp"])}),
            "targets": st.just([{"type": "version", "version": "v1", "port": 80, "weight": 100}]),
        },
        {"requestRetries": st.integers(0, 9), "matchers": st.lists(matchers, max_size=2)},
    ),
    min_size=1,
    max_size=2,
)

everything = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


async def nothing_more(api: Api) -> Any:
    return None


@dataclass
class World:
    """One API for all examples, since each of them writes the same document anew."""

    api: Api
    run: Callable[[Coroutine[Any, Any, None]], None]

    def check(
        self,
        path: str,
        document: Document,
        listing: str,
        as_documents: Callable[[list[Document]], list[Document]],
        beside: Callable[[Api], Any] = nothing_more,
    ) -> None:
        self.run(_check(self.api, path, document, listing, as_documents, beside))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with asyncio.Runner() as runner:
        opening = an_api(tmp_path_factory.mktemp("api"))
        yield World(runner.run(opening.__aenter__()), runner.run)
        runner.run(opening.__aexit__(None, None, None))


@given(document=services)
@everything
def test_services_come_back_as_they_were(world: World, document: Document) -> None:
    world.check(
        f"{RUNNER}/services/web/1.4_a",
        document,
        f"{RUNNER}/services?serviceId=web",
        lambda listed: envelopes("service", "shop", listed),
    )


@given(document=secrets)
@everything
def test_secrets_keep_the_values_that_they_do_not_show(world: World, document: Document) -> None:
    async def values(api: Api) -> Any:
        facts = await api.store.secrets("shop")
        return [f.version for f in facts], await api.store.secret_values("shop", "db")

    world.check(
        f"{RUNNER}/secrets/db",
        document,
        f"{RUNNER}/secrets",
        lambda listed: envelopes("secret", "shop", listed),
        values,
    )


@given(document=projects)
@everything
def test_projects_come_back_as_they_were(world: World, document: Document) -> None:
    world.check(
        f"{CONFIG}/shop", document, f"{CONFIG}/*", lambda listed: envelopes("project", "", listed)
    )


@given(document=ingress_routes)
@everything
def test_ingress_routes_come_back_as_they_were(world: World, document: Document) -> None:
    world.check(
        f"{CONFIG}/shop/routing/ingress/r1",
        document,
        f"{CONFIG}/shop/routing/ingress",
        lambda listed: envelopes("ingress-routes", "shop", listed),
    )


@given(document=objects({}, {"headers": headers, "resHeaders": headers}))
@everything
def test_global_settings_come_back_as_they_were(world: World, document: Document) -> None:
    path = f"{CONFIG}/shop/routing/ingress/global"
    world.check(path, document, path, lambda listed: envelopes("ingress-global", "shop", listed))


@given(document=roles)
@everything
def test_roles_come_back_as_they_were(world: World, document: Document) -> None:
    world.check(
        f"{RUNNER}/service-roles/api/reader",
        document,
        f"{RUNNER}/service-roles",
        lambda listed: envelopes("service-role", "shop", listed),
    )


@given(document=routes)
@everything
def test_routes_come_back_as_they_were_and_in_their_order(
    world: World, document: list[Document]
) -> None:
    world.check(
        f"{RUNNER}/service-routes/api",
        {"routes": document},
        f"{RUNNER}/service-routes",
        lambda listed: envelopes("service-route", "shop", listed),
    )


def test_every_kind_of_document_has_a_model_and_a_list() -> None:
    assert [kind.name for kind in KINDS] == list(MODELS) == list(LISTED)


async def _check(
    api: Api,
    path: str,
    document: Document,
    listing: str,
    as_documents: Callable[[list[Document]], list[Document]],
    beside: Callable[[Api], Any],
) -> None:
    if "service-routes" in path:
        target = {"tasks": [{"id": "a", "docker": {"image": "a"}}]}
        await api.post(f"{RUNNER}/services/api/v1", target)
    await api.post(path, document)
    listed, kept = await api.get(listing), await beside(api)

    (envelope,) = _read(write(as_documents(listed)))
    answer = await api.post(envelope.path, dict(envelope.document))

    assert envelope.path == path
    assert answer.get("change", "unchanged") == "unchanged"
    assert (await api.get(listing), await beside(api)) == (listed, kept)


def _read(text: str) -> list[Envelope]:
    faults = Faults("get.yaml")
    found = parse(text, faults)
    assert not faults.found, (faults.found, text)
    return found
