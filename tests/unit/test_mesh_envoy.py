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

from mesh_world import a_spec, a_world, peers
from spacecloud.drivers.docker.xds.encoding import messages
from spacecloud.ingress.table import API_PATHS, read, table
from spacecloud.mesh.admits import Admits
from spacecloud.mesh.envoy.admission import LET_IN, connection_matcher, rbac
from spacecloud.mesh.envoy.host_ports import host_port_resources
from spacecloud.mesh.envoy.ingress import ingress_resources
from spacecloud.mesh.envoy.names import owner_of
from spacecloud.mesh.envoy.public import public_resources
from spacecloud.mesh.envoy.resources import KINDS
from spacecloud.mesh.envoy.service import service_resources
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import Declared, StoredDocument
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import Admission, Caller, Endpoint, HostPortAccess
from unit.test_mesh_policy import worlds

GOLDEN = Path(__file__).parent.parent / "golden" / "face.json"

API = ServiceKey("shop", "api")

endpoints = st.lists(
    st.builds(
        Endpoint,
        st.sampled_from(["v1", "v2"]),
        st.integers(2, 9).map(lambda n: f"10.120.0.{n}"),
        st.booleans(),
    ),
    max_size=4,
).map(tuple)

addresses = st.builds(
    lambda third, fourth: f"10.120.{third}.{fourth}", st.integers(0, 7), st.integers(0, 255)
)
subnets = st.builds(lambda n: f"10.120.{n}.0/24", st.integers(0, 7))
admissions = st.builds(
    Admission,
    callers=st.lists(st.builds(Caller, st.just("a/b"), subnets), max_size=3).map(tuple),
    blocks=st.lists(st.sampled_from(["10.120.0.0/22", "10.120.4.0/23"]), max_size=2).map(tuple),
    refused=st.lists(st.builds(Caller, st.just("a/c"), subnets), max_size=3).map(tuple),
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

    told = [
        {"kind": kind, **resource}
        for kind, _, resource in service_resources(Policy(world).face(API), replicas)
    ]

    assert json.loads(GOLDEN.read_text()) == json.loads(json.dumps(told))


@settings(max_examples=50, deadline=None)
@given(worlds, endpoints)
def test_every_resource_is_a_message_that_envoy_has_and_names_its_owner(
    world: Declared, replicas: tuple[Endpoint, ...]
) -> None:
    for key, face in Policy(world).faces().items():
        for _, name, resource in service_resources(face, replicas):
            json_format.ParseDict(resource, AnyMessage())
            assert owner_of(name) == key


@settings(max_examples=50, deadline=None)
@given(worlds, endpoints)
def test_equal_faces_have_equal_versions_and_names_are_unique(
    world: Declared, replicas: tuple[Endpoint, ...]
) -> None:
    for face in Policy(world).faces().values():
        resources = service_resources(face, replicas)
        first, again = messages(resources), messages(service_resources(face, replicas[::-1]))
        assert first == again
        assert sum(len(first[kind]) for kind in KINDS) == len(list(resources))


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_policy_touches_no_filter_chain(world: Declared) -> None:
    """What closes connections is a changed chain: an edit of policy must not make one."""
    for face in Policy(world).faces().values():
        sealed = service_resources(_with(face, Admission()), ())
        for given_, bare in zip(
            service_resources(face, ()).listeners, sealed.listeners, strict=True
        ):
            assert {k: v for k, v in given_.items() if k != "filter_chain_matcher"} == {
                k: v for k, v in bare.items() if k != "filter_chain_matcher"
            }


@settings(max_examples=50, deadline=None)
@given(admissions, addresses)
def test_requests_and_connections_are_let_in_by_the_same_table(
    admission: Admission, address: str
) -> None:
    expected = Admits(admission)(address)

    assert _chain(connection_matcher(admission), address) == (LET_IN if expected else "refused")
    (policy,) = rbac(admission)["rbac"]["rules"]["policies"].values()
    assert any(_is(principal, address) for principal in policy["principals"]) == expected


def test_ingress_and_doors_are_messages_that_envoy_has() -> None:
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
        *public_resources(4122, API_PATHS, API_PATHS),
        *host_port_resources((HostPortAccess(5432, ("10.120.0.0/21",)),), "10.121.0.11"),
    ]

    for _, name, resource in every:
        json_format.ParseDict(resource, AnyMessage())
        assert owner_of(name) is not None


def _with(face: Any, admission: Admission) -> Any:
    return replace(face, admission=admission)


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
