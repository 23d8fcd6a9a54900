"""Names as programs look them up: with musl's resolver and with glibc's."""

from collections.abc import Iterator

import pytest

from e2e.stage import Stage, in_container

PROJECT = "names"
LIBRARIES = ("musl", "glibc")


@pytest.fixture(scope="module", autouse=True)
def callers(stage: Stage) -> Iterator[None]:
    stage.apply(PROJECT, "api")
    for library in LIBRARIES:
        task = {"id": "main", "docker": {"image": stage.images[f"caller-{library}"]}}
        stage.apply(PROJECT, library, tasks=[task])
    stage.settle(PROJECT, "api", *LIBRARIES)
    yield
    stage.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.gone(PROJECT, "api", *LIBRARIES)


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
    caller = stage.task_container(PROJECT, library)

    http = in_container(caller, "/usr/bin/caller", name, "8080")
    banner = in_container(caller, "/usr/bin/caller", name, "5001", "banner")

    assert http["ok"], http
    assert "200" in http["got"]
    assert banner["got"] == "banner api"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_name_that_is_not_there_is_not_found_and_does_not_hang(
    stage: Stage, library: str
) -> None:
    caller = stage.task_container(PROJECT, library)

    answer = in_container(caller, "/usr/bin/caller", "nobody", "8080", timeout=5)

    assert (answer["ok"], answer["step"]) == (False, "resolve")


def test_a_deleted_service_has_no_name_and_a_new_one_has_it_at_once(stage: Stage) -> None:
    stage.apply(PROJECT, "brief")
    stage.settle(PROJECT, "brief")
    assert stage.call(PROJECT, "api", "resolve", "brief")["ok"]

    stage.delete(PROJECT, "brief")

    def gone() -> None:
        assert not stage.call(PROJECT, "api", "resolve", "brief")["ok"]

    stage.wait_until(gone)
    stage.gone(PROJECT, "brief")


@pytest.mark.parametrize(
    ("type", "rcode"), [("A", "NOERROR"), ("AAAA", "NOERROR"), ("TXT", "NOERROR")]
)
def test_a_known_name_has_an_answer_of_every_type(stage: Stage, type: str, rcode: str) -> None:
    """Empty where there is nothing: an Alpine image asks for AAAA and A at once."""
    domain = f"api.{PROJECT}.svc.cluster.local"
    answer = stage.call(PROJECT, "api", "dns", domain, type, "--server", _nameserver(stage))

    assert answer["rcode"] == rcode
    assert bool(answer["answers"]) == (type == "A")


def _nameserver(stage: Stage) -> str:
    url = "http://127.0.0.1:8080/file?path=/etc/resolv.conf"
    content = str(stage.call(PROJECT, "api", "http", url)["body"])
    return content.split("nameserver ")[1].split()[0].split("\\n")[0]
