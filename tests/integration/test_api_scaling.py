"""How numbers of replicas come about, by the API; a number, sleep and wake by hand."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_client import Api, an_api
from spacecloud.errors import Terminal
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling import Scaling
from spacecloud.reasons.tasks import Exited

SHOP = "/v1/runner/shop"
PORTS = [{"name": "http", "port": 8080, "protocol": "http"}]
TASK: dict[str, Any] = {"id": "main", "docker": {"image": "app:1"}, "ports": PORTS}
SLEEPER: dict[str, Any] = {"tasks": [TASK], "autoScale": {"minReplicas": 0, "maxReplicas": 4}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as opened:
        await opened.post(f"{SHOP}/services/api/v1", SLEEPER)
        yield opened


async def ordered(api: Api, order: object, path: str = "api/v1") -> httpx.Response:
    return await api.client.post(f"{SHOP}/scaling/{path}", json=order)


async def test_a_version_of_which_nothing_was_decided_has_its_declared_number(api: Api) -> None:
    (view,) = await api.get(f"{SHOP}/scaling")

    assert (view["project"], view["serviceId"], view["version"]) == ("shop", "api", "v1")
    assert (view["state"], view["wanted"], view["minimum"], view["maximum"]) == ("awake", 1, 0, 1)
    assert (view["valid"], view["lastDecision"], view["maySleep"]) == (False, None, True)
    assert (view["freezeAfterSeconds"], view["stopAfterSeconds"]) == (60, 900)


async def test_versions_are_filtered_as_services_are(api: Api) -> None:
    for path in ("api/v2", "web/v1"):
        await api.post(f"{SHOP}/services/{path}", SLEEPER)

    async def listed(query: str) -> list[str]:
        found = await api.get(f"{SHOP}/scaling?{query}")
        return [f"{s['serviceId']}/{s['version']}" for s in found]

    assert await listed("serviceId=*&version=*") == ["api/v1", "api/v2", "web/v1"]
    assert await listed("serviceID=api&version=v2") == ["api/v2"]
    assert await listed("serviceId=nope") == []


async def test_a_number_holds_until_the_next_apply_and_the_answer_says_so(api: Api) -> None:
    answer = await ordered(api, {"replicas": 3})
    (asked,) = await api.get(f"{SHOP}/scaling")
    await api.post(f"{SHOP}/services/api/v1", SLEEPER)
    (applied,) = await api.get(f"{SHOP}/scaling")

    assert answer.status_code == 200
    assert answer.json()["replicas"] == 3
    assert answer.json()["notices"][0].startswith("3 replicas until the next apply")
    assert "outside of the 0 to 1 that are declared" in answer.json()["notices"][1]
    assert (asked["pinned"], asked["wanted"]) == (3, 3)
    assert (applied["pinned"], applied["wanted"]) == (None, 1)


async def test_of_a_number_of_zero_it_is_said_that_no_call_wakes_it(api: Api) -> None:
    answer = await ordered(api, {"replicas": 0})

    assert answer.json()["notices"][1] == "no replica runs, and no call wakes one"


@pytest.mark.parametrize("replicas", [-1, 1001, 1.5, "many", True])
async def test_what_is_no_number_of_replicas_is_refused_by_its_field(
    api: Api, replicas: object
) -> None:
    answer = await ordered(api, {"replicas": replicas})

    assert answer.status_code == 400
    assert answer.json()["mistakes"][0]["path"] == "replicas"


@pytest.mark.parametrize(
    "order",
    [{}, {"replicas": None}, {"replicas": 1, "asleep": "frozen"}],
    ids=["nothing", "no number", "both"],
)
async def test_exactly_one_thing_is_asked_for(api: Api, order: object) -> None:
    answer = await ordered(api, order)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("one of two is expected")


async def test_another_depth_is_refused(api: Api) -> None:
    answer = await ordered(api, {"asleep": "deep"})

    assert answer.status_code == 400
    assert answer.json()["mistakes"][0]["path"] == "asleep"


@pytest.mark.parametrize("depth", ["frozen", "stopped"])
async def test_a_version_sleeps_and_is_woken(api: Api, depth: str) -> None:
    slept = await ordered(api, {"asleep": depth})
    (asleep,) = await api.get(f"{SHOP}/scaling")
    woke = await ordered(api, {"asleep": None})
    again = await ordered(api, {"asleep": None})
    (awake,) = await api.get(f"{SHOP}/scaling")

    assert (slept.status_code, slept.json()["asleep"]) == (200, depth)
    assert (asleep["state"], asleep["asleep"]) == (depth, depth)
    assert (woke.json()["milliseconds"], again.json()["milliseconds"]) == (12.3, 0)
    assert [part["name"] for part in woke.json()["parts"]] == ["gate", "start", "ready"]
    assert again.json()["parts"] == []
    assert (awake["state"], awake["asleep"]) == ("awake", None)


async def test_what_is_stopped_is_not_started_to_be_frozen(api: Api) -> None:
    await ordered(api, {"asleep": "stopped"})

    answer = await ordered(api, {"asleep": "frozen"})

    (view,) = await api.get(f"{SHOP}/scaling")
    assert answer.status_code == 200
    assert (view["state"], view["asleep"]) == ("stopped", "stopped")


@pytest.mark.parametrize(
    ("spec", "why", "fix"),
    [
        ({}, "neither scale nor autoScale", "minReplicas: 0"),
        (
            {"autoScale": {"minReplicas": 2}},
            "autoScale.minReplicas is 2",
            "set autoScale.minReplicas to 0",
        ),
        ({"scale": {"replicas": 2}}, "scale.replicas is 2", "scale.minReplicas to 0"),
        ({"scale": {"minReplicas": 1}}, "scale.minReplicas is 1", "set scale.minReplicas to 0"),
        ({"scale": {"maxReplicas": 0}}, "scale.maxReplicas is 0", "set scale.maxReplicas to 1"),
        ({"autoScale": {}, "tasks": [{**TASK, "ports": []}]}, "it has no port", "declare an http"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_version_that_may_not_sleep_says_why_and_what_would_let_it(
    api: Api, spec: dict[str, Any], why: str, fix: str
) -> None:
    await api.post(f"{SHOP}/services/web/v1", {"tasks": [TASK], **spec})

    answer = await ordered(api, {"asleep": "frozen"}, "web/v1")
    (view,) = await api.get(f"{SHOP}/scaling?serviceId=web")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["error"].startswith("shop/web@v1 may not sleep: ")
    assert why in answer.json()["error"]
    assert fix in answer.json()["error"]
    assert view["maySleep"] is False
    never: Any = view["neverSleeps"]
    assert why in never["message"]


@pytest.mark.parametrize("order", [{"replicas": 1}, {"asleep": "frozen"}, {"asleep": None}])
async def test_a_version_that_is_not_declared_is_not_found(api: Api, order: object) -> None:
    answer = await ordered(api, order, "api/v9")

    assert answer.status_code == 404
    assert answer.json()["error"] == "there is no service shop/api@v9"


async def test_a_wake_that_fails_says_why(api: Api) -> None:
    api.backend.scaler.why_no_wake = Terminal(Exited(1, "no database"))

    answer = await ordered(api, {"asleep": None})

    assert answer.status_code == 502
    assert "no database" in answer.json()["error"]


async def test_a_wake_that_takes_longer_than_a_client_waits_says_so(api: Api) -> None:
    api.backend.scaler.is_stuck = True

    answer = await ordered(api, {"asleep": None})

    assert (answer.status_code, answer.json()["milliseconds"]) == (200, None)
    assert "its wake goes on" in answer.json()["notices"][0]


async def test_nobody_scales_without_a_token(api: Api) -> None:
    answers = [
        await api.stranger.get(f"{SHOP}/scaling"),
        await api.stranger.post(f"{SHOP}/scaling/api/v1", json={"replicas": 9}),
    ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert api.backend.scaler.kept == {}


async def test_a_batch_without_trials_leaves_untried_what_sleeps_and_says_what_does_not(
    api: Api,
) -> None:
    await api.post(f"{SHOP}/services/web/v1", SLEEPER)
    asleep = Scaling(1, datetime(2026, 1, 1, tzinfo=UTC), "stopped")
    await api.store.record_scaling(ServiceRef("shop", "api", "v1"), asleep)
    documents = [
        {"type": "service", "meta": {"project": "shop", "serviceId": id, "version": "v1"}}
        for id in ("api", "web")
    ]
    specs = [{**document, "spec": SLEEPER} for document in documents]

    async def untried() -> list[str]:
        versions = await api.store.versions("shop")
        return [version.ref.service for version in versions if version.is_trial_skipped]

    answer = await api.client.post("/v1/config/batch-apply?verify=false", json={"specs": specs})
    after_one_without = await untried()
    await api.post("/v1/config/batch-apply", {"specs": specs})

    assert answer.status_code == 200, answer.text
    told = {each["document"]: each["notices"] for each in answer.json()["result"]}
    assert after_one_without == ["api"]
    assert told["service shop/api@v1"] == []
    assert [note.partition(":")[0] for note in told["service shop/web@v1"]] == [
        "--no-verify changes nothing"
    ]
    assert await untried() == []
