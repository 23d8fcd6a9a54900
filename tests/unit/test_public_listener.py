"""Limits of the public listener, and which names of headers claim something."""

import re
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_world import a_spec, a_world
from spacecloud.commands.context import read_settings
from spacecloud.errors import InvalidSpec
from spacecloud.mesh.envoy.host_ports import host_port_resources
from spacecloud.mesh.envoy.limits import CHAINS, most_connections
from spacecloud.mesh.envoy.public import PublicListener, public_resources
from spacecloud.mesh.envoy.service import service_resources
from spacecloud.mesh.envoy.spoofable_headers import CLAIMS, STEERING, expression
from spacecloud.mesh.policy import Policy
from spacecloud.model.api import API_PATHS
from spacecloud.model.traffic import HostPortAccess

ORDINARY = (
    *("accept", "authorization", "cookie", "host", "origin", "referer", "user-agent", "via"),
    *("traceparent", "x-api-key", "x-auth-token", "x-csrf-token", "x-forward", "x-request-id"),
    *("x-requested-with", "proxy-authorization", "cf-access-jwt-assertion", "remote", "sslx"),
)


@given(st.integers(1, 10_000_000), st.integers(1, 2_000_000))
def test_the_public_port_cannot_take_all_descriptors(wanted: int, files: int) -> None:
    most = most_connections(wanted, files)

    assert 1 <= most <= wanted
    # Each connection may need one to a service.
    assert most == 1 or 2 * CHAINS * most <= files


@pytest.mark.parametrize("sign", ["-", "_", ".", "!", "~"])
def test_a_claim_is_one_in_every_spelling_and_nothing_else_is(sign: str) -> None:
    strangers, proxies = re.compile(expression("nobody")), re.compile(expression("forwarded"))
    kept = re.compile(r"x-forwarded-.+")

    for claim in (*CLAIMS, *STEERING):
        name = claim.replace("*", "any").replace("-", sign)
        assert strangers.fullmatch(name), name
        assert bool(proxies.fullmatch(name)) != bool(kept.fullmatch(name)), name
    for name in ORDINARY:
        assert not strangers.fullmatch(name), name
        assert not proxies.fullmatch(name), name


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/24",), ("127.0.0.1/32", "10.0.0.1/32")])
def test_every_public_chain_has_a_ceiling(trusted: tuple[str, ...]) -> None:
    public = PublicListener(4122, API_PATHS, (), tuple(map(IPv4Network, trusted)), 77)

    chains = _chains(public_resources(public).listeners[0])

    assert len(chains) <= CHAINS
    for chain in chains:
        limit, manager = (one["typed_config"] for one in chain["filters"])
        assert limit["max_connections"] == 77
        assert manager["request_headers_timeout"] == "30s"
    assert len({chain["filters"][0]["typed_config"]["stat_prefix"] for chain in chains}) == len(
        chains
    )


def _chains(listener: Any) -> list[Any]:
    return [*listener["filter_chains"], listener["default_filter_chain"]]


def test_the_outside_is_shed_and_the_inside_is_not() -> None:
    (public,) = public_resources(PublicListener(4122, API_PATHS)).listeners
    world = a_world({"shop/api": a_spec(8080, "tcp:5432")})
    faces = Policy(world).faces().values()
    inside = [
        *(listener for face in faces for listener in service_resources(face, ()).listeners),
        *host_port_resources((HostPortAccess(5432, ()),), "10.121.0.11").listeners,
    ]

    assert len(inside) > 2
    assert "bypass_overload_manager" not in public
    assert all(listener["bypass_overload_manager"] is True for listener in inside)


def test_proxies_are_a_list_of_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_CLOUD_TRUSTED_PROXIES", '["10.0.0.5/32", "10.1.0.0/16"]')
    assert [str(n) for n in read_settings().trusted_proxies] == ["10.0.0.5/32", "10.1.0.0/16"]

    for wrong in ("10.0.0.5", '["10.0.0.5/8"]', '["proxy.example"]'):
        monkeypatch.setenv("SPACE_CLOUD_TRUSTED_PROXIES", wrong)
        with pytest.raises(InvalidSpec, match=r"(?i)trusted_proxies"):
            read_settings()
