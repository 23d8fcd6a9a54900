"""Peers of the gateway: nginx, HAProxy and Caddy as they come, in the host's network like it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import machine, tools
from bench.images import HTTP_PORT, TCP_PORT
from bench.tools import Missing

NGINX, HAPROXY, HAPROXY_TCP, CADDY = 25001, 25002, 25003, 25004
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
def proxies(listen: str, server: str, folder: Path, missing: list[str]) -> Iterator[list[Proxy]]:
    """Those that can be had; the others are added to ``missing``."""
    started: list[Proxy] = []
    try:
        for make in (_nginx, _haproxy, _caddy):
            try:
                started.append(make(listen, server, folder))
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
            proxy.process.wait()


def _nginx(listen: str, server: str, folder: Path) -> Proxy:
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
    return Proxy("nginx", NGINX, None, _started(command, folder / "nginx.conf", configuration))


def _haproxy(listen: str, server: str, folder: Path) -> Proxy:
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
    process = _started(command, folder / "haproxy.cfg", configuration)
    return Proxy("HAProxy", HAPROXY, HAPROXY_TCP, process)


def _caddy(listen: str, server: str, folder: Path) -> Proxy:
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
    return Proxy("Caddy", CADDY, None, _started(command, folder / "Caddyfile", configuration))


def _started(command: list[str], file: Path, text: str) -> "subprocess.Popen[bytes]":
    file.write_text(text)
    with (file.parent / f"{file.name}.log").open("wb") as log:
        return subprocess.Popen(
            [*command, str(file)],
            env={**os.environ, "HOME": str(file.parent), "LD_LIBRARY_PATH": tools.library_path()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is ours to answer: they end when their figures are no longer needed.
            start_new_session=True,
        )
