"""Hostile requests over a real connection: each is answered, soon, and the API goes on."""

import json
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from api_server import ApiServer, an_api_server
from envoy_host import envoy_binary
from eventually import wait_until
from spacecloud.api.routes.session import MOST_LOGIN_BYTES

pytestmark = pytest.mark.attack

LOGIN = "/v1/config/login"
SERVICE = "/v1/runner/shop/services/api/v1"
MIB = 1024 * 1024
SOON_SECONDS = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with an_api_server(Path(tmp_path_factory.mktemp("api"))) as running:
        yield running


def port_of(server: ApiServer) -> int:
    return int(server.url.rpartition(":")[2])


def connected(server: ApiServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(server)), timeout=SOON_SECONDS)


def head(path: str, *more: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *more, "", ""]).encode()


def answered(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Read as a plain client does: only after all was sent."""
    read = connection.makefile("rb")
    status = int(read.readline().split()[1])
    headers: dict[bytes, bytes] = {}
    while (line := read.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    return status, json.loads(read.read(int(headers[b"content-length"])))


def sent(server: ApiServer, path: str, body: bytes, *headers: str) -> tuple[int, dict[str, object]]:
    with connected(server) as connection:
        connection.sendall(head(path, f"Content-Length: {len(body)}", *headers))
        connection.sendall(body)
        return answered(connection)


def chunked(server: ApiServer, path: str, chunks: list[bytes]) -> tuple[int, dict[str, object]]:
    with connected(server) as connection:
        connection.sendall(head(path, "Transfer-Encoding: chunked"))
        for chunk in chunks:
            connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n")
        return answered(connection)


def test_a_body_of_20_mib_is_answered_with_413_and_not_with_a_reset(server: ApiServer) -> None:
    token = f"Authorization: Bearer {server.api.token}"

    status, body = sent(server, SERVICE, b"x" * (20 * MIB), token)

    assert (status, body["code"]) == (413, "too_large")
    assert body["error"] == "the body is larger than 5 MiB"


def test_a_body_of_20_mib_without_a_token_is_answered_with_401(server: ApiServer) -> None:
    status, body = sent(server, SERVICE, b"x" * (20 * MIB))

    assert (status, body["code"]) == (401, "unauthorized")


def test_a_login_is_read_up_to_its_limit_whatever_it_announces(server: ApiServer) -> None:
    body = b'{"user": "admin", "key": "' + b"x" * MOST_LOGIN_BYTES + b'"}'

    answers = [
        sent(server, LOGIN, body),
        chunked(server, LOGIN, [body]),
        chunked(server, LOGIN, [body[n : n + 1] for n in range(len(body))]),
    ]

    assert [status for status, _ in answers] == [413] * 3
    assert {said["error"] for _, said in answers} == {"the body is larger than 4 KiB"}


def test_a_client_that_asks_first_is_told_before_it_sends(server: ApiServer) -> None:
    with connected(server) as connection:
        connection.sendall(head(LOGIN, f"Content-Length: {20 * MIB}", "Expect: 100-continue"))
        status, _ = answered(connection)

    assert status == 413


def test_a_client_that_never_sends_what_it_announced_is_answered(server: ApiServer) -> None:
    with connected(server) as connection:
        connection.settimeout(30)
        connection.sendall(head(LOGIN, f"Content-Length: {20 * MIB}"))
        status, _ = answered(connection)

    assert status == 413


def test_the_logins_of_the_hostile_trials_hold_nothing_up(server: ApiServer) -> None:
    keys = [b'"k%d":0' % n for n in range(40_000)]
    bodies = [
        b"{" + b",".join([*keys, keys[-1]]) + b"}",
        b'{"' + b"A" * 110_000 + b'":[' + b",".join([b"0"] * 55_000) + b"]}",
        b"{" + b",".join(keys) + b"}",
        b'{"a":' * 50_000,
    ]
    started = time.monotonic()

    answers = [sent(server, LOGIN, body) for body in bodies]

    assert [status for status, _ in answers] == [413] * 4
    assert time.monotonic() - started < SOON_SECONDS
    good = json.dumps({"user": "admin", "key": server.password}).encode()
    assert sent(server, LOGIN, good)[0] == 200


@pytest.mark.parametrize("query", ["a=b&" * 10_000, "serviceId=" + "x" * 50_000, "%00" * 15_000])
def test_a_long_query_is_answered_with_little(server: ApiServer, query: str) -> None:
    request = f"GET /v1/config/events?limit=x&{query} HTTP/1.1\r\nHost: localhost\r\n"
    with connected(server) as connection:
        connection.sendall(f"{request}Authorization: Bearer {server.api.token}\r\n\r\n".encode())
        status, body = answered(connection)

    assert status == 400
    assert len(json.dumps(body)) < 10_000


def test_a_long_path_is_not_repeated(server: ApiServer) -> None:
    token = f"Authorization: Bearer {server.api.token}"

    status, body = sent(server, "/v1/" + "x" * 50_000, b"{}", token)

    assert status == 404
    assert len(json.dumps(body)) < 1000


def test_headers_have_a_limit(server: ApiServer) -> None:
    with connected(server) as connection:
        connection.sendall(head(LOGIN, "X: " + "x" * 200_000)[:-4])
        read = connection.makefile("rb").readline()

    assert b" 400 " in read


TYPES = "type.googleapis.com/envoy.extensions.filters"


def at(port: int) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


def proxy(listen: int, upstream: int) -> dict[str, Any]:
    router = {"@type": f"{TYPES}.http.router.v3.Router"}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "api"}}
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "api",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": router}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    endpoints = {
        "cluster_name": "api",
        "endpoints": [{"lb_endpoints": [{"endpoint": at(upstream)}]}],
    }
    return {
        "static_resources": {
            "listeners": [{"name": "http", **at(listen), "filter_chains": [chain]}],
            "clusters": [{"name": "api", "type": "STATIC", "load_assignment": endpoints}],
        }
    }


@contextmanager
def an_envoy_before(server: ApiServer, folder: Path) -> Generator[int]:
    """The port on which it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "envoy.json"
    config.write_text(json.dumps(proxy(port, port_of(server))))
    command = [
        str(envoy_binary()),
        "-c",
        str(config),
        "--use-dynamic-base-id",
        "--concurrency",
        "1",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), within=20)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def listens(port: int) -> None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError as error:
        raise AssertionError(f"Envoy does not listen: {error}") from error


@pytest.mark.parametrize(
    ("path", "has_token", "status"),
    [(SERVICE, True, 413), (SERVICE, False, 401), (LOGIN, False, 413)],
)
def test_20_mib_through_the_gateway_are_answered_and_not_reset(
    server: ApiServer, tmp_path: Path, path: str, has_token: bool, status: int
) -> None:
    token = [f"Authorization: Bearer {server.api.token}"] * has_token
    with (
        an_envoy_before(server, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port), timeout=SOON_SECONDS) as connection,
    ):
        connection.sendall(head(path, f"Content-Length: {20 * MIB}", *token))
        connection.sendall(b"x" * (20 * MIB))
        found, _ = answered(connection)

    assert found == status
