"""The client against the API itself: its answers, its problems, and servers that are none."""

import http.server
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from api_server import ApiServer, an_api_server
from spacecloud.client.client import Client
from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.read import parse
from spacecloud.errors import (
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    Unauthorized,
    Unavailable,
)
from spacecloud.model.envelope import Envelope


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    with an_api_server(tmp_path) as served:
        yield served


@pytest.fixture
def client(server: ApiServer) -> Iterator[Client]:
    opened = Client(server.url)
    opened.login("admin", server.password)
    yield opened
    opened.close()


def documents(text: str) -> list[Envelope]:
    faults = Faults("shop.yaml")
    found = parse(text, faults)
    assert not faults.found
    return found


def a_service(version: str = "v1", image: str = "app:1", secrets: str = "[]") -> Envelope:
    (service,) = documents(f"""
        type: service
        meta: {{project: shop, serviceId: api, version: {version}}}
        spec: {{tasks: [{{id: main, docker: {{image: "{image}"}}, secrets: {secrets}}}]}}
    """)
    return service


def test_what_is_applied_is_listed_and_what_is_deleted_is_not(client: Client) -> None:
    accepted = client.apply(a_service())
    listed = client.services("shop")
    client.delete(a_service())

    assert (accepted["change"], accepted["generation"]) == ("created", 1)
    assert [(s["id"], s["version"]) for s in listed] == [("api", "v1")]
    assert client.services("shop") == []
    assert [project["id"] for project in client.projects()] == ["shop"]


def test_every_kind_of_document_goes_to_its_place_and_away_again(client: Client) -> None:
    given = documents("""
- {type: project, meta: {project: shop}, spec: {id: shop}}
- {type: secret, meta: {project: shop, id: db}, spec: {type: env, data: {PASSWORD: x}}}
- type: service
  meta: {project: shop, serviceId: api, version: v1}
  spec: {tasks: [{id: main, docker: {image: app}, ports: [{port: 80}]}]}
- type: service-route
  meta: {project: shop, id: api}
  spec:
    routes:
      - source: {port: 80}
        targets: [{type: version, version: v1, port: 80, weight: 100}]
- type: service-role
  meta: {project: shop, serviceId: api, roleId: reader}
  spec: {type: Project, rules: []}
- type: ingress-routes
  meta: {project: shop, id: web}
  spec: {targets: [{host: api.shop.svc.cluster.local, port: 80}]}
- type: ingress-global
  meta: {project: shop}
  spec: {headers: [{key: x-a, value: b}]}
""")

    for each in given:
        client.apply(each)
    there = counts(client)
    for each in reversed(given):
        client.delete(each)

    assert there == {"secrets": 1, "services": 1, "routes": 1, "roles": 1, "ingress": 1, "all": 1}
    assert counts(client) == dict.fromkeys(there, 0)


def counts(client: Client) -> dict[str, int]:
    return {
        "secrets": len(client.secrets("shop")),
        "services": len(client.services("shop")),
        "routes": len(client.service_routes("shop")),
        "roles": len(client.service_roles("shop")),
        "ingress": len(client.ingress_routes("shop")),
        "all": len(client.ingress_global("shop")[0].get("headers", [])),
    }


def test_a_plan_and_a_status_are_plain_values(client: Client) -> None:
    client.apply(a_service())

    plan = client.plan([a_service()], delete=True)
    (status,) = client.status("shop", "api", "v1")

    assert [(d["id"], d["change"]) for d in plan["documents"]] == [
        ("service shop/api@v1", "delete")
    ]
    assert (status["serviceId"], status["generation"]) == ("api", 1)
    assert client.status("shop", "nope") == []


def test_a_missing_secret_is_a_mistake_with_its_path(client: Client) -> None:
    with pytest.raises(InvalidSpec) as caught:
        client.apply(a_service(secrets="[db]"))

    (mistake,) = caught.value.mistakes
    assert mistake.path.startswith("spec.tasks[0].secrets")
    assert "db" in str(mistake)


