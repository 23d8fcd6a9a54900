"""The way in from outside: by host, by URL, and by nothing that was not declared."""

import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from e2e.stage import Stage
from eventually import wait_until

PROJECT = "front"


@pytest.fixture(scope="module", autouse=True)
def services(stage: Stage) -> Iterator[None]:
    for service in ("web", "shop"):
        stage.user.apply(PROJECT, service, whitelists=[])
    stage.user.ingress(PROJECT, "web", "/web", "web")
    stage.user.ingress(PROJECT, "deep", "/web/shop", "shop", rewrite="/")
    stage.user.ingress(PROJECT, "exact", "/only", "shop", type="exact")
    stage.user.ingress(PROJECT, "host", "/", "shop", hosts=["shop.example"])
    stage.user.ingress(PROJECT, "post", "/write", "web", methods=["POST"])
    stage.user.wait_until_ready(PROJECT, "web", "shop")

    def routed() -> None:
        assert get(stage, "/web").status_code == 200

    wait_until(routed)
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, "web", "shop")


def get(stage: Stage, path: str, **given: Any) -> httpx.Response:
    return httpx.get(stage.installation.url + path, timeout=10, **given)


@pytest.mark.parametrize(
    ("path", "name", "seen"),
    [
        ("/web", "web", "/web"),
        ("/web/x?y=1", "web", "/web/x"),
        ("/web/shop", "shop", "/"),
        ("/web/shop/cart", "shop", "/cart"),
        ("/web/shopping", "web", "/web/shopping"),
        ("/only", "shop", "/only"),
    ],
)
def test_the_most_specific_route_answers(stage: Stage, path: str, name: str, seen: str) -> None:
    answer = get(stage, path).json()

    assert (answer["name"], answer["path"].partition("?")[0]) == (name, seen)


@pytest.mark.parametrize("path", ["/webx", "/only/more", "/nothing", "/write"])
def test_what_no_route_leads_to_is_not_found_and_says_so(stage: Stage, path: str) -> None:
    answer = get(stage, path)

    assert answer.status_code == 404
    assert answer.json()["error"]


def test_a_host_and_a_method_choose(stage: Stage) -> None:
    by_host = get(stage, "/anything", headers={"host": "shop.example"})
    by_method = httpx.post(f"{stage.installation.url}/write", content=b"x")

    assert by_host.json()["name"] == "shop"
    assert by_method.json()["method"] == "POST"


@pytest.mark.parametrize("path", ["/web/../only", "/web/%2e%2e/only", "//only"])
def test_a_path_is_what_it_means_before_a_route_is_chosen(stage: Stage, path: str) -> None:
    """Sent as it is: no client library may tidy it up."""
    raw = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stage.installation.http_port), 5) as channel:
        channel.sendall(raw.encode())
        answer = b""
        while more := channel.recv(65536):
            answer += more

    assert b" 200 " in answer.split(b"\r\n")[0]
    assert b'"path": "/only"' in answer


def test_the_address_of_the_client_is_told_and_cannot_be_made_up(stage: Stage) -> None:
    forged = {"x-forwarded-for": "1.2.3.4", "x-envoy-internal": "true", "forwarded": "for=1.2.3.4"}

    headers = get(stage, "/web", headers=forged).json()["headers"]

    assert "1.2.3.4" not in str(headers)


def test_the_api_answers_on_loopback_alone(stage: Stage) -> None:
    shown = subprocess.run(
        ["hostname", "-I"], text=True, capture_output=True, check=True, timeout=60
    )
    outside = next(a for a in shown.stdout.split() if ":" not in a)

    inside = get(stage, "/v1/config/env")
    answer = httpx.get(f"http://{outside}:{stage.installation.http_port}/v1/config/env")

    assert inside.status_code == 200
    assert answer.status_code == 403
    assert httpx.get(f"http://{outside}:{stage.installation.http_port}/web").status_code == 200


def test_a_route_to_a_service_without_replicas_says_unavailable(stage: Stage) -> None:
    stage.user.apply(PROJECT, "none", scale={"maxReplicas": 0})
    stage.user.ingress(PROJECT, "none", "/none", "none")

    def unavailable() -> None:
        assert get(stage, "/none").status_code == 503

    wait_until(unavailable)
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}/routing/ingress/none")
    stage.user.delete(PROJECT, "none")


def test_two_routes_that_cannot_both_be_reached_are_warned_of(stage: Stage) -> None:
    document = {
        "type": "ingress-routes",
        "meta": {"project": PROJECT, "id": "twin"},
        "spec": {
            "source": {"hosts": ["*"], "url": "/web", "type": "prefix"},
            "targets": [{"host": f"shop.{PROJECT}.svc.cluster.local", "port": 8080}],
        },
    }
    answer = stage.user.request("POST", "/v1/config/plan", {"documents": [document]})

    warnings = answer.json()["result"]["warnings"]
    assert [w for w in warnings if "twin" in w], warnings


def test_status_and_apply_say_the_url(stage: Stage) -> None:
    urls = stage.user.status(PROJECT, "web")["urls"]

    assert f"http://localhost:{stage.installation.http_port}/web" in urls


def test_targets_share_by_weight(stage: Stage) -> None:
    body = {
        "source": {"hosts": ["*"], "url": "/split", "type": "prefix"},
        "targets": [
            {"host": f"web.{PROJECT}.svc.cluster.local", "port": 8080, "weight": 75},
            {"host": f"shop.{PROJECT}.svc.cluster.local", "port": 8080, "weight": 25},
        ],
    }
    stage.user.request("POST", f"/v1/config/projects/{PROJECT}/routing/ingress/split", body)

    def routed() -> None:
        assert get(stage, "/split").status_code == 200

    wait_until(routed)
    with httpx.Client() as client:
        names = [client.get(f"{stage.installation.url}/split").json()["name"] for _ in range(200)]

    assert 20 <= names.count("shop") <= 85
