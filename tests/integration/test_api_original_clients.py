"""What the original's own clients ask and send, as their code does: no Content-Type, its own spellings."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api_client import Api, an_api
from spacecloud.api.routes.other_modules import LISTS, MODULES
from spacecloud.model.secret import REDACTED

LAB = "/v1/config/projects/lab"
RUNNER = "/v1/runner/lab"
INGRESS = f"{LAB}/routing/ingress"
TASKS = [{"id": "main", "docker": {"image": "app:1"}, "ports": [{"port": 8080}]}]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as opened:
        yield opened


async def asked(api: Api, path: str) -> Any:
    """As the client asks: a GET with a body of two bytes."""
    answer = await api.client.request("GET", path, content=b"{}")
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()["result"]


# what is not here


@pytest.mark.parametrize("path", [path.replace("{project}", "lab") for path in LISTS])
async def test_a_list_of_a_module_that_is_not_here_is_empty(api: Api, path: str) -> None:
    assert await asked(api, f"/v1/config{path}?id=x&dbAlias=db&col=*") == []


async def test_every_list_that_an_export_reads_is_answered(api: Api) -> None:
    of_modules = [path.replace("{project}", "lab") for path in LISTS]
    paths = [f"/v1/config{path}" for path in of_modules]
    paths += [f"{LAB}/letsencrypt/config", f"{INGRESS}", f"{INGRESS}/global"]
    paths += [f"{RUNNER}/{name}" for name in ("services", "service-routes", "service-roles")]
    paths += [f"{RUNNER}/secrets", "/v1/config/projects/*", "/v1/config/integrations"]
    paths += ["/v1/config/caching/config"]

    for path in paths:
        assert isinstance(await asked(api, path), list), path


@pytest.mark.parametrize("module", MODULES)
async def test_a_document_of_such_a_module_is_refused_by_its_name(api: Api, module: str) -> None:
    path = f"{LAB}/{module}/mydb/config/mydb-config"

    answer = await api.client.post(path, content=b'{"enabled": true, "conn": "mongodb://x"}')

    assert (answer.status_code, answer.json()["code"]) == (501, "unsupported")
    assert f"the {module} module" in answer.json()["error"]
    assert path in answer.json()["error"]


@pytest.mark.parametrize(
    "body", [b"{}", b'{"enabled": false, "dbAlias": ""}', b'{"id": "x", "rules": {}, "a": [""]}']
)
async def test_what_asks_nothing_of_such_a_module_stops_no_apply(api: Api, body: bytes) -> None:
    answer = await api.client.post(f"{LAB}/eventing/config/eventing-config", content=body)

    assert answer.status_code == 200
    assert "not here" in answer.json()["notices"][0]


async def test_deleting_in_such_a_module_finds_nothing_to_delete(api: Api) -> None:
    answer = await api.client.request("DELETE", f"{LAB}/eventing/triggers/t1", content=b"{}")

    assert (answer.status_code, answer.json()) == (200, {})


# what is kept


async def test_cluster_config_is_an_object_before_and_after_it_is_set(api: Api) -> None:
    given = {"letsencryptEmail": "a@example.com", "enableTelemetry": False}
    before = await asked(api, "/v1/config/cluster")

    await api.post("/v1/config/cluster", given)
    as_exported = await api.post("/v1/config/cluster", {"clusterConfig": given})

    assert before == {}
    assert await asked(api, "/v1/config/cluster") == given
    assert as_exported["change"] == "unchanged"


async def test_domains_of_certificates_are_kept_and_removed(api: Api) -> None:
    path = f"{LAB}/letsencrypt/config/letsencrypt-config"
    listing = f"{LAB}/letsencrypt/config"

    await api.post(path, {"id": "letsencrypt-config", "domains": ["lab.example.com"]})
    kept = await asked(api, listing)
    await api.post(f"{listing}/letsencrypt", {})

    assert kept == [{"id": "letsencrypt-config", "domains": ["lab.example.com"]}]
    assert await asked(api, listing) == []


async def test_an_integration_is_kept_and_its_keys_stay_inside(api: Api) -> None:
    given = {"id": "pay", "key": "k-1", "hooks": {"a": {"kind": "b"}}}

    await api.post("/v1/config/integrations", {"integration": given})
    (shown,) = await asked(api, "/v1/config/integrations")
    again = await api.post("/v1/config/integrations", shown)

    assert shown == {**given, "key": REDACTED}
    assert again["change"] == "unchanged"
    assert (await api.client.delete("/v1/config/integrations/pay")).status_code == 200
    assert await asked(api, "/v1/config/integrations") == []
    nameless = await api.client.post("/v1/config/integrations", json={"key": "x"})
    assert (nameless.status_code, nameless.json()["mistakes"][0]["path"]) == (400, "spec.id")


async def test_credentials_tell_the_user_and_no_password(api: Api) -> None:
    assert await asked(api, "/v1/config/credentials") == {"user": "admin", "pass": REDACTED}


async def test_an_internal_token_is_one_that_the_api_takes(api: Api) -> None:
    answer = await api.client.post(f"{LAB}/generate-internal-token", content=b"")

    token = answer.json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await api.stranger.get("/v1/config/projects/*", headers=headers)).status_code == 200


# ingress routes


async def test_an_ingress_route_always_has_what_the_clients_read(api: Api) -> None:
    await api.post(
        f"{INGRESS}/r1",
        {"source": {"url": "/a"}, "targets": [{"host": "cart.lab.svc.cluster.local", "port": 80}]},
    )
    await api.post(f"{INGRESS}/r2", {"targets": [{"host": "x.lab.svc.cluster.local", "port": 80}]})

    first, second = await asked(api, INGRESS)

    assert first["source"] == {"hosts": ["*"], "methods": ["*"], "url": "/a", "type": "prefix"}
    assert second["source"] == {"hosts": ["*"], "methods": ["*"], "url": "/", "type": "prefix"}
    again = await api.post(f"{INGRESS}/r1", first)
    assert again["change"] == "unchanged"


async def test_empty_answers_of_the_generator_are_absent(api: Api) -> None:
    source = {"hosts": [""], "method": ["GET"], "url": "/a", "rewriteURL": "", "type": ""}
    target = {"host": "cart.lab.svc.cluster.local", "port": 80, "scheme": "", "weight": 100}

    await api.post(f"{INGRESS}/r1", {"source": source, "targets": [target]})

    (route,) = await asked(api, INGRESS)
    assert (route["source"]["hosts"], route["source"]["type"]) == (["*"], "prefix")
    assert "scheme" not in route["targets"][0]


# services, routes, roles, secrets


async def test_fields_in_another_case_are_those_fields(api: Api) -> None:
    body = {
        "ProjectID": "lab",
        "Tasks": [{"Id": "main", "DOCKER": {"Image": "app:1", "imagePullPolicy": "IfNotPresent"}}],
        "StatsInclusionPrefixes": "http.inbound",
    }

    await api.post(f"{RUNNER}/services/cart/v1", body)

    (service,) = await asked(api, f"{RUNNER}/services")
    docker = {"image": "app:1", "imagePullPolicy": "pull-if-not-exists"}
    assert service["tasks"] == [{"id": "main", "docker": docker}]
    assert service["statsInclusionPrefixes"] == "http.inbound"


async def test_a_field_that_is_given_in_two_cases_is_refused(api: Api) -> None:
    answer = await api.client.post(
        f"{RUNNER}/services/cart/v1", json={"tasks": TASKS, "Labels": {"a": "1"}, "labels": {}}
    )

    assert answer.status_code == 400
    assert answer.json()["mistakes"][0]["path"] == "spec.Labels"


async def test_a_mistake_below_a_field_in_another_case_has_the_path_as_written(api: Api) -> None:
    answer = await api.client.post(
        f"{RUNNER}/services/cart/v1", json={"Tasks": [{"id": "a", "Docker": {"image": "A B"}}]}
    )

    assert answer.json()["mistakes"][0]["path"] == "spec.Tasks[0].Docker.image"


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_an_upstream_in_its_long_form_is_that_service(api: Api, times: int) -> None:
    name = "cart" + ".lab.svc.cluster.local" * times
    upstreams = [{"projectId": "lab", "service": name}]

    await api.post(f"{RUNNER}/services/web/v1", {"tasks": TASKS, "upstreams": upstreams})

    (service,) = await asked(api, f"{RUNNER}/services")
    assert service["upstreams"] == [{"projectId": "lab", "service": "cart"}]


async def test_a_weight_of_zero_is_left_out_by_the_original(api: Api) -> None:
    for version in ("v1", "v2"):
        await api.post(f"{RUNNER}/services/cart/{version}", {"tasks": TASKS})
    targets: list[dict[str, Any]] = [
        {"type": "version", "version": "v1", "port": 8080, "weight": 100},
        {"type": "version", "version": "v2", "port": 8080},
    ]
    matcher = {"url": {"value": "/a", "type": ""}}
    route = {"source": {"port": 8080}, "targets": targets, "matchers": [matcher]}

    await api.post(f"{RUNNER}/service-routes/cart", {"routes": [route]})

    (kept,) = await asked(api, f"{RUNNER}/service-routes?id=cart")
    assert kept["targets"] == targets


async def test_routes_can_be_read_and_applied_again_after_a_version_is_gone(api: Api) -> None:
    for version in ("v1", "v2", "v3"):
        await api.post(f"{RUNNER}/services/cart/{version}", {"tasks": TASKS})

    def target(version: str, weight: int) -> dict[str, Any]:
        return {"type": "version", "version": version, "port": 8080, "weight": weight}

    targets = [target("v1", 50), target("v2", 20), target("v3", 30)]
    split = {"source": {"port": 8080}, "targets": targets}
    alone = {"source": {"port": 8080}, "targets": [target("v2", 100)]}
    await api.post(f"{RUNNER}/service-routes/cart", {"routes": [alone, split]})

    await api.client.delete(f"{RUNNER}/services/cart/v2")

    (kept,) = await asked(api, f"{RUNNER}/service-routes?id=cart")
    assert kept["targets"] == [target("v1", 63), target("v3", 37)]
    again = await api.post(f"{RUNNER}/service-routes/cart", {"routes": [kept]})
    assert again["change"] == "unchanged"


async def test_a_role_may_come_before_its_service_and_goes_with_it(api: Api) -> None:
    role = {"type": "Project", "rules": [{"verbs": ["get"], "resources": ["pods"]}]}

    early = await api.post(f"{RUNNER}/service-roles/cart/reader", role)
    await api.post(f"{RUNNER}/services/cart/v1", {"tasks": TASKS})
    late = await api.post(f"{RUNNER}/service-roles/cart/reader", role)
    await api.client.delete(f"{RUNNER}/services/cart/v1")

    waits = "there is no service lab/cart yet: the role waits for it"
    assert isinstance(early["notices"], list)
    assert isinstance(late["notices"], list)
    assert (waits in early["notices"], waits in late["notices"]) == (True, False)
    assert await asked(api, f"{RUNNER}/service-roles") == []


async def test_registry_credentials_have_no_single_keys(api: Api) -> None:
    data = {"username": "ann", "password": "p", "url": "registry.example.com"}
    await api.post(f"{RUNNER}/secrets/d1", {"type": "docker", "data": data})

    answer = await api.client.post(f"{RUNNER}/secrets/d1/username", content=b'{"value": "eve"}')

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("key", ["x", "secrets.x", "a.b.c", "secrets.a.", ".b"])
async def test_an_auth_ref_names_a_secret_and_a_key(api: Api, key: str) -> None:
    trigger = {"type": "kafka", "authRef": {"secretMapping": [{"param": "host", "key": key}]}}

    answer = await api.client.post(
        f"{RUNNER}/services/cart/v1",
        json={"tasks": TASKS, "autoScale": {"minReplicas": 1, "triggers": [trigger]}},
    )

    path = "spec.autoScale.triggers[0].authRef.secretMapping[0].key"
    assert (answer.status_code, answer.json()["mistakes"][0]["path"]) == (400, path)


# one sentence is all that they show


async def test_the_sentence_names_what_it_is_about(api: Api) -> None:
    await api.post(f"{RUNNER}/services/cart/v1", {"tasks": TASKS})

    async def error(path: str, body: object) -> str:
        answer = await api.client.post(path, json=body)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error"])

    target = {"type": "version", "version": "v9", "port": 8080, "weight": 100}
    routes = {"routes": [{"source": {"port": 8080}, "targets": [target]}]}
    secret = {"id": "main", "docker": {"image": "app:1"}, "secrets": ["db"]}
    four = {"tasks": [{"id": "A", "docker": {"image": ""}, "x": 1}], "y": 2}

    assert "v9; it has v1" in await error(f"{RUNNER}/service-routes/cart", routes)
    assert "project lab has no secret db" in await error(
        f"{RUNNER}/services/cart/v2", {"tasks": [secret]}
    )
    assert "spec.aesKey: no value" in await error(LAB, {"aesKey": REDACTED})
    hidden = await error(f"{RUNNER}/secrets/db", {"type": "env", "data": {"A": REDACTED}})
    assert "spec.data.A" in hidden
    several = await error(f"{RUNNER}/services/cart/v3", four)
    assert several.startswith("4 mistakes: spec.")
    assert several.count("; spec.") == 2
    assert several.endswith("; and 1 more")


# an export of its own


async def test_what_the_original_exports_is_applied_again_as_it_is(api: Api) -> None:
    target = {"type": "version", "version": "v1", "port": 8080, "weight": 100}
    ingress = {"host": "cart.lab.svc.cluster.local", "port": 8080}
    declared: dict[str, Any] = {
        LAB: {"name": "Lab", "aesKey": "0123456789abcdef"},
        f"{RUNNER}/secrets/db": {"type": "env", "data": {"A": "b"}},
        f"{RUNNER}/services/cart/v1": {"tasks": [{**TASKS[0], "secrets": ["db"]}]},
        f"{RUNNER}/service-routes/cart": {
            "routes": [{"source": {"port": 8080}, "targets": [target]}]
        },
        f"{INGRESS}/r1": {"targets": [ingress]},
        f"{INGRESS}/global": {"headers": [{"key": "a", "value": "b"}]},
        f"{LAB}/letsencrypt/config/letsencrypt-config": {"domains": ["a.example.com"]},
    }
    for path, document in declared.items():
        await api.post(path, document)

    (project,) = await asked(api, LAB)
    (secret,) = await asked(api, f"{RUNNER}/secrets")
    (service,) = await asked(api, f"{RUNNER}/services")
    routes = await asked(api, f"{RUNNER}/service-routes")
    (route,) = await asked(api, INGRESS)
    (headers,) = await asked(api, f"{INGRESS}/global")
    (domains,) = await asked(api, f"{LAB}/letsencrypt/config")

    def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
        return {name: value for name, value in document.items() if name not in names}

    exported = [
        project,
        without(secret, "id"),
        without(service, "id", "name", "version", "projectId"),
        {"routes": [without(each, "id") for each in routes]},
        without(route, "id"),
        headers,
        domains,
    ]
    for path, document in zip(declared, exported, strict=True):
        again = await api.post(path, document)
        assert again["change"] == "unchanged", path


# documents by their path alone


async def test_documents_of_an_unknown_type_are_what_their_path_says(api: Api) -> None:
    specs = [
        {
            "api": f"{RUNNER}/services/cart/v1",
            "type": "my-service",
            "meta": {},
            "spec": {"tasks": TASKS},
        },
        {
            "api": "/v1/config/projects/{project}/routing/ingress/global",
            "type": "headers",
            "meta": {"project": "lab"},
            "spec": {"headers": []},
        },
        {"api": "/v1/config/integrations", "type": "integrations", "meta": {}, "spec": {"id": "p"}},
    ]

    answer = await api.client.post("/v1/config/batch-apply", json={"specs": specs})

    assert [each["document"] for each in answer.json()["result"]] == [
        "service lab/cart@v1",
        "ingress-global lab",
        "integrations p",
    ]
