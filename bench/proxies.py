"""
Peers of the gateway, as they come, in the host's network like it.

One of them is the gateway's own program with nothing but a way to the server: what the mesh costs
beyond it is names, virtual IPs and policy.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine, tools
from bench.images import HTTP_PORT, TCP_PORT
from bench.tools import Missing
from spacecloud.drivers.docker.images.platform_images import envoy_binary

NGINX, HAPROXY, HAPROXY_TCP, CADDY, ENVOY, ENVOY_TCP = range(25001, 25007)
"""Ports that they listen on, at the address that only their caller's network leads to."""

STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Proxy:
    name: str
    http_port: int
    tcp_port: int | None
    process: "subprocess.Popen[bytes]"

    @property
    def pids(self) -> list[int]:
        return machine.family(self.process.pid)


@contextmanager
def proxies(
    listen: str, server: str, folder: Path, core: int, missing: list[str]
) -> Iterator[list[Proxy]]:
    """
    Those that can be had; the others are added to ``missing``.

    Each has the core from its start, so that it chooses as many threads as it can use.
    """
    started: list[Proxy] = []
    try:
        for make in (_nginx, _haproxy, _caddy, _envoy):
            try:
                started.append(make(listen, server, folder, core))
            except Missing as error:
                missing.append(str(error))
        yield started
    finally:
        for proxy in started:
            proxy.process.terminate()
        for proxy in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                proxy.process.wait(STOP_SECONDS)
            proxy.process.kill()
            proxy.process.wait(20)


def _nginx(listen: str, server: str, folder: Path, core: int) -> Proxy:
    configuration = f"""
daemon off; user root root; pid {folder}/nginx.pid; worker_processes auto; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
    client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
    uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
    upstream server {{
        server {server}:{HTTP_PORT}; keepalive 64; keepalive_requests 1000000000;
    }}
    server {{
        listen {listen}:{NGINX};
        location / {{
            proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
}}
"""
    command = [str(tools.program("nginx")), "-e", "stderr", "-c"]
    process = _started(command, folder / "nginx.conf", configuration, core)
    return Proxy("nginx", NGINX, None, process)


def _haproxy(listen: str, server: str, folder: Path, core: int) -> Proxy:
    configuration = f"""
defaults
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen http
    mode http
    http-reuse always
    bind {listen}:{HAPROXY}
    server one {server}:{HTTP_PORT}
listen tcp
    mode tcp
    bind {listen}:{HAPROXY_TCP}
    server one {server}:{TCP_PORT}
"""
    command = [str(tools.program("haproxy")), "-db", "-q", "-f"]
    process = _started(command, folder / "haproxy.cfg", configuration, core)
    return Proxy("HAProxy", HAPROXY, HAPROXY_TCP, process)


def _caddy(listen: str, server: str, folder: Path, core: int) -> Proxy:
    configuration = f"""{{
    admin off
    auto_https off
    persist_config off
}}
http://:{CADDY} {{
    bind {listen}
    reverse_proxy {server}:{HTTP_PORT}
}}
"""
    command = [str(tools.caddy()), "run", "--adapter", "caddyfile", "--config"]
    process = _started(command, folder / "Caddyfile", configuration, core)
    return Proxy("Caddy", CADDY, None, process)


def _envoy(listen: str, server: str, folder: Path, core: int) -> Proxy:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPE}.http.router.v3.Router"},
    }
    to_server = {"match": {"prefix": "/"}, "route": {"cluster": "http"}}
    manager = {
        "@type": f"{_TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [to_server]}]
        },
        "http_filters": [router],
    }
    tcp = {
        "@type": f"{_TYPE}.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": "tcp",
    }
    document = {
        "static_resources": {
            "listeners": [
                _envoy_listener(listen, ENVOY, manager),
                _envoy_listener(listen, ENVOY_TCP, tcp),
            ],
            "clusters": [
                _envoy_cluster("http", server, HTTP_PORT),
                _envoy_cluster("tcp", server, TCP_PORT),
            ],
        }
    }
    command = [str(envoy_binary()), "--disable-hot-restart", "--log-level", "error", "-c"]
    process = _started(command, folder / "envoy.json", json.dumps(document), core)
    return Proxy("plain Envoy", ENVOY, ENVOY_TCP, process)


_TYPE = "type.googleapis.com/envoy.extensions.filters"


def _envoy_listener(address: str, port: int, filter: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": str(port),
        "address": _socket_address(address, port),
        "filter_chains": [{"filters": [{"name": "only", "typed_config": filter}]}],
    }


def _envoy_cluster(name: str, address: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _socket_address(address, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _socket_address(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _started(command: list[str], file: Path, text: str, core: int) -> "subprocess.Popen[bytes]":
    file.write_text(text)
    with (file.parent / f"{file.name}.log").open("wb") as log:
        return subprocess.Popen(
            ["taskset", "-c", str(core), *command, str(file)],
            env={**os.environ, "HOME": str(file.parent), "LD_LIBRARY_PATH": tools.library_path()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is ours to answer: they end when their figures are no longer needed.
            start_new_session=True,
        )
