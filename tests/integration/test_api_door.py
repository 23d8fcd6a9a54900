"""Nothing but the named paths is open without a token: asked of every operation there is."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api_client import Api, an_api
from spacecloud.api.login_limit import FAILURES_PER_SOURCE
from spacecloud.model.api import PRIVATE_PATHS

OPEN = {
    ("POST", "/v1/config/login"),
    ("GET", "/v1/config/env"),
    ("GET", "/v1/api/health-check"),
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as opened:
        yield opened


async def _operations(api: Api) -> list[tuple[str, str]]:
    document = (await api.stranger.get("/openapi.json")).json()
    return [
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    ]


async def test_every_operation_but_the_open_ones_needs_a_token(api: Api) -> None:
    operations = await _operations(api)
    wrong = ("", "Bearer", "Bearer nonsense", f"Basic {api.token}", f"Bearer {api.token}x")

    for method, path in operations:
        concrete = re.sub(r"\{[^}]+\}", "x", path)
        for authorization in wrong:
            answer = await api.stranger.request(
                method, concrete, headers={"Authorization": authorization}
            )
            if (method, path) in OPEN:
                assert answer.status_code != 401 or "password" in answer.json()["error"]
            else:
                assert answer.status_code == 401, (method, path, authorization)
                assert answer.json()["error"]

    assert set(operations) > OPEN
    assert len(operations) > 30


async def test_every_path_that_wants_a_token_is_private(api: Api) -> None:
    """From outside, no ingress route for more leads it to a service."""
    elsewhere = {"/metrics", "/v1/api/health-check"}

    paths = {path for _, path in await _operations(api)} - elsewhere

    assert [p for p in sorted(paths) if not f"{p}/".startswith(tuple(_folders()))] == []
    assert [f for f in _folders() if not any(f"{p}/".startswith(f) for p in paths)] == []


def _folders() -> list[str]:
    return [f"{path}/" for path in PRIVATE_PATHS]


async def test_every_operation_lets_a_token_in(api: Api) -> None:
    for method, path in await _operations(api):
        answer = await api.client.request(method, re.sub(r"\{[^}]+\}", "x", path), content=b"{}")

        assert answer.status_code in (200, 400, 404), (method, path, answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        "/metrics",
        "/v1/config/login/",
        "/v1/config/login/x",
        "/v1/config/env/../events",
        "/docsx",
        "/V1/config/env",
        "//v1/config/env",
        "/v1//config/env",
    ],
)
async def test_a_path_that_only_looks_open_is_closed(api: Api, path: str) -> None:
    answer = await api.stranger.get(f"http://space-cloud{path}")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/docs/../metrics", "/docs/%2e%2e/metrics", "/docs/assets/../../metrics", "/docs/x/metrics"],
)
async def test_nothing_is_reached_through_the_folder_of_the_docs(api: Api, path: str) -> None:
    answer = await api.stranger.get(f"http://space-cloud{path}")

    assert answer.status_code in (401, 404)
    assert "space_cloud_up" not in answer.text


async def test_a_token_is_given_renewed_and_used(api: Api) -> None:
    login = await api.stranger.post(
        "/v1/config/login?cli=true", json={"user": "admin", "key": api.password}
    )
    headers = {"Authorization": f"Bearer {login.json()['token']}"}
    renewed = await api.stranger.get("/v1/config/refresh-token", headers=headers)
    headers = {"Authorization": f"bearer {renewed.json()['token']}"}

    answer = await api.stranger.get("/v1/config/permissions", headers=headers)

    assert answer.json() == {"result": [{"project": "*", "resource": "*", "verb": "*"}]}


async def test_a_wrong_password_is_a_sentence_and_soon_a_wait(api: Api) -> None:
    async def login(source: str) -> tuple[int, str]:
        # A caller can write what it likes into the header that is not the gateway's own.
        answer = await api.stranger.post(
            "/v1/config/login",
            json={"user": "admin", "key": "s3cret-guess"},
            headers={"X-Space-Cloud-Caller": "10.0.0.9", "X-Forwarded-For": source},
        )
        assert answer.json()["error"]
        assert "s3cret" not in answer.text
        return answer.status_code, answer.headers.get("retry-after", "")

    answers = [await login(f"10.0.0.{n}") for n in range(FAILURES_PER_SOURCE + 1)]

    assert answers[:-1] == [(401, "")] * FAILURES_PER_SOURCE
    status, wait = answers[-1]
    assert status == 429
    assert 0 < int(wait) <= 60


@pytest.mark.parametrize("body", [{}, {"user": "admin"}, {"user": 1, "key": ["s3cret"]}, []])
async def test_a_login_that_is_none_is_a_400_that_shows_no_password(api: Api, body: object) -> None:
    answer = await api.stranger.post("/v1/config/login", json=body)

    assert answer.status_code == 400
    assert "s3cret" not in answer.text


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        ("127.0.0.1", 200),
        ("127.8.9.10", 200),
        ("::1", 200),
        ("192.0.2.9", 403),
        ("nonsense", 403),
    ],
)
async def test_an_api_that_is_not_exposed_answers_nobody_beyond_this_machine(
    tmp_path: Path, caller: str, status: int
) -> None:
    async with an_api(tmp_path, exposed=False) as api:
        answer = await api.client.get(
            "/v1/config/projects/*", headers={"X-Space-Cloud-Caller": caller}
        )
        straight = await api.client.get("/v1/config/projects/*")

    assert answer.status_code == status
    assert straight.status_code == 200
