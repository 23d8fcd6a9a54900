"""What Envoy is told of gates, and what changes when one opens or shuts."""

from dataclasses import replace
from typing import Any

from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from mesh_strategies import endpoints, worlds
from mesh_world import a_spec, a_world
from spacecloud.mesh.envoy.gate import Gating, gate_socket, gated_clusters
from spacecloud.mesh.envoy.names import gate_of, owner_of
from spacecloud.mesh.envoy.resources import Resources
from spacecloud.mesh.envoy.service import service_resources
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import Declarations
from spacecloud.model.gate_limits import (
    ANSWER_SECONDS,
    CONNECT_ATTEMPTS,
    CONNECT_BACKOFF_SECONDS,
    HELD_SECONDS,
)
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.traffic import Endpoint, Face, VersionPort

FOLDER = "/run/space-cloud/default/gateway"
API = ServiceKey("shop", "api")
REPLICAS = (Endpoint("v1", "10.120.0.2"), Endpoint("v1", "10.120.0.3", draining=True))
OF_V1 = Gating(FOLDER, frozenset({"v1"}))

gated_versions = st.frozensets(st.sampled_from(["v1", "v2", "v3"]))


def may_sleep(face: Face, *versions: str) -> Face:
    return replace(face, gates=tuple(sorted(versions or {p.version for p in face.ports} - {""})))


def of_api(*ports: int | str) -> Face:
    return may_sleep(Policy(a_world({"shop/api": a_spec(*ports)})).face(API))


def by_name(resources: Resources) -> dict[str, Any]:
    return {f"{kind} {name}": resource for kind, name, resource in resources}


def shown(assignment: Any) -> list[str]:
    return [
        f"{(a.get('pipe') or {}).get('path') or a['socket_address']['address']} {e['health_status']}"
        for locality in assignment["endpoints"]
        for e in locality["lb_endpoints"]
        for a in [e["endpoint"]["address"]]
    ]


def test_a_gated_versions_ports_lead_to_its_gates_and_those_to_its_replicas() -> None:
    told = by_name(service_resources(of_api(8080, "tcp:5432"), REPLICAS, OF_V1))

    assert [name for name in told if "|gate|" in name] == snapshot(
        [
            "clusters shop/api|gate|v1|5432",
            "clusters shop/api|gate|v1|8080",
            "endpoints shop/api|gate|v1|5432",
            "endpoints shop/api|gate|v1|8080",
            "listeners shop/api|gate|v1|5432",
            "listeners shop/api|gate|v1|8080",
            "routes shop/api|gate|v1|8080",
        ]
    )
    assert {
        name: shown(resource) for name, resource in told.items() if name.startswith("endpoints")
    } == snapshot(
        {
            "endpoints shop/api|gate|v1|5432": ["10.120.0.2 HEALTHY", "10.120.0.3 DRAINING"],
            "endpoints shop/api|gate|v1|8080": ["10.120.0.2 HEALTHY", "10.120.0.3 DRAINING"],
            "endpoints shop/api||5432": [
                "/run/space-cloud/default/gateway/g1nqnnrvu4 HEALTHY",
                "10.120.0.2 DRAINING",
                "10.120.0.3 DRAINING",
            ],
            "endpoints shop/api|v1|5432": [
                "/run/space-cloud/default/gateway/g1nqnnrvu4 HEALTHY",
                "10.120.0.2 DRAINING",
                "10.120.0.3 DRAINING",
            ],
            "endpoints shop/api|v1|8080": [
                "/run/space-cloud/default/gateway/g7l2d28bd6 HEALTHY",
                "10.120.0.2 DRAINING",
                "10.120.0.3 DRAINING",
            ],
        }
    )


