"""Who reaches whom: declared against reached, every pair, every kind of port, by every name."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.parties import PARTIES, Party, declared
from e2e.stage import Stage
from eventually import wait_until


@pytest.fixture(scope="module", autouse=True)
def parties(stage: Stage) -> Iterator[None]:
    for party in PARTIES:
        stage.user.apply(
            party.project,
            party.service,
            tasks=[stage.user.task(party.name)],
            whitelists=party.whitelists,
            upstreams=party.upstreams,
        )
    for project in ("red", "blue"):
        stage.user.wait_until_ready(project, *(p.service for p in PARTIES if p.project == project))
    yield
    for project in ("red", "blue"):
        stage.user.request("DELETE", f"/v1/config/projects/{project}")
        stage.user.wait_until_gone(project, *(p.service for p in PARTIES if p.project == project))


def names(caller: Party, callee: Party) -> list[str]:
    full = f"{callee.service}.{callee.project}.svc.cluster.local"
    found = [full, full.upper(), full + ".", f"{callee.service}.{callee.project}"]
    return [callee.service, *found] if caller.project == callee.project else found


def attempt(stage: Stage, caller: Party, host: str, port: int) -> dict[str, Any]:
    if port == 8080:
        return stage.machine.call(caller.project, caller.service, "http", f"http://{host}:{port}/")
    text = [] if port == 5001 else ["hello"]
    return stage.machine.call(caller.project, caller.service, "tcp", host, str(port), *text)


def said_by(answer: dict[str, Any], callee: Party) -> bool:
    """Bytes of the callee arrived, and of nobody else."""
    if "body" in answer and isinstance(answer["body"], dict):
        return answer.get("status") == 200 and answer["body"].get("name") == callee.name
    return callee.name in str(answer.get("got", ""))


@pytest.mark.parametrize("port", [8080, 5001, 5002], ids=["http", "server-first", "client-first"])
def test_who_reaches_whom_is_what_was_declared(stage: Stage, port: int) -> None:
    wrong, silent = [], []
    for caller, callee in itertools.product(PARTIES, PARTIES):
        host = f"{callee.service}.{callee.project}"
        answer = attempt(stage, caller, host, port)
        reached = said_by(answer, callee)
        if reached != declared(caller, callee):
            wrong.append(f"{caller.name} -> {callee.name}:{port} reached={reached} {answer}")
        if not reached:
            assert callee.name not in str(answer.get("got", "")), "a byte of the callee came"
            if answer.get("error") == "timeout":
                silent.append(f"{caller.name} -> {callee.name}: {answer['ms']} ms")

    assert wrong == []
    assert silent == []


def test_every_name_of_a_service_leads_to_it(stage: Stage) -> None:
    wrong = []
    for caller, callee in itertools.product(PARTIES, PARTIES):
        if not declared(caller, callee):
            continue
        for host in names(caller, callee):
            answer = attempt(stage, caller, host, 8080)
            if not said_by(answer, callee):
                wrong.append(f"{caller.name} -> {host}: {answer}")

    assert wrong == []


def test_a_refused_http_call_reads_the_rule_and_status_shows_both_sides(stage: Stage) -> None:
    answer = stage.machine.call("red", "open", "http", "http://shut:8080/")

    assert answer["status"] == 403
    assert "red/shut" in str(answer["body"])

    def shown() -> None:
        refusals = stage.user.status("red", "shut")["refusals"]
        assert [r["port"] for r in refusals if r["caller"] == "red/open"]
        assert "whitelists" in refusals[0]["message"]

    wait_until(shown)
    assert stage.user.status("red", "shut")["admits"] == []


def test_a_short_name_means_the_own_project(stage: Stage) -> None:
    answer = stage.machine.call("blue", "world", "resolve", "open")

    assert not answer["ok"]
