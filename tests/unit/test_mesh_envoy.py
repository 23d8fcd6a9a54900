"""What Envoy is told, as text and as properties that hold of every face."""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from mesh_strategies import endpoints, worlds
from mesh_world import a_spec, a_world, peers
from spacecloud.drivers.docker.xds.encoding import messages
from spacecloud.ingress.table import read, table
from spacecloud.mesh.addressing import SourceMatcher
from spacecloud.mesh.envoy.host_ports import host_port_resources
from spacecloud.mesh.envoy.ingress import ingress_resources
from spacecloud.mesh.envoy.names import owner_of
from spacecloud.mesh.envoy.public import PublicListener, public_resources
from spacecloud.mesh.envoy.resources import KINDS, Resources
from spacecloud.mesh.envoy.service import service_resources
from spacecloud.mesh.envoy.source_ranges import ALLOWED, DENIED, connection_matcher, rbac
from spacecloud.mesh.policy import Policy
from spacecloud.model.api import API_PATHS
from spacecloud.model.declared import Declarations, StoredDocument
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import Caller, Endpoint, HostPortAccess, SourceRanges

GOLDEN = Path(__file__).parent.parent / "golden" / "face.json"

API = ServiceKey("shop", "api")

addresses = st.builds(
    lambda third, fourth: f"10.120.{third}.{fourth}", st.integers(0, 7), st.integers(0, 255)
)
subnets = st.builds(lambda n: f"10.120.{n}.0/24", st.integers(0, 7))
ranges = st.builds(
    SourceRanges,
    named=st.lists(st.builds(Caller, st.just("a/b"), subnets), max_size=3).map(tuple),
    blocks=st.lists(st.sampled_from(["10.120.0.0/22", "10.120.4.0/23"]), max_size=2).map(tuple),
    except_=st.lists(st.builds(Caller, st.just("a/c"), subnets), max_size=3).map(tuple),
)


def test_one_face_reads_as_it_is_written_down() -> None:
    world = a_world(
        {
            "shop/api": a_spec(8080, "tcp:5432", whitelists=peers("shop/*")),
            "shop/web": a_spec(),
            "shop/job": a_spec(upstreams=[]),
        }
    )
    replicas = (Endpoint("v1", "10.120.0.2"), Endpoint("v1", "10.120.0.3", draining=True))

    resources = [
        {"kind": kind, **resource}
        for kind, _, resource in service_resources(Policy(world).face(API), replicas)
    ]

    assert json.loads(GOLDEN.read_text()) == json.loads(json.dumps(resources))


@settings(max_examples=50, deadline=None)
@given(worlds, endpoints)
def test_every_resource_is_a_message_that_envoy_has_and_names_its_owner(
    world: Declarations, replicas: tuple[Endpoint, ...]
) -> None:
    for key, face in Policy(world).faces().items():
        for _, name, resource in service_resources(face, replicas):
            json_format.ParseDict(resource, AnyMessage())
            assert owner_of(name) == key


@settings(max_examples=50, deadline=None)
@given(worlds, endpoints)
def test_equal_faces_have_equal_versions_and_names_are_unique(
    world: Declarations, replicas: tuple[Endpoint, ...]
) -> None:
    for face in Policy(world).faces().values():
        resources = service_resources(face, replicas)
        first, again = messages(resources), messages(service_resources(face, replicas[::-1]))
        assert first == again
        assert sum(len(first[kind]) for kind in KINDS) == len(list(resources))


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_policy_touches_no_filter_chain(world: Declarations) -> None:
    """What closes connections is a changed chain: an edit of policy must not make one."""
    for face in Policy(world).faces().values():
        sealed = service_resources(replace(face, sources=SourceRanges()), ())
        for given_, bare in zip(
            service_resources(face, ()).listeners, sealed.listeners, strict=True
        ):
            assert {k: v for k, v in given_.items() if k != "filter_chain_matcher"} == {
                k: v for k, v in bare.items() if k != "filter_chain_matcher"
            }


