"""Envoy itself reads what is made of random worlds, and finds nothing wrong with it."""

import copy
import json
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from builders import a_networking
from envoy_host import envoy_binary
from mesh_strategies import worlds
from mesh_world import a_spec, a_world
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.gateway.bootstrap import arguments, document
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.errors import InvalidSpec
from spacecloud.ingress.mistakes import check
from spacecloud.ingress.table import read, table
from spacecloud.mesh.envoy.host_ports import host_port_resources
from spacecloud.mesh.envoy.ingress import ingress_resources
from spacecloud.mesh.envoy.leases import lease_resources
from spacecloud.mesh.envoy.public import PublicListener, public_resources
from spacecloud.mesh.envoy.resources import Resources
from spacecloud.mesh.envoy.service import service_resources
from spacecloud.mesh.policy import Policy
from spacecloud.model.api import API_PATHS
from spacecloud.model.declared import Declarations, StoredDocument
from spacecloud.model.refs import ServiceKey
from spacecloud.model.routing import IngressRoute
from spacecloud.model.service import Service
from spacecloud.model.traffic import (
    Endpoint,
    HeaderEdit,
    HostPortAccess,
    IngressRule,
    IngressTable,
)
from spacecloud.settings import Settings
from strategies import ingress_routes, services

TRUSTED = (IPv4Network("10.0.0.0/24"), IPv4Network("127.0.0.1/32"))


def static(settings: Settings, *every: Resources) -> dict[str, Any]:
    """A bootstrap that holds it all at once, since ``--mode validate`` asks nobody for more."""
    whole = document(networking_of(settings), RunDirectory(settings.run_dir), 1 << 30)
    routes = {route["name"]: route for resources in every for route in resources.routes}
    loads = {load["cluster_name"]: load for resources in every for load in resources.endpoints}
    scopes = [scope for resources in every for scope in resources.scopes]
    for resources in every:
        for cluster in resources.clusters:
            shown = _bare(cluster)
            if shown.pop("eds_cluster_config", None):
                shown |= {"type": "STATIC", "load_assignment": _bare(loads[shown["name"]])}
            whole["static_resources"]["clusters"].append(shown)
        for listener in resources.listeners:
            shown = _bare(listener)
            _put_routes_in(shown, routes, scopes)
            whole["static_resources"]["listeners"].append(shown)
    return whole


def _bare(resource: dict[str, Any]) -> dict[str, Any]:
    shown = copy.deepcopy(resource)
    del shown["@type"]
    return shown


def _put_routes_in(
    listener: dict[str, Any], routes: dict[str, Any], scopes: list[dict[str, Any]]
) -> None:
    chains = [*listener["filter_chains"]]
    chains += [listener["default_filter_chain"]] if "default_filter_chain" in listener else []
    for chain in chains:
        manager = chain["filters"][-1]["typed_config"]
        if "rds" in manager:
            manager["route_config"] = _bare(routes[manager.pop("rds")["route_config_name"]])
        if "scoped_routes" in manager:
            scoped = manager["scoped_routes"]
            del scoped["scoped_rds"], scoped["rds_config_source"]
            every = [_inline(scope, routes) for scope in scopes]
            scoped["scoped_route_configurations_list"] = {"scoped_route_configurations": every}


def _inline(scope: dict[str, Any], routes: dict[str, Any]) -> dict[str, Any]:
    shown = _bare(scope)
    if "route_configuration_name" in shown:
        name = shown.pop("route_configuration_name")
        # The trial is a table as any other; none is given to it here.
        nothing = {"@type": "", "name": name, "virtual_hosts": []}
        shown["route_configuration"] = _bare(routes.get(name, nothing))
    return shown


