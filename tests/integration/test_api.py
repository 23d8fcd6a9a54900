"""The HTTP API over a real store: the original's paths, our codes and sentences."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_client import Api, an_api
from spacecloud.api.metrics import metrics_app
from spacecloud.api.routes.session import MOST_LOGIN_BYTES
from spacecloud.model.declared import Event

SHOP = "/v1/runner/shop"
API_V1 = f"{SHOP}/services/api/v1"
INGRESS = "/v1/config/projects/shop/routing/ingress"
TASKS = [{"id": "main", "docker": {"image": "app:1"}}]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as opened:
        yield opened


# services


async def test_an_apply_says_its_generation_and_what_changed(api: Api) -> None:
    first = await api.post(API_V1, {"tasks": TASKS})
    again = await api.post(API_V1, {"tasks": TASKS})
    other = await api.post(API_V1, {"tasks": TASKS, "labels": {"a": "b"}})

    notices = ["there was no project shop: it was created"]
    assert first == {"notices": notices, "generation": 1, "change": "created"}
    assert again == {"notices": [], "generation": 2, "change": "unchanged"}
    assert other == {"notices": [], "generation": 3, "change": "updated"}


async def test_a_listed_service_is_what_was_given_and_its_ids(api: Api) -> None:
    await api.post(API_V1, {"tasks": TASKS, "whitelists": []})

    assert await api.get(f"{SHOP}/services") == [
        {"id": "api", "projectId": "shop", "version": "v1", "tasks": TASKS, "whitelists": []}
    ]


async def test_services_are_filtered_in_either_spelling_and_leniently(api: Api) -> None:
    for path in ("api/v1", "api/v2", "web/v1"):
        await api.post(f"{SHOP}/services/{path}", {"tasks": TASKS})

    async def listed(query: str) -> list[str]:
        found = await api.get(f"{SHOP}/services?{query}")
        return [f"{s['id']}/{s['version']}" for s in found]

    assert await listed("serviceId=*&version=*") == ["api/v1", "api/v2", "web/v1"]
    assert await listed("serviceId=&version=") == ["api/v1", "api/v2", "web/v1"]
    assert await listed("serviceId=api") == ["api/v1", "api/v2"]
    assert await listed("serviceID=api&version=v2") == ["api/v2"]
    assert await listed("version=v1") == ["api/v1", "web/v1"]
    assert await listed("serviceId=nope") == []
    assert await api.get("/v1/runner/nope/services") == []


async def test_one_version_that_does_not_exist_is_not_found(api: Api) -> None:
    answer = await api.client.get(f"{SHOP}/services?serviceId=x&version=y")

    assert answer.status_code == 404
    assert answer.json()["error"] == "serviceID(x) or version(y) not present in state"


async def test_deleting_a_service_succeeds_whether_or_not_it_exists(api: Api) -> None:
    await api.post(API_V1, {"tasks": TASKS})

    answers = [await api.client.delete(API_V1) for _ in range(2)]

    assert [(a.status_code, a.json()) for a in answers] == [(200, {}), (200, {})]
    assert await api.get(f"{SHOP}/services") == []


async def test_the_status_of_a_service_has_every_field(api: Api) -> None:
    await api.post(API_V1, {"tasks": TASKS})

    (status,) = await api.get(f"{SHOP}/services/status?serviceId=api&version=v1")

    assert {"serviceId", "version", "desiredReplicas", "replicas"} <= status.keys()
    assert (status["generation"], status["desiredReplicas"], status["replicas"]) == (1, 1, [])


async def test_every_mistake_is_reported_at_once_by_its_path(api: Api) -> None:
    document = {"tasks": [{"id": "A B", "docker": {}, "ports": [{"port": 70000}]}], "scael": {}}

    answer = await api.client.post(API_V1, json=document)

    paths = {mistake["path"] for mistake in answer.json()["mistakes"]}
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_spec"
    assert {"spec.tasks[0].id", "spec.tasks[0].docker.image", "spec.scael"} <= paths
    assert "spec.tasks[0].ports[0].port" in paths


async def test_a_conflict_and_a_missing_secret_have_their_codes(api: Api) -> None:
    await api.post(f"{SHOP}/services/api/1.0", {"tasks": TASKS})
    task = {**TASKS[0], "secrets": ["nope"]}

    same_domain = await api.client.post(f"{SHOP}/services/api/1-0", json={"tasks": TASKS})
    no_secret = await api.client.post(API_V1, json={"tasks": [task]})
    platform = await api.client.post("/v1/config/projects/space-cloud", json={})

    assert (same_domain.status_code, same_domain.json()["code"]) == (409, "conflict")
    assert no_secret.status_code == 400
    assert no_secret.json()["mistakes"][0]["path"] == "spec.tasks[0].secrets[0]"
    assert platform.status_code == 409


@pytest.mark.parametrize("service", ["API", "a_b", "a" * 64, "-a", "a%20b", "%00", "ä"])
async def test_an_id_that_is_no_dns_label_is_named_with_the_rule(api: Api, service: str) -> None:
    answer = await api.client.post(f"{SHOP}/services/{service}/v1", json={"tasks": TASKS})

    assert answer.status_code == 400
    assert "serviceId: lower-case letters" in answer.json()["error"]


# bodies


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"tasks: []", "not JSON"),
        (b"[]", "a list"),
        (b"null", "null"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "twice"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b'{"a": ["x\\u0000"]}', "a[0]"),
        (b'{"a":' * 100_000, "deep"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "deep"),
        (b"[" * 100_000, "deep"),
    ],
)
async def test_a_body_that_is_no_document_is_a_clear_error(
    api: Api, body: bytes, sentence: str
) -> None:
    for path in (API_V1, "/v1/config/plan", "/v1/config/login"):
        answer = await api.client.post(path, content=body)

        if path.endswith("/login") and len(body) > MOST_LOGIN_BYTES:
            assert answer.status_code == 413
        else:
            assert answer.status_code == 400
            assert sentence in answer.json()["error"]


async def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    answer = await api.client.post(API_V1, content=b'{"a": "' + b"x" * (6 << 20) + b'"}')

    assert answer.status_code == 413
    assert "5 MiB" in answer.json()["error"]


@pytest.mark.parametrize(
    "kind", [None, "application/json", "Application/JSON; charset=utf-8", "application/x+json"]
)
async def test_a_body_that_does_not_say_what_it_is_is_json(api: Api, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}

    answer = await api.client.post(
        API_V1, content=json.dumps({"tasks": TASKS}).encode(), headers=headers
    )

    assert answer.status_code == 200


async def test_a_body_of_a_get_or_a_delete_is_ignored(api: Api) -> None:
    for method in ("GET", "DELETE"):
        path = f"{SHOP}/services" if method == "GET" else API_V1
        answer = await api.client.request(method, path, content=b"{}")

        assert answer.status_code == 200


# secrets


async def test_secret_values_go_in_and_never_come_out(api: Api) -> None:
    given = {"type": "env", "data": {"PASS": "s3cret", "USER": "ann"}}
    await api.post(f"{SHOP}/secrets/db", given)

    (shown,) = await api.get(f"{SHOP}/secrets")
    await api.post(f"{SHOP}/secrets/db", shown)

    assert shown == {
        "id": "db",
        "type": "env",
        "rootPath": "",
        "data": {"PASS": "********", "USER": "********"},
    }
    assert await api.store.secret_values("shop", "db") == given["data"]
    assert (await api.store.secrets("shop"))[0].version == 1


async def test_a_refused_secret_does_not_show_its_values(api: Api) -> None:
    for document in (
        {"type": "docker", "data": {"password": "s3cret"}},
        {"type": "nope", "data": {"PASS": "s3cret"}},
        {"type": "env", "data": {"a/b": "s3cret"}},
        {"type": "env", "data": {"PASS": ["s3cret"]}},
        {"type": "env", "data": "s3cret"},
        {"type": "env", "dtaa": {"PASS": "s3cret"}},
    ):
        answer = await api.client.post(f"{SHOP}/secrets/db", json=document)

        assert answer.status_code == 400
        assert "s3cret" not in answer.text


async def test_keys_and_folder_of_a_secret_can_be_changed_alone(api: Api) -> None:
    secret = f"{SHOP}/secrets/conf"
    await api.post(secret, {"type": "file", "rootPath": "/a", "data": {"x": "1", "y": "2"}})

    await api.post(f"{secret}/z", {"value": "3"})
    await api.post(f"{secret}/root-path", {"rootPath": "/b"})
    deleted = await api.client.delete(f"{secret}/x")

    (facts,) = await api.store.secrets("shop")
    assert deleted.json() == {}
    assert (facts.root_path, facts.keys) == ("/b", ("y", "z"))
    for path in ("nope", "nope/x", "nope/root-path"):
        body = {"value": "1"} if path == "nope/x" else {"rootPath": "/b"}
        if path != "nope":
            answer = await api.client.post(f"{SHOP}/secrets/{path}", json=body)
            assert answer.status_code == 404
    assert (await api.client.get(f"{SHOP}/secrets?id=nope")).status_code == 404
    assert (await api.client.delete(f"{SHOP}/secrets/nope")).json() == {}


async def test_a_secret_in_use_stays(api: Api) -> None:
    await api.post(f"{SHOP}/secrets/db", {"type": "env", "data": {"PASS": "x"}})
    await api.post(API_V1, {"tasks": [{**TASKS[0], "secrets": ["db"]}]})

    answer = await api.client.delete(f"{SHOP}/secrets/db")

    assert answer.status_code == 409
    assert "shop/api@v1" in answer.json()["error"]


# routes, roles, projects, ingress


async def test_routes_are_listed_flat_with_their_services_id(api: Api) -> None:
    target = {"type": "version", "version": "v1", "port": 80, "weight": 100}
    routes = [{"source": {"port": port}, "targets": [target]} for port in (80, 81)]
    early = await api.client.post(f"{SHOP}/service-routes/api", json={"routes": routes})
    await api.post(API_V1, {"tasks": TASKS})
    await api.post(f"{SHOP}/service-routes/api", {"routes": routes})

    listed = await api.get(f"{SHOP}/service-routes?id=api")
    unknown = await api.client.get(f"{SHOP}/service-routes?id=nope")
    wiped = await api.client.post(f"{SHOP}/service-routes/api", content=b"nonsense")

    assert early.status_code == 404
    assert listed == [{**route, "id": "api"} for route in routes]
    assert unknown.status_code == 404
    assert wiped.status_code == 400
    assert len(await api.get(f"{SHOP}/service-routes")) == 2


async def test_roles_are_kept_and_their_lack_of_effect_is_said(api: Api) -> None:
    rules = [{"apiGroups": [""], "verbs": ["get"], "resources": ["pods"]}]
    roles = f"{SHOP}/service-roles"
    answer = await api.post(f"{roles}/api/reader", {"type": "Project", "rules": rules})

    expected = {"id": "reader", "project": "shop", "service": "api", "type": "project"}
    assert answer["notices"]
    for query in ("", "?serviceId=*&roleId=*", "?serviceID=api&roleID=reader"):
        assert await api.get(roles + query) == [{**expected, "rules": rules}]
    assert await api.get(f"{roles}?roleId=other") == []
    assert (await api.client.delete(f"{roles}/api/*")).json() == {}
    assert await api.get(roles) == []


async def test_a_project_is_listed_created_once_and_removed_on_either_path(api: Api) -> None:
    await api.post("/v1/config/projects/shop", {"id": "shop", "name": "Shop"})
    await api.post("/v1/runner/project/shop", {"id": "shop", "kind": "project"})
    await api.post("/v1/runner/project/bank", {"id": "bank", "kind": "project"})

    everything = await api.get("/v1/config/projects/*")
    one = await api.get("/v1/config/projects/shop")
    removed = [
        await api.client.delete("/v1/config/projects/shop"),
        await api.client.delete("/v1/runner/bank"),
        await api.client.delete("/v1/runner/bank"),
    ]

    assert [p["id"] for p in everything] == ["bank", "shop"]
    assert one == [{"id": "shop", "name": "Shop"}]
    assert [a.json() for a in removed] == [{}, {}, {}]
    assert (await api.client.get("/v1/config/projects/shop")).status_code == 404
    assert await api.get("/v1/config/projects/*") == []


async def test_ingress_routes_are_kept_in_order_and_a_missing_one_is_not_found(api: Api) -> None:
    source = {"hosts": ["*"], "methods": ["*"], "url": "/a", "type": "prefix"}
    route = {"source": source, "targets": [{"host": "api.shop", "port": 80}]}
    for id in ("z", "a"):
        await api.post(f"{INGRESS}/{id}", route)

    listed = await api.get(INGRESS)
    deleted = [await api.client.delete(f"{INGRESS}/z") for _ in range(2)]

    assert listed == [{**route, "id": id, "project": "shop"} for id in ("z", "a")]
    assert [a.status_code for a in deleted] == [200, 404]
    assert (await api.client.get(f"{INGRESS}?id=z")).status_code == 404
    assert [r["id"] for r in await api.get(f"{INGRESS}?id=a")] == ["a"]


async def test_a_route_that_puts_another_out_of_reach_or_leads_nowhere_says_so(api: Api) -> None:
    await api.post(API_V1, {"tasks": [{**TASKS[0], "ports": [{"port": 8080}]}]})
    lost = {"host": "ghost.shop.svc.cluster.local", "port": 8080}
    there = {"host": "api.shop.svc.cluster.local", "port": 8080}

    async def notices(id: str, target: dict[str, object]) -> list[str]:
        route = {"source": {"hosts": ["*"], "url": "/a"}, "targets": [target]}
        answer = await api.client.post(f"{INGRESS}/{id}", json=route)
        notices: list[str] = answer.json()["notices"]
        return notices

    assert await notices("first", there) == []
    (second,) = await notices("second", there)
    (first,) = await notices("first", there)
    *_, nowhere = sorted(await notices("second", lost), key=lambda notice: "ghost" in notice)

    assert second == first
    assert "shop/second is never reached: shop/first answers" in second
    assert "there is no service at ghost.shop.svc.cluster.local" in nowhere


async def test_global_ingress_settings_are_one_document(api: Api) -> None:
    settings = {"headers": [], "resHeaders": [{"key": "x-a", "value": "1", "op": "set"}]}

    before = await api.get(f"{INGRESS}/global")
    await api.post(f"{INGRESS}/global", settings)

    assert before == [{"headers": [], "resHeaders": []}]
    assert await api.get(f"{INGRESS}/global") == [settings]
    assert await api.get(INGRESS) == []


# plan, batch, events, and the rest


def documents(*kinds: str) -> list[dict[str, Any]]:
    known = {
        "ingress-routes": (
            {"project": "shop", "id": "r"},
            {"targets": [{"host": "a", "port": 80}]},
        ),
        "service": ({"project": "shop", "id": "api", "version": "v1"}, {"tasks": TASKS}),
        "secret": ({"project": "shop", "id": "db"}, {"type": "env", "data": {"A": "1"}}),
        "project": ({"id": "shop"}, {"name": "Shop"}),
    }
    return [{"type": kind, "meta": known[kind][0], "spec": known[kind][1]} for kind in kinds]


async def test_documents_are_planned_in_their_order_and_nothing_is_touched(api: Api) -> None:
    given = {"documents": documents("ingress-routes", "service", "secret", "project")}

    answer = await api.post("/v1/config/plan", given)

    result: Any = answer["result"]
    kinds = [document["kind"] for document in result["documents"]]
    assert kinds == ["project", "secret", "service", "ingress-routes"]
    assert await api.get("/v1/config/projects/*") == []


async def test_a_deletion_is_planned_without_specs(api: Api) -> None:
    meta = {"project": "shop", "serviceId": "api", "version": "v1"}

    answer = await api.post(
        "/v1/config/plan", {"documents": [{"type": "service", "meta": meta}], "delete": True}
    )

    result: Any = answer["result"]
    assert result["documents"][0]["change"] == "delete"


async def test_a_batch_is_checked_as_a_whole_and_applied_in_order(api: Api) -> None:
    good = documents("ingress-routes", "service", "secret")
    bad = [*good, {"type": "servcie", "meta": {}}, {"type": "service", "meta": {"id": "A"}}, 7]

    refused = await api.client.post("/v1/config/batch-apply", json={"specs": bad})
    nothing = await api.get("/v1/config/projects/*")
    await api.post("/v1/config/batch-apply", {"specs": good})

    paths = [(mistake["document"], mistake["path"]) for mistake in refused.json()["mistakes"]]
    assert refused.status_code == 400
    assert paths[0] == (3, "type")
    assert {(4, "meta.project"), (4, "meta.serviceId"), (5, "")} <= set(paths)
    assert nothing == []
    assert len(await api.get(f"{SHOP}/services")) == 1
    assert len(await api.get(INGRESS)) == 1


async def test_a_trigger_that_docker_has_not_is_refused_however_it_comes(api: Api) -> None:
    foreign: dict[str, Any] = {"type": "rabbitmq", "metadata": {"queueName": "jobs"}}
    known = {"type": "active-requests", "metadata": {"target": "50"}}
    spec = {"tasks": TASKS, "autoScale": {"triggers": [known, foreign]}}
    meta = {"project": "shop", "serviceId": "api", "version": "v1"}
    document = {"type": "service", "meta": meta, "spec": spec}

    answers = [
        await api.client.post(API_V1, json=spec),
        await api.client.post("/v1/config/batch-apply", json={"specs": [document]}),
        await api.client.post("/v1/config/check", json={"documents": [document]}),
    ]

    for answer in answers:
        (mistake,) = answer.json()["mistakes"]
        assert answer.status_code == 400
        assert mistake["path"] == "spec.autoScale.triggers[1].type"
        assert mistake["message"].startswith("the Docker driver has no trigger rabbitmq; use ")
    assert await api.get("/v1/config/projects/*") == []


async def test_a_version_that_says_another_policy_is_told_what_becomes_of_it(api: Api) -> None:
    task = {"id": "main", "docker": {"image": "app:1"}, "ports": [{"port": 80}]}
    closed = {"tasks": [task], "whitelists": [], "upstreams": []}

    async def notices(version: str, document: dict[str, Any]) -> str:
        answer: Any = await api.post(f"{SHOP}/services/api/{version}", document)
        return " ".join(answer["notices"])

    assert "different" not in await notices("v1", closed) + await notices("v2", closed)
    said = await notices("v3", {"tasks": [task]})
    assert "different upstreams: a call does not tell its version" in said
    assert "different whitelists: each holds at its version's own domain" in said


async def test_events_are_listed_newest_first(api: Api) -> None:
    for minute, service in enumerate(["api", "web", "api"]):
        at = datetime(2030, 1, 1, 0, minute, tzinfo=UTC)
        await api.store.add_event(Event(at, "shop", service, "Said", f"m{minute}"))

    async def messages(query: str) -> list[object]:
        return [e["message"] for e in await api.get(f"/v1/config/events?{query}")]

    assert await messages("") == ["m2", "m1", "m0"]
    assert await messages("project=shop&service=api") == ["m2", "m0"]
    assert await messages("limit=1") == ["m2"]
    assert await messages("project=bank") == []
    assert (await api.client.get("/v1/config/events?limit=x")).status_code == 400


async def test_what_is_open_is_answered_to_a_stranger(api: Api) -> None:
    env = await api.stranger.get("/v1/config/env")
    health = await api.stranger.get("/v1/api/health-check")
    api.backend.unavailable_because = "the disk is full"
    ill = await api.stranger.get("/v1/api/health-check")

    assert env.json()["clusterType"] == "docker"
    assert (health.status_code, health.json()) == (200, {})
    assert ill.status_code == 503
    assert ill.json() == {"code": "unavailable", "error": "the disk is full"}


async def test_the_docs_page_needs_nothing_from_outside(api: Api) -> None:
    page = await api.stranger.get("/docs")

    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert f"/docs/assets/{asset}" in page.text
        assert (await api.stranger.get(f"/docs/assets/{asset}")).status_code == 200


def asking_for_metrics(api: Api, caller: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(metrics_app(api.backend.metrics), client=(caller, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:4123")


async def test_metrics_are_in_prometheus_format_and_need_no_token(api: Api) -> None:
    async with asking_for_metrics(api, "127.0.0.1") as prometheus:
        answer = await prometheus.get("/metrics")
        elsewhere = await prometheus.get("/v1/config/env")

    assert [line for line in answer.text.splitlines() if not line.startswith("#")] == [
        "space_cloud_services 1.0",
        "space_cloud_refused_calls 3.0",
        "space_cloud_refused_connections 4.0",
        "space_cloud_longest_hold_seconds 0.5",
        'space_cloud_replicas{project="shop",service="web"} 2.0',
        "space_cloud_held_calls 6.0",
    ]
    assert answer.headers["content-type"].startswith("text/plain")
    assert elsewhere.status_code == 404


@pytest.mark.attack
async def test_metrics_are_told_to_no_page_and_nobody_beyond(api: Api) -> None:
    claims: list[dict[str, str]] = [
        {"Host": "evil.example"},
        {"Host": "evil.example", "X-Space-Cloud-Caller": "local"},
        {"Host": "evil.example", "X-Forwarded-For": "local"},
        {"Origin": "https://evil.example"},
    ]

    async with asking_for_metrics(api, "127.0.0.1") as page:
        refused = [await page.get("/metrics", headers=headers) for headers in claims]
    async with asking_for_metrics(api, "192.0.2.9") as beyond:
        refused.append(await beyond.get("/metrics", headers={"X-Space-Cloud-Caller": "127.0.0.1"}))

    assert [answer.status_code for answer in refused] == [403] * 5
    assert (await api.client.get("/metrics")).status_code == 404


async def test_every_answer_has_a_request_id_and_is_not_to_be_kept(api: Api) -> None:
    given = await api.client.get(f"{SHOP}/services", headers={"x-request-id": "abc-1"})
    bad = await api.client.get("/v1/nope", headers={"x-request-id": "a b\tc"})
    refused = await api.stranger.get("/v1/nope")

    assert given.headers["x-request-id"] == "abc-1"
    for answer in (bad, refused):
        assert len(answer.headers["x-request-id"]) == 24
    assert {a.headers["cache-control"] for a in (given, bad, refused)} == {"no-store"}


async def test_no_page_of_another_origin_is_told_anything(api: Api) -> None:
    here = {"X-Space-Cloud-Caller": "127.0.0.1", "Origin": "https://ui.example.com"}
    asked = {**here, "Access-Control-Request-Method": "DELETE"}

    preflight = await api.stranger.options(API_V1, headers=asked)
    answer = await api.stranger.get("/v1/config/env", headers=here)

    assert (preflight.status_code, answer.status_code) == (403, 403)
    for refused in (preflight, answer):
        assert not [name for name in refused.headers if name.startswith("access-control")]
        assert "SPACE_CLOUD_API_ORIGINS" in refused.json()["error"]


async def test_an_unknown_path_and_a_wrong_method_are_sentences(api: Api) -> None:
    unknown = await api.client.get("/v1/nope")
    wrong = await api.client.put(API_V1, json={})

    assert (unknown.status_code, wrong.status_code) == (404, 405)
    assert "GET /v1/nope" in unknown.json()["error"]
    assert "PUT" in wrong.json()["error"]


async def test_a_route_that_cannot_be_served_is_refused_by_field(api: Api) -> None:
    answer = await api.client.post(
        "/v1/config/projects/shop/routing/ingress/web",
        json={
            "source": {"hosts": ["no host"], "url": "/a b"},
            "targets": [{"host": "web.shop.svc.cluster.local", "port": 80}],
        },
    )

    assert answer.status_code == 400
    assert {m["path"] for m in answer.json()["mistakes"]} == {
        "spec.source.hosts",
        "spec.source.url",
    }
