"""``docs/proxy-defaults.md`` says what Envoy is told, and nothing else is told."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mesh_world import a_spec, a_world
from spacecloud.mesh.envoy.listeners import bound
from spacecloud.mesh.envoy.public import PublicListener, public_resources
from spacecloud.mesh.envoy.service import service_resources
from spacecloud.mesh.policy import Policy
from spacecloud.model.api import API_PATHS
from spacecloud.model.refs import ServiceKey

DOCS = Path(__file__).parents[2] / "docs" / "proxy-defaults.md"

Config = Mapping[str, Any]

FACE = Policy(a_world({"shop/api": a_spec(8080, "tcp:5432")})).face(ServiceKey("shop", "api"))
MESH = service_resources(FACE, ())
PUBLIC = public_resources(PublicListener(4122, API_PATHS)).listeners[0]

STRUCTURE = {
    *("@type", "stat_prefix", "rds", "scoped_routes", "http_filters", "access_log", "cluster"),
    *("local_reply_config", "early_header_mutation_extensions", "name", "address"),
    *("original_ip_detection_extensions", "filter_chains", "default_filter_chain"),
    *("filter_chain_matcher", "bind_to_port", "type", "eds_cluster_config", "socket_options"),
    *("typed_extension_protocol_options", "retry_host_predicate"),
}
"""What a resource is, and not how it behaves."""

IN_WORDS = {
    *("http_protocol_options.ignore_http_11_upgrade", "upgrade_configs", "circuit_breakers"),
    *("retry_policy.retry_on", "retry_policy.retry_back_off"),
}
"""Rows whose value is told and not quoted."""


def the(listeners: tuple[Any, ...], protocol: str) -> Any:
    (found, *_) = [
        one for one in listeners if ("requests" in json.dumps(one)) == (protocol == "http")
    ]
    return found


def manager(listener: Any) -> Any:
    chain = (listener.get("default_filter_chain") or listener["filter_chains"][0])["filters"][-1]
    return chain["typed_config"]


HTTP, TCP = the(MESH.listeners, "http"), the(MESH.listeners, "tcp")
CLUSTER = next(one for one in MESH.clusters if one["name"].endswith("|8080"))
ROUTE = MESH.routes[0]["virtual_hosts"][0]["routes"][0]["route"]
POOL = CLUSTER["typed_extension_protocol_options"][
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
]["common_http_protocol_options"]

TABLES: dict[str, tuple[Config, ...]] = {
    "HTTP connection manager": (manager(HTTP), manager(PUBLIC)),
    "Routes": (ROUTE,),
    "Clusters": (CLUSTER,),
    "TCP proxy": (TCP["filter_chains"][0]["filters"][0]["typed_config"],),
    "Listeners": ({**bound(15001), **HTTP}, PUBLIC),
}


def rows(title: str) -> list[list[str]]:
    text = DOCS.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def flat(config: Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields that are set; those that are told in words, as a whole."""
    for name, value in config.items():
        path = f"{prefix}{name}"
        if name in STRUCTURE:
            continue
        if isinstance(value, dict) and path not in IN_WORDS:
            yield from flat(value, f"{path}.")
        else:
            yield path, value


def quoted(cell: str) -> Any:
    words = cell.strip("`")
    try:
        return json.loads(words)
    except ValueError:
        return words


@pytest.mark.parametrize("title", TABLES)
def test_every_row_is_what_envoy_is_told(title: str) -> None:
    for field, _, *ours, why in rows(title):
        assert why, field
        if not field.endswith("`") or field.strip("`") in IN_WORDS:
            continue
        for cell, config in zip(ours, TABLES[title], strict=True):
            told = dict(flat(config)).get(field.strip("`"), "-")
            assert quoted(cell) == told, (title, field)


@pytest.mark.parametrize("title", TABLES)
def test_nothing_is_told_without_a_row(title: str) -> None:
    written = {row[0].strip("`") for row in rows(title)}

    told = {field for config in TABLES[title] for field, _ in flat(config)}

    assert sorted(told - written) == []


def test_the_pool_is_as_it_is_written() -> None:
    row = {cells[0]: cells[2] for cells in rows("Clusters")}

    assert {
        "idle_timeout": quoted(row["`idle_timeout` of the pool"]),
        "max_headers_count": quoted(row["`max_headers_count` of an answer"]),
        "max_response_headers_kb": quoted(row["`max_response_headers_kb` of an answer"]),
    } == POOL