def test_the_gate_of_an_http_port_reads_as_it_is_written_down() -> None:
    told = by_name(service_resources(of_api(8080), REPLICAS, OF_V1))
    listener = told["listeners shop/api|gate|v1|8080"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (host,) = told["routes shop/api|gate|v1|8080"]["virtual_hosts"]

    assert manager["http_filters"][0] == snapshot(
        {
            "name": "envoy.filters.http.ext_authz",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "control"}, "timeout": "65s"},
                "allowed_headers": {
                    "patterns": [
                        {"exact": "accept"},
                        {"exact": "content-length"},
                        {"exact": "transfer-encoding"},
                    ]
                },
                "failure_mode_allow": False,
                "status_on_error": {"code": 508},
            },
        }
    )
    assert host["typed_per_filter_config"] == snapshot(
        {
            "envoy.filters.http.ext_authz": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "check_settings": {"context_extensions": {"gate": "shop/api|gate|v1|8080"}},
            }
        }
    )
    (awake,) = by_name(service_resources(of_api(8080), REPLICAS, Gating(FOLDER)))[
        "routes shop/api|gate|v1|8080"
    ]["virtual_hosts"]
    assert awake["typed_per_filter_config"] == snapshot(
        {
            "envoy.filters.http.ext_authz": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "disabled": True,
            }
        }
    )
    assert manager["local_reply_config"]["mappers"][0] == snapshot(
        {
            "filter": {
                "status_code_filter": {
                    "comparison": {
                        "op": "EQ",
                        "value": {"default_value": 508, "runtime_key": "unused"},
                    }
                }
            },
            "body_format_override": {
                "json_format": {"error": "%METADATA(ROUTE:space-cloud:unanswered)%"}
            },
            "status_code": 503,
        }
    )


def test_requests_pass_the_gate_as_they_pass_the_mesh() -> None:
    """What its listener does otherwise is to ask, and to say what it says by itself."""
    told = by_name(service_resources(of_api(8080), REPLICAS, OF_V1))
    gate, mesh = (
        told[name]["filter_chains"][0]["filters"][0]["typed_config"]
        for name in ("listeners shop/api|gate|v1|8080", "listeners shop/api|10.121.1.0:8080")
    )

    assert {field for field in gate | mesh if gate.get(field) != mesh.get(field)} == {
        "access_log",
        "http_filters",
        "local_reply_config",
        "rds",
        "stat_prefix",
    }
    assert gate["http_filters"][1:] == mesh["http_filters"][1:]
    routes = [
        [
            (r["match"], {**r["route"], "cluster": ""})
            for r in told[name]["virtual_hosts"][0]["routes"]
        ]
        for name in ("routes shop/api|gate|v1|8080", "routes shop/api|10.121.1.0:8080")
    ]
    assert routes[0] == routes[1]


@settings(max_examples=50, deadline=None)
@given(worlds, endpoints, gated_versions)
def test_a_service_whose_versions_may_not_sleep_is_told_as_ever(
    world: Declarations, replicas: tuple[Endpoint, ...], gated: frozenset[str]
) -> None:
    for face in Policy(world).faces().values():
        assert service_resources(face, replicas, Gating(FOLDER, gated)) == service_resources(
            face, replicas
        )


@settings(max_examples=50, deadline=None)
@given(worlds, endpoints, gated_versions)
def test_to_fall_asleep_and_to_wake_changes_endpoints_of_ports_and_routes_of_gates_alone(
    world: Declarations, replicas: tuple[Endpoint, ...], gated: frozenset[str]
) -> None:
    for face in map(may_sleep, Policy(world).faces().values()):
        awake = by_name(service_resources(face, replicas, Gating(FOLDER)))
        asleep = by_name(service_resources(face, replicas, Gating(FOLDER, gated)))
        differing = {name for name in awake | asleep if awake.get(name) != asleep.get(name)}
        routes = {name for name in differing if "|gate|" in name}
        assert routes == {
            f"routes {face.key}|gate|{port.version}|{port.port}"
            for port in face.ports
            if port.protocol == "http" and port.version in gated
        }
        assert all(name.startswith("endpoints ") for name in differing - routes)
        for name in differing - routes:
            assert shown(asleep[name])[0].endswith(" HEALTHY")
            assert all(line.endswith(" DRAINING") for line in shown(asleep[name])[1:])


