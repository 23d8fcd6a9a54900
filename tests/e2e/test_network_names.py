"""Names as programs look them up: with musl's resolver and with glibc's."""

from collections.abc import Iterator

import pytest

from e2e.machine import in_container
from e2e.stage import Stage
from eventually import wait_until

PROJECT = "names"
LIBRARIES = ("musl", "glibc")


@pytest.fixture(scope="module", autouse=True)
def callers(stage: Stage) -> Iterator[None]:
    stage.user.apply(PROJECT, "api")
    for library in LIBRARIES:
        task = {"id": "main", "docker": {"image": stage.user.images[f"caller-{library}"]}}
        stage.user.apply(PROJECT, library, tasks=[task])
    stage.user.wait_until_ready(PROJECT, "api", *LIBRARIES)
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, "api", *LIBRARIES)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "name",
    [
        "api",
        "API",
        f"api.{PROJECT}",
        f"api.{PROJECT}.svc.cluster.local",
        f"Api.{PROJECT.upper()}.Svc.Cluster.LOCAL",
        "api-v1-internal",
    ],
)
def test_a_name_leads_to_the_service(stage: Stage, library: str, name: str) -> None:
    caller = stage.machine.task_container(PROJECT, library)

    http = in_container(caller, "/usr/bin/caller", name, "8080")
    banner = in_container(caller, "/usr/bin/caller", name, "5001", "banner")

    assert http["ok"], http
    assert "200" in http["got"]
    assert banner["got"] == "banner api"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_name_that_is_not_there_is_not_found_and_does_not_hang(
    stage: Stage, library: str
) -> None:
    caller = stage.machine.task_container(PROJECT, library)

    answer = in_container(caller, "/usr/bin/caller", "nobody", "8080", timeout=30)

    assert (answer["ok"], answer["step"]) == (False, "resolve")


def test_a_deleted_service_has_no_name_and_a_new_one_has_it_at_once(stage: Stage) -> None:
    stage.user.apply(PROJECT, "brief")
    stage.user.wait_until_ready(PROJECT, "brief")
    assert stage.machine.call(PROJECT, "api", "resolve", "brief")["ok"]

    stage.user.delete(PROJECT, "brief")

    def gone() -> None:
        assert not stage.machine.call(PROJECT, "api", "resolve", "brief")["ok"]

    wait_until(gone)
    stage.user.wait_until_gone(PROJECT, "brief")


@pytest.mark.parametrize(
    ("type", "rcode"), [("A", "NOERROR"), ("AAAA", "NOERROR"), ("TXT", "NOERROR")]
)
def test_a_known_name_has_an_answer_of_every_type(stage: Stage, type: str, rcode: str) -> None:
    """Empty where there is nothing: an Alpine image asks for AAAA and A at once."""
    domain = f"api.{PROJECT}.svc.cluster.local"
    answer = stage.machine.call(PROJECT, "api", "dns", domain, type, "--server", _nameserver(stage))

    assert answer["rcode"] == rcode
    assert bool(answer["answers"]) == (type == "A")


def _nameserver(stage: Stage) -> str:
    url = "http://127.0.0.1:8080/file?path=/etc/resolv.conf"
    content = str(stage.machine.call(PROJECT, "api", "http", url)["body"])
    return content.split("nameserver ")[1].split()[0].split("\\n")[0]