@settings(max_examples=50, deadline=None)
@given(ranges, addresses)
def test_requests_and_connections_are_allowed_by_the_same_table(
    sources: SourceRanges, address: str
) -> None:
    expected = SourceMatcher(sources).allowed(address)

    assert _chain(connection_matcher(sources), address) == (ALLOWED if expected else DENIED)
    (policy,) = rbac(sources)["rbac"]["rules"]["policies"].values()
    assert any(_is(principal, address) for principal in policy["principals"]) == expected


def test_when_the_oldest_version_goes_only_endpoints_change() -> None:
    """Its open TCP connections are left to drain: no filter chain is another one."""
    both = {"v1": a_spec("tcp:5432"), "v2": a_spec("tcp:5432")}
    before = Policy(a_world({"shop/api": both})).face(API)
    entries = tuple(
        replace(e, version="v2") if e.of_service else e
        for e in before.entries
        if e.of_service or e.version == "v2"
    )
    after = replace(before, entries=entries)
    v1, v2 = Endpoint("v1", "10.120.0.2"), Endpoint("v2", "10.120.0.3")

    was = _by_name(service_resources(before, (v1, v2)))
    now = _by_name(service_resources(after, (replace(v1, draining=True), v2)))

    assert [f"{kind} {name}" for kind, name in sorted(was.keys() - now.keys())] == snapshot(
        ["listeners shop/api|10.121.1.1:5432"]
    )
    assert [
        f"{kind} {name}" for kind, name in sorted(now) if now[kind, name] != was[kind, name]
    ] == snapshot(["endpoints shop/api|v1|5432", "endpoints shop/api||5432"])
    general = ("endpoints", "shop/api||5432")
    assert _addresses(was[general]) == snapshot(["10.120.0.2 HEALTHY"])
    assert _addresses(now[general]) == snapshot(["10.120.0.2 DRAINING", "10.120.0.3 HEALTHY"])


def _by_name(resources: Resources) -> dict[tuple[str, str], Any]:
    return {(kind, name): resource for kind, name, resource in resources}


def _addresses(assignment: Any) -> list[str]:
    return [
        f"{e['endpoint']['address']['socket_address']['address']} {e['health_status']}"
        for locality in assignment["endpoints"]
        for e in locality["lb_endpoints"]
    ]


def test_ingress_and_host_ports_are_messages_that_envoy_has() -> None:
    document = {
        "source": {"url": "/a", "hosts": ["*", "x.example"], "methods": ["GET"], "rewrite": "/"},
        "targets": [{"host": "api.shop.svc.cluster.local", "port": 8080}],
        "modify": {
            "headers": [{"key": "x", "value": "1"}],
            "resHeaders": [{"key": "y", "op": "del"}],
        },
    }
    routes = table(read([StoredDocument("shop", "r", document)]), a_world({"shop/api": a_spec()}))

    every = [
        *ingress_resources(routes),
        *public_resources(
            PublicListener(4122, API_PATHS, API_PATHS, (IPv4Network("10.0.0.0/24"),))
        ),
        *host_port_resources((HostPortAccess(5432, ("10.120.0.0/21",)),), "10.121.0.11"),
    ]

    for _, name, resource in every:
        json_format.ParseDict(resource, AnyMessage())
        assert owner_of(name) is not None


def _chain(matcher: Any, address: str) -> str:
    """As Envoy picks: the first line that matches, else the action for none."""
    for line in matcher.get("matcher_list", {"matchers": []})["matchers"]:
        ranges = line["predicate"]["single_predicate"]["custom_match"]["typed_config"][
            "cidr_ranges"
        ]
        if any(_in(cidr, address) for cidr in ranges):
            return str(line["on_match"]["action"]["name"])
    return str(matcher["on_no_match"]["action"]["name"])


def _is(principal: Any, address: str) -> bool:
    match principal:
        case {"any": True}:
            return True
        case {"direct_remote_ip": cidr}:
            return _in(cidr, address)
        case {"or_ids": {"ids": ids}}:
            return any(_is(one, address) for one in ids)
        case {"and_ids": {"ids": ids}}:
            return all(_is(one, address) for one in ids)
        case {"not_id": other}:
            return not _is(other, address)
    raise AssertionError(principal)


def _in(cidr: Any, address: str) -> bool:
    return IPv4Address(address) in IPv4Network(f"{cidr['address_prefix']}/{cidr['prefix_len']}")
