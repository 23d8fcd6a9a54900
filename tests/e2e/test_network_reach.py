"""
Every pair by every road that is not a name: virtual IPs, replicas, gateways, the host.

Dialled from the network namespaces of the pods, by a program of the host: what a pod's own
programs lack, as raw sockets, is no protection.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from e2e.machine import engine_is_silent, host_addresses
from e2e.parties import PARTIES, Party, declared
from e2e.stage import Stage
from eventually import next_line

REACH = Path(__file__).parent.parent / "apps" / "reach.py"
UDP_PORT = 5003
GET = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
TEXTS = {8080: GET, 5001: "", 5002: "hello"}


class Dial(NamedTuple):
    kind: str
    host: str
    port: int
    text: str = ""


Answer = dict[str, Any]


def voice(party: Party) -> str:
    """What it answers with; no sentence of the platform's has it."""
    return f"<{party.name}>"


def project(party: Party) -> str:
    """The matrix has the same services, and may be there at the same time."""
    return f"reach-{party.project}"


def peers(side: list[dict[str, str]] | None) -> list[dict[str, str]] | None:
    if side is None:
        return None
    return [
        p if p["projectId"] == "*" else {**p, "projectId": f"reach-{p['projectId']}"} for p in side
    ]


def nsenter(stage: Stage, party: Party, *command: str) -> list[str]:
    namespace = f"--net=/proc/{stage.machine.pid(project(party), party.service)}/ns/net"
    return ["nsenter", namespace, sys.executable, str(REACH), *command]


@pytest.fixture(scope="module", autouse=True)
def parties(stage: Stage) -> Iterator[None]:
    for party in PARTIES:
        stage.user.apply(
            project(party),
            party.service,
            tasks=[stage.user.task(voice(party))],
            whitelists=peers(party.whitelists),
            upstreams=peers(party.upstreams),
        )
    for name in ("reach-red", "reach-blue"):
        stage.user.wait_until_ready(name, *(p.service for p in PARTIES if project(p) == name))
    with ExitStack() as listeners:
        for party in PARTIES:
            listener = subprocess.Popen(
                nsenter(stage, party, "answer", voice(party), str(UDP_PORT)),
                stdout=subprocess.PIPE,
                text=True,
            )
            listeners.enter_context(listener)
            listeners.callback(listener.kill)
            assert next_line(listener) == "ready\n"
        yield
    for name in ("reach-red", "reach-blue"):
        stage.user.request("DELETE", f"/v1/config/projects/{name}")
        stage.user.wait_until_gone(name, *(p.service for p in PARTIES if project(p) == name))


def dial(stage: Stage, caller: Party, targets: list[Dial]) -> list[Answer]:
    done = subprocess.run(
        nsenter(stage, caller, "dial"),
        input=json.dumps(targets),
        text=True,
        capture_output=True,
        check=True,
        timeout=100,
    )
    answers: list[Answer] = json.loads(done.stdout)
    return answers


def virtual_addresses(stage: Stage, party: Party) -> list[str]:
    """Of the service and of its version."""
    found = []
    for name in (party.service, f"{party.service}-v1-internal"):
        answer = stage.machine.call(project(party), party.service, "resolve", name)
        assert answer["ok"], answer
        found += answer["addresses"]
    assert len(set(found)) == 2
    return found


def replica(stage: Stage, party: Party) -> str:
    return str(stage.user.status(project(party), party.service)["replicas"][0]["address"])


def check_pairs(
    stage: Stage,
    targets: dict[str, list[Dial]],
    expected: Any,
    *,
    among: int,
    may_be_silent: bool = False,
) -> None:
    wrong, silent, tried = [], [], 0
    for caller in PARTIES:
        asked = [(callee, target) for callee in PARTIES for target in targets[callee.name]]
        answers = dial(stage, caller, [target for _, target in asked])
        for (callee, target), answer in zip(asked, answers, strict=True):
            tried += 1
            reached = voice(callee) in answer["got"] or answer["got"] == "pong"
            call = f"{caller.name} -> {callee.name} {target[:3]}: {answer}"
            if reached != expected(caller, callee):
                wrong.append(call)
            if not reached and target.kind == "tcp" and answer["error"] == "TimeoutError":
                silent.append(call)
    assert wrong == []
    assert silent == [] or may_be_silent
    assert tried == among


def test_by_virtual_address_whom_policy_lets_in(stage: Stage) -> None:
    targets = {
        party.name: [
            Dial("tcp", host, port, text)
            for host, (port, text) in itertools.product(
                virtual_addresses(stage, party), TEXTS.items()
            )
        ]
        for party in PARTIES
    }

    check_pairs(stage, targets, declared, among=36 * 2 * 3)


def test_by_the_address_of_a_replica_nobody_but_its_own_service(stage: Stage) -> None:
    targets = {
        party.name: [
            *(Dial("tcp", replica(stage, party), port, text) for port, text in TEXTS.items()),
            Dial("udp", replica(stage, party), UDP_PORT, "hello"),
            Dial("ping", replica(stage, party), 0),
        ]
        for party in PARTIES
    }

    check_pairs(
        stage,
        targets,
        lambda caller, callee: caller == callee,
        among=36 * 5,
        may_be_silent=engine_is_silent(),
    )


def test_udp_and_ping_to_a_virtual_address_reach_nobody(stage: Stage) -> None:
    targets = {
        party.name: [
            Dial(kind, host, port, "hello")
            for host in virtual_addresses(stage, party)
            for kind, port in (("udp", UDP_PORT), ("udp", 8080), ("ping", 0))
        ]
        for party in PARTIES
    }

    check_pairs(stage, targets, lambda caller, callee: False, among=36 * 6)


def test_by_gateway_and_host_addresses_nobody(stage: Stage) -> None:
    """Also not the callee's own service: no port of a service is one of the host."""
    hosts = host_addresses()
    targets = {
        party.name: [
            *(
                Dial("tcp", host, port, TEXTS.get(port, GET))
                for host in (stage.user.gateway_of(project(party), party.service), *hosts)
                for port in (*TEXTS, stage.installation.mesh_port, stage.installation.dns_port)
            ),
            Dial("udp", stage.user.gateway_of(project(party), party.service), UDP_PORT, "hello"),
        ]
        for party in PARTIES
    }

    check_pairs(stage, targets, lambda caller, callee: False, among=36 * (5 * (1 + len(hosts)) + 1))


def test_through_the_public_url_everybody_like_any_outsider(stage: Stage) -> None:
    for party in PARTIES:
        url = f"/hairpin/{party.project}/{party.service}"
        stage.user.ingress(project(party), f"hairpin-{party.service}", url, party.service)
    host = host_addresses()[0]
    targets = {
        party.name: [
            Dial(
                "tcp",
                host,
                stage.installation.http_port,
                f"GET /hairpin/{party.project}/{party.service} HTTP/1.1\r\n"
                f"host: {host}\r\nconnection: close\r\n\r\n",
            )
        ]
        for party in PARTIES
    }

    check_pairs(stage, targets, lambda caller, callee: True, among=36)


def test_no_pod_has_an_ipv6_address(stage: Stage) -> None:
    for party in PARTIES:
        shown = Path(
            f"/proc/{stage.machine.pid(project(party), party.service)}/net/if_inet6"
        ).read_text()
        assert [line for line in shown.splitlines() if not line.endswith(" lo")] == []
