"""What a pod must not reach: the host, the platform's insides, other services' replicas."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.machine import engine_is_silent, host_addresses, pid_of
from e2e.stage import Stage

PROJECT = "walls"


@pytest.fixture(scope="module", autouse=True)
def services(stage: Stage) -> Iterator[None]:
    stage.user.apply(PROJECT, "inside")
    stage.user.apply(PROJECT, "other")
    stage.user.apply(PROJECT, "shut", whitelists=[])
    stage.user.ingress(PROJECT, "inside", "/walls", "inside", rewrite="/")
    stage.user.wait_until_ready(PROJECT, "inside", "other", "shut")
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, "inside", "other", "shut")


def tcp(stage: Stage, host: str, port: int, *text: str) -> dict[str, Any]:
    return stage.machine.call(PROJECT, "inside", "tcp", host, str(port), *text, "--timeout", "5")


def python(stage: Stage, code: str) -> subprocess.CompletedProcess[str]:
    """Run in the pod."""
    container = stage.machine.task_container(PROJECT, "inside")
    return subprocess.run(
        ["docker", "exec", container, "/usr/bin/python3", "-c", code],
        text=True,
        capture_output=True,
        timeout=60,
    )


@contextmanager
def a_listener() -> Iterator[int]:
    """On every address of the host; it says a word to whoever comes."""
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        server.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    channel, _ = server.accept()
                except TimeoutError:
                    continue
                with channel:
                    channel.sendall(b"the host\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join(20)


def test_no_port_of_the_host_is_open_to_a_pod(stage: Stage) -> None:
    with a_listener() as port:
        for host in [
            stage.user.gateway_of(PROJECT, "inside"),
            stage.user.gateway_of(PROJECT, "other"),
            *host_addresses(),
        ]:
            answer = tcp(stage, host, port)
            assert not answer["ok"], f"{host}:{port} answered {answer}"
            assert answer["error"] != "timeout"


def test_the_inner_ports_are_closed_when_they_are_dialled_directly(stage: Stage) -> None:
    for host in [stage.user.gateway_of(PROJECT, "inside"), *host_addresses()]:
        for port in (stage.installation.mesh_port, stage.installation.dns_port):
            assert not tcp(stage, host, port, "hello")["ok"]


def test_the_api_does_not_answer_a_pod(stage: Stage) -> None:
    for host in [stage.user.gateway_of(PROJECT, "inside"), *host_addresses()]:
        for path in ("/v1/config/env", "/v1/api/health-check", "/docs", "/openapi.json"):
            url = f"http://{host}:{stage.installation.http_port}{path}"
            answer = stage.machine.call(PROJECT, "inside", "http", url)
            assert answer.get("status") != 200, f"{url}: {answer}"


def test_the_platform_s_own_domain_takes_a_pod_s_lease_as_itself_and_nothing_else(
    stage: Stage,
) -> None:
    def ask(method: str, path: str, service: str = "inside") -> dict[str, Any]:
        forged = ("--header", "x-space-cloud-lease-caller: 127.0.0.1")
        url = f"http://platform.space-cloud{path}"
        return stage.machine.call(PROJECT, service, "http", url, "--method", method, *forged)

    taken = ask("PUT", "/v1/lease?seconds=300")
    others = ask("GET", "/v1/lease", "shut")
    given_back = ask("DELETE", "/v1/lease")
    wrong = ask("PUT", "/v1/lease?seconds=1h")
    api = ask("GET", "/v1/config/env")

    body = taken["body"]
    assert (body["service"], body["replica"]) == (f"{PROJECT}/inside", "inside--v1--0"), taken
    assert 290 <= body["seconds"] <= 300
    assert others["body"]["service"] == f"{PROJECT}/shut"
    assert others["body"]["until"] is given_back["body"]["until"] is None
    assert (wrong["status"], wrong["body"]["mistakes"][0]["path"]) == (400, "seconds")
    assert api["status"] == 404


def test_the_public_port_is_the_same_to_a_pod_as_to_any_outsider(stage: Stage) -> None:
    for host in host_addresses():
        answer = stage.machine.call(
            PROJECT, "inside", "http", f"http://{host}:{stage.installation.http_port}/walls"
        )
        assert answer["body"]["name"] == "inside", answer


def test_a_replica_of_another_service_cannot_be_dialled(stage: Stage) -> None:
    address = stage.user.status(PROJECT, "other")["replicas"][0]["address"]

    for port in (8080, 5001, 5002):
        answer = tcp(stage, address, port, "hello")
        assert not answer["ok"], answer
        assert answer["error"] != "timeout" or engine_is_silent()


def test_replicas_of_one_service_may_talk(stage: Stage) -> None:
    stage.user.apply(PROJECT, "pair", scale={"replicas": 2})
    stage.user.wait_until_ready(PROJECT, "pair")
    first, second = (r["address"] for r in stage.user.status(PROJECT, "pair")["replicas"])

    answers = [
        stage.machine.call(PROJECT, "pair", "tcp", address, "5001", "--timeout", "2")
        for address in (first, second)
    ]

    assert [a["ok"] for a in answers] == [True, True]
    stage.user.delete(PROJECT, "pair")
    stage.user.wait_until_gone(PROJECT, "pair")


def test_no_socket_of_ours_is_in_a_container(stage: Stage) -> None:
    code = (
        "import os,stat,json\n"
        "found=[]\n"
        "for top,_,names in os.walk('/'):\n"
        "  if top.startswith(('/proc','/sys')): continue\n"
        "  for n in names:\n"
        "    p=os.path.join(top,n)\n"
        "    try:\n"
        "      if stat.S_ISSOCK(os.lstat(p).st_mode): found.append(p)\n"
        "    except OSError: pass\n"
        "print(json.dumps(found))"
    )
    done = python(stage, code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_udp_and_ping_to_a_virtual_address_go_nowhere(stage: Stage) -> None:
    code = (
        "import socket\n"
        "a=socket.gethostbyname('other')\n"
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(2); s.connect((a,9))\n"
        "try:\n"
        "  s.send(b'x'); s.recv(1); print('answered')\n"
        "except OSError as e: print(type(e).__name__)"
    )
    done = python(stage, code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("ConnectionRefusedError", "OSError", "TimeoutError")


def test_link_local_addresses_are_closed(stage: Stage) -> None:
    answer = tcp(stage, "169.254.169.254", 80)

    assert not answer["ok"]
    assert answer["error"] != "timeout"


def test_a_pod_has_no_ipv6_but_its_own_loopback_at_most(stage: Stage) -> None:
    url = "http://127.0.0.1:8080/file?path=/proc/net/if_inet6"
    content = str(stage.machine.call(PROJECT, "inside", "http", url)["body"])

    assert "eth0" not in content


def test_headers_that_a_client_made_up_change_nothing(stage: Stage) -> None:
    forged = [
        "x-forwarded-for: 10.201.0.2",
        "x-forwarded-client-cert: By=shop/api",
        "x-envoy-external-address: 10.201.0.2",
        "x-envoy-original-path: /v1/config/env",
        "x-real-ip: 10.201.0.2",
        "forwarded: for=10.201.0.2",
    ]
    options = [part for header in forged for part in ("--header", header)]

    answer = stage.machine.call(PROJECT, "inside", "http", "http://shut:8080/", *options)

    assert answer["status"] == 403


def test_an_address_that_is_not_the_pods_own_is_not_believed(stage: Stage) -> None:
    """Other may call it, and not a stranger who took an address of other's network."""
    stage.user.apply(PROJECT, "guarded", whitelists=[{"projectId": PROJECT, "service": "other"}])
    stage.user.wait_until_ready(PROJECT, "guarded")
    assert stage.machine.call(PROJECT, "other", "http", "http://guarded:8080/")["status"] == 200
    assert stage.machine.call(PROJECT, "inside", "http", "http://guarded:8080/")["status"] == 403
    head, _, last = str(stage.user.status(PROJECT, "other")["replicas"][0]["address"]).rpartition(
        "."
    )
    forged = f"{head}.{int(last) + 40}"
    container = stage.machine.task_container(PROJECT, "inside")
    enter = ["nsenter", "-t", str(pid_of(container)), "-n"]
    subprocess.run(
        [*enter, "ip", "addr", "add", f"{forged}/32", "dev", "eth0"], check=True, timeout=60
    )

    code = (
        "import socket\n"
        f"a=socket.create_connection((socket.gethostbyname('guarded'),8080),2,('{forged}',0))\n"
        "a.sendall(b'GET / HTTP/1.1\\r\\nHost: guarded\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "print(a.recv(99))"
    )
    done = python(stage, code)

    assert "200" not in done.stdout
    assert done.returncode != 0
    stage.user.delete(PROJECT, "guarded")
    stage.user.wait_until_gone(PROJECT, "guarded")