def test_a_domain_that_two_would_share_is_a_conflict(client: Client) -> None:
    client.apply(a_service("v1.4"))

    with pytest.raises(Conflict):
        client.apply(a_service("v1-4"))


def test_what_does_not_exist_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="nope"):
        client.projects("nope")
    with pytest.raises(NotFound, match="v9"):
        client.services("shop", "api", "v9")
    with pytest.raises(NotFound, match="r1"):
        next(client.logs("shop", "r1"))


def test_a_wrong_password_and_a_missing_or_foreign_token_are_unauthorized(
    server: ApiServer,
) -> None:
    with closing(Client(server.url)) as stranger:
        with pytest.raises(Unauthorized, match="password"):
            stranger.login("admin", "wrong")
        with pytest.raises(Unauthorized, match="token"):
            stranger.projects()
    with closing(Client(server.url, "abc.def.ghi")) as forger, pytest.raises(Unauthorized):
        forger.projects()


def test_a_log_comes_line_by_line(server: ApiServer, client: Client) -> None:
    server.api.backend.log_lines = {"r1": [b"one\ntwo\n", b"\xff thr", b"ee\n"]}

    assert list(client.logs("shop", "r1", tail=5)) == ["one", "two", "\udcff three"]
    assert server.api.backend.asked[-1].tail == 5


def test_a_followed_log_gives_its_lines_before_it_ends(server: ApiServer, client: Client) -> None:
    server.api.backend.log_lines = {"r1": [b"one\n"]}

    lines = client.logs("shop", "r1", follow="true")

    assert next(lines) == "one"
    assert isinstance(lines, Generator)
    lines.close()


def test_names_cannot_leave_their_place_in_a_path(client: Client) -> None:
    for project in ("../config/login", "shop?x=1", "a b", "ä"):
        with pytest.raises((InvalidSpec, NotFound)):
            client.services(project)


def test_nothing_at_the_url_says_what_to_start() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

        with pytest.raises(Unavailable, match="space-cloud start") as caught:
            Client(url).projects()

    assert url in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:port", "http://x:99999"])
def test_a_url_that_is_none_is_a_mistake(url: str) -> None:
    with pytest.raises(InvalidSpec, match="URL"):
        Client(url)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>hello</html>", Unavailable),
        (404, b"not here", Unavailable),
        (403, b"no", Forbidden),
        (503, b"no healthy upstream", Unavailable),
        (418, b'{"error": "a teapot"}', Exception),
        (400, b'{"error": "wrong", "mistakes": "not a list"}', InvalidSpec),
    ],
)
def test_another_server_is_not_taken_for_the_api(
    status: int, body: bytes, error: type[Exception]
) -> None:
    with (
        a_server(lambda: (status, body)) as url,
        closing(Client(url, "token")) as client,
        pytest.raises(error) as caught,
    ):
        client.projects()

    assert str(caught.value)


def test_a_read_survives_a_connection_that_was_closed_in_between() -> None:
    answer = (200, b'{"result": []}')
    with a_server(lambda: answer, closes=True) as url, closing(Client(url, "token")) as client:
        assert [client.projects() for _ in range(3)] == [[], [], []]


def test_a_write_is_not_sent_twice() -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    received.append(connection.recv(65536))

        threading.Thread(target=drop, daemon=True).start()
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", "token")

        with pytest.raises(Unavailable):
            client.apply(a_service())
        written = len(received)
        with pytest.raises(Unavailable):
            client.projects()
        listener.shutdown(socket.SHUT_RDWR)

    assert written == 1
    assert len(received) == 1 + 3


@contextmanager
def a_server(answer: Callable[[], tuple[int, bytes]], *, closes: bool = False) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            # Without saying so: the client finds out with its next request.
            self.close_connection = closes

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