def validate(folder: Path, whole: dict[str, Any]) -> str:
    config = folder / "envoy.json"
    config.write_text(json.dumps(whole))
    done = subprocess.run(
        [str(envoy_binary()), "--mode", "validate", "-c", str(config), "--log-level", "warning"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(worlds)
def test_envoy_accepts_what_is_made_of_any_world(tmp_path: Path, world: Declarations) -> None:
    every = [
        service_resources(face, (Endpoint("v1", "10.1.1.1"), Endpoint("v2", "10.1.1.2", True)))
        for face in Policy(world).faces().values()
    ]

    output = validate(tmp_path, static(Settings(run=tmp_path), *every))

    assert output.strip().endswith("OK")
    assert "deprecated" not in output.lower()


def test_envoy_accepts_ingress_host_ports_and_leases(tmp_path: Path) -> None:
    def source(url: str, **more: Any) -> dict[str, Any]:
        return {"url": url, **more}

    target = {"host": "web.shop.svc.cluster.local", "port": 8080}
    documents = [
        {"source": source("/a", methods=["GET", "POST"], rewrite="/"), "targets": [target] * 2},
        {"source": source("/a+b(", rewrite="/\\1/"), "targets": [target]},
        {"source": source("/", hosts=["*.x.example", "x.example"]), "targets": [target]},
        {"source": source("/no"), "targets": [target], "rule": {"rule": "deny"}},
        {"source": source("/gone", type="exact"), "targets": [{"host": "gone", "port": 1}]},
        {
            "source": source("/edit"),
            "targets": [target],
            "modify": {"headers": [{"key": "x", "value": "100%"}, {"key": "y", "op": "del"}]},
        },
    ]
    world = a_world({"shop/web": a_spec()})
    routes = table(read(StoredDocument("shop", str(n), d) for n, d in enumerate(documents)), world)

    output = validate(
        tmp_path,
        static(
            Settings(run=tmp_path, http_port=21122, mesh_port=21001),
            service_resources(Policy(world).face(ServiceKey("shop", "web")), ()),
            public_resources(PublicListener(21122, API_PATHS, API_PATHS, TRUSTED)),
            ingress_resources(routes),
            host_port_resources(
                (HostPortAccess(25, ()), HostPortAccess(5432, ("10.120.0.0/21",))), "10.121.0.11"
            ),
            lease_resources("10.121.0.12", 25),
        ),
    )

    assert output.strip().endswith("OK")
    assert "deprecated" not in output.lower()


def test_the_arguments_are_those_of_the_binary(tmp_path: Path) -> None:
    given_ = arguments(a_networking(), RunDirectory(tmp_path), 7, "info", 1 << 30)

    done = subprocess.run(
        [str(envoy_binary()), *given_, "--mode", "validate"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert given_[given_.index("--drain-time-s") + 1] == "7"
    assert done.returncode == 0, done.stderr


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
headers = st.fixed_dictionaries(
    {"key": texts, "value": texts, "op": st.sampled_from(["set", "add", "del", ""])}
)
written_routes = st.fixed_dictionaries(
    {
        "source": st.fixed_dictionaries(
            {
                "hosts": st.lists(texts | st.sampled_from(["*", "*.a", "A.b:80"]), max_size=2),
                "methods": st.lists(texts | st.sampled_from(["get", "*"]), max_size=2),
                "url": st.builds("/{}".format, texts),
                "type": st.sampled_from(["prefix", "exact"]),
                "rewrite": st.just("") | st.builds("/{}".format, texts),
            }
        ),
        "targets": st.lists(
            st.fixed_dictionaries(
                {
                    "host": st.just("web.shop.svc.cluster.local") | texts,
                    "port": st.just(8080),
                    "weight": st.integers(0, 100),
                }
            ),
            min_size=1,
            max_size=2,
        ),
        "modify": st.fixed_dictionaries({"headers": st.lists(headers, max_size=2)}),
    }
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(written_routes, max_size=12))
def test_no_route_that_anybody_can_write_spoils_the_others(
    tmp_path: Path, written: list[dict[str, Any]]
) -> None:
    world = a_world({"shop/web": a_spec()})
    routes = table(read(StoredDocument("shop", str(n), d) for n, d in enumerate(written)), world)

    output = validate(
        tmp_path,
        static(
            Settings(run=tmp_path),
            service_resources(Policy(world).face(ServiceKey("shop", "web")), ()),
            public_resources(PublicListener(21122, API_PATHS)),
            ingress_resources(routes),
        ),
    )

    assert output.strip().endswith("OK"), output


def accepted(document: dict[str, Any]) -> bool:
    """What ``apply`` says to it."""
    try:
        check(IngressRoute.model_validate(document))
    except (InvalidSpec, ValidationError):
        return False
    return True


@pytest.mark.attack
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(ingress_routes, min_size=1, max_size=8))
def test_envoy_accepts_every_ingress_route_that_is_accepted(
    tmp_path: Path, written: list[dict[str, Any]]
) -> None:
    world = a_world({"shop/web": a_spec()})
    kept = [document for document in written if accepted(document)]
    known = read(StoredDocument("shop", str(n), document) for n, document in enumerate(kept))
    assert len(table(known, world).rules) == len(kept)

    output = validate(
        tmp_path,
        static(
            Settings(run=tmp_path),
            service_resources(Policy(world).face(ServiceKey("shop", "web")), ()),
            public_resources(PublicListener(21122, API_PATHS)),
            ingress_resources(table(known, world)),
        ),
    )

    assert output.strip().endswith("OK"), output


@pytest.mark.attack
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(services, min_size=1, max_size=4))
def test_envoy_accepts_every_service_that_is_accepted(
    tmp_path: Path, written: list[dict[str, Any]]
) -> None:
    longest = "s" * 55
    world = a_world(
        {
            f"{'p' * 63}/{longest}{n}": Service.model_validate(document)
            for n, document in enumerate(written)
        }
    )

    every = [service_resources(face, ()) for face in Policy(world).faces().values()]

    output = validate(tmp_path, static(Settings(run=tmp_path), *every))
    assert output.strip().endswith("OK"), output


@pytest.mark.attack
def test_envoy_accepts_whitelists_of_thousands(tmp_path: Path) -> None:
    peers = [{"projectId": f"p{n}", "service": "*"} for n in range(3_000)]
    callers = {
        f"p{n}/caller": a_spec(upstreams=[{"projectId": "*", "service": "*"}]) for n in range(20)
    }
    world = a_world({"shop/web": a_spec(whitelists=peers), **callers})

    every = [service_resources(Policy(world).face(ServiceKey("shop", "web")), ())]

    output = validate(tmp_path, static(Settings(run=tmp_path), *every))
    assert output.strip().endswith("OK"), output


def test_what_envoy_refuses_is_seen_by_these_tests(tmp_path: Path) -> None:
    rule = IngressRule("shop/r", ("*",), (), "prefix", "/", "", ())
    bad = replace(rule, request_headers=(HeaderEdit("x", "v" * 20_000, "set"),))

    output = validate(
        tmp_path,
        static(
            Settings(run=tmp_path),
            public_resources(PublicListener(21122, API_PATHS)),
            ingress_resources(IngressTable((bad,))),
        ),
    )

    assert not output.strip().endswith("OK")
