"""Nothing but the named paths is open without a token: asked of every operation there is."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
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
    answer = await api.stranger.get(f"http://localhost{path}")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/docs/../metrics", "/docs/%2e%2e/metrics", "/docs/assets/../../metrics", "/docs/x/metrics"],
)
async def test_nothing_is_reached_through_the_folder_of_the_docs(api: Api, path: str) -> None:
    answer = await api.stranger.get(f"http://localhost{path}")

    assert answer.status_code in (401, 404)
    assert "space_cloud_services" not in answer.text


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


HERE = {"X-Space-Cloud-Caller": "127.0.0.1"}
"""As the gateway says it of a browser on this machine."""


async def guess(api: Api, **headers: str) -> httpx.Response:
    """As a page sends it without a preflight, which has no Content-Type."""
    body = b'{"user": "admin", "key": "s3cret-guess"}'
    return await api.stranger.post("/v1/config/login", content=body, headers={**HERE, **headers})


FOREIGN: tuple[dict[str, str], ...] = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example", "Origin": "http://evil.example"},
    {"Host": "127.0.0.1.evil.example:4122"},
    {"Host": "localhost.evil.example"},
)


@pytest.mark.attack
@pytest.mark.parametrize("exposed", [True, False])
async def test_a_page_of_a_stranger_neither_guesses_nor_keeps_the_owner_out(
    tmp_path: Path, exposed: bool
) -> None:
    async with an_api(tmp_path, exposed=exposed) as api:
        for headers in FOREIGN:
            for _ in range(FAILURES_PER_SOURCE):
                refused = await guess(api, **headers)
                assert refused.status_code == 403, headers
                assert "access-control-allow-origin" not in refused.headers

        own = [await guess(api) for _ in range(2)]
        body = {"user": "admin", "key": api.password}
        same = {**HERE, "Origin": "http://localhost"}
        owner = await api.stranger.post("/v1/config/login", json=body, headers=same)

    assert [answer.status_code for answer in own] == [401, 401]
    assert owner.status_code == 200


@pytest.mark.attack
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_what_a_page_sends_without_a_preflight_is_no_document(api: Api, kind: str) -> None:
    for path in ("/v1/config/login", "/v1/config/check", "/v1/runner/shop/services/api/v1"):
        answer = await api.client.post(path, content=b"{}", headers={"Content-Type": kind})

        assert answer.status_code == 415
        assert answer.json()["code"] == "unsupported_media_type"
        assert "application/json" in answer.json()["error"]


async def test_a_name_that_is_not_the_apis_is_told_with_the_setting(api: Api) -> None:
    answer = await api.stranger.get("/v1/config/env", headers={**HERE, "Host": "console.lan:4122"})

    assert answer.status_code == 403
    assert """SPACE_CLOUD_API_NAMES='["console.lan"]'""" in answer.json()["error"]


async def test_the_owner_lets_pages_of_another_origin_in(tmp_path: Path) -> None:
    page = {**HERE, "Origin": "https://ui.example.com"}
    asked = {**page, "Access-Control-Request-Method": "DELETE"}
    async with an_api(tmp_path, origins=("https://UI.example.com/",)) as api:
        preflight = await api.stranger.options("/v1/config/login", headers=asked)
        body = {"user": "admin", "key": api.password}
        login = await api.stranger.post("/v1/config/login", json=body, headers=page)
        other = await api.stranger.options(
            "/v1/config/login", headers={**asked, "Origin": "https://evil.example"}
        )

    assert preflight.status_code == 200
    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    assert login.headers["access-control-allow-origin"] == page["Origin"]
    assert "access-control-allow-credentials" not in login.headers
    assert other.status_code == 403


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
