"""Which versions stand behind a service: what a wake of it wakes beside it."""

import pytest

from mesh_world import a_spec, a_world, peers
from spacecloud.mesh.policy import Policy
from spacecloud.mesh.upstream_graph import behind
from spacecloud.model.refs import ServiceKey
from spacecloud.model.service import Service

WEB = ServiceKey("shop", "web")


def behind_web(services: dict[str, Service | dict[str, Service] | None]) -> list[str]:
    return [str(ref) for ref in behind(Policy(a_world(services)), WEB)]


def calling(*names: str) -> Service:
    return a_spec(upstreams=peers(*names))


def test_a_chain_is_followed_to_its_end() -> None:
    chain = {
        "shop/web": calling("shop/api"),
        "shop/api": calling("shop/store"),
        "shop/store": calling(),
        "shop/other": calling("shop/store"),
    }

    assert behind_web({**chain}) == ["shop/api@v1", "shop/store@v1"]


def test_a_circle_ends() -> None:
    circle = {"shop/web": calling("shop/api"), "shop/api": calling("shop/web", "shop/api")}

    assert behind_web({**circle}) == ["shop/api@v1"]


@pytest.mark.parametrize("upstreams", [None, peers("shop/*"), peers("*/api"), []])
def test_only_a_service_that_is_named_counts(upstreams: list[dict[str, str]] | None) -> None:
    web = a_spec(upstreams=upstreams)

    assert behind_web({"shop/web": web, "shop/api": a_spec()}) == []


def test_of_a_callee_the_version_that_answers_at_its_own_domain() -> None:
    versions = {"v1": a_spec(8080), "v2": a_spec(8080), "v3": a_spec(9090)}

    assert behind_web({"shop/web": calling("shop/api"), "shop/api": versions}) == [
        "shop/api@v1",
        "shop/api@v3",
    ]


def test_who_is_refused_wakes_nobody() -> None:
    api = a_spec(whitelists=peers("shop/other"))

    assert behind_web({"shop/web": calling("shop/api"), "shop/api": api}) == []


def test_what_is_not_declared_or_on_its_way_out_is_left_out() -> None:
    services = {"shop/web": calling("shop/gone", "shop/never"), "shop/gone": None}

    assert behind_web({**services}) == []