@settings(max_examples=50, deadline=None)
@given(worlds, endpoints, gated_versions)
def test_every_resource_of_a_gate_is_a_message_that_names_its_owner(
    world: Declarations, replicas: tuple[Endpoint, ...], gated: frozenset[str]
) -> None:
    for key, face in Policy(world).faces().items():
        told = service_resources(may_sleep(face), replicas, Gating(FOLDER, gated))
        for _, name, resource in told:
            json_format.ParseDict(resource, AnyMessage())
            assert owner_of(name) == key


def test_a_service_is_gated_at_its_own_domain_by_the_version_that_answers_there() -> None:
    both = a_world({"shop/api": {"v1": a_spec("tcp:5432"), "v2": a_spec("tcp:5432")}})
    face = may_sleep(Policy(both).face(API))
    replicas = (Endpoint("v1", "10.120.0.2"), Endpoint("v2", "10.120.0.3"))

    general = {
        gated: shown(
            by_name(service_resources(face, replicas, Gating(FOLDER, frozenset({gated}))))[
                "endpoints shop/api||5432"
            ]
        )
        for gated in ("v1", "v2")
    }

    assert general == {
        "v1": [
            f"{gate_socket(FOLDER, 'shop/api|gate|v1|5432')} HEALTHY",
            "10.120.0.2 DRAINING",
        ],
        "v2": ["10.120.0.2 HEALTHY"],
    }


def test_the_clusters_of_a_gated_version_are_its_ports_their_domains_and_its_gates() -> None:
    both = a_world({"shop/api": {"v1": a_spec(8080, "tcp:5432"), "v2": a_spec("tcp:5432")}})
    face = may_sleep(Policy(both).face(API))

    clusters = {
        version: sorted(gated_clusters(face, Gating(FOLDER, frozenset({version}))))
        for version in ("v1", "v2")
    }

    assert clusters == {
        "v1": [
            "shop/api|gate|v1|5432",
            "shop/api|gate|v1|8080",
            "shop/api|v1|5432",
            "shop/api|v1|8080",
            "shop/api||5432",
        ],
        "v2": ["shop/api|gate|v2|5432", "shop/api|v2|5432"],
    }
    assert not list(gated_clusters(face, Gating(FOLDER)))


def test_a_gate_stands_as_long_as_its_port() -> None:
    """Also of a version that may not sleep any more: what came through it goes on."""
    before = VersionPort("v1", 8080, "http")
    face = may_sleep(of_api(8080), "v9")
    gone = may_sleep(of_api(9090), "v9")

    told, told_later = (
        by_name(service_resources(f, REPLICAS, Gating(FOLDER, standing=frozenset({before}))))
        for f in (face, gone)
    )

    assert "listeners shop/api|gate|v1|8080" in told
    assert not [name for name in told_later if "|gate|" in name]


def test_a_version_without_a_replica_has_its_gate() -> None:
    told = by_name(service_resources(of_api(8080), (), OF_V1))

    assert shown(told["endpoints shop/api|gate|v1|8080"]) == []
    assert len(shown(told["endpoints shop/api|v1|8080"])) == 1


def test_the_name_of_a_gate_says_whose_it_is() -> None:
    assert gate_of("shop/api|gate|v1.2|8080") == (ServiceRef("shop", "api", "v1.2"), 8080)
    for other in ("shop/api|v1|8080", "shop/api||5432", "shop/api|10.121.1.1:80", "mesh", ""):
        assert gate_of(other) is None


def test_no_gates_path_is_longer_than_that_of_the_admin_socket() -> None:
    names = [f"{'p' * 63}/{'s' * 63}|gate|{'v' * 63}|{port}" for port in range(2000)]
    paths = {gate_socket(FOLDER, name) for name in names}

    assert len(paths) == len(names)
    assert {len(path) for path in paths} == {len(f"{FOLDER}/admin.sock")}


def test_the_gateway_waits_longer_for_an_answer_than_a_call_may_wait() -> None:
    assert ANSWER_SECONDS > HELD_SECONDS
    _, most = CONNECT_BACKOFF_SECONDS
    assert HELD_SECONDS * 0.9 < CONNECT_ATTEMPTS * most / 2 < HELD_SECONDS * 1.1
