"""The commands of ``space-cli`` beside apply, as processes against a running control plane."""

import json
import re
import subprocess
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from eventually import next_line
from running_plane import Plane, a_running_plane
from spacecloud import server

SHOP = Path(__file__).parents[2] / "examples" / "shop" / "shop.yaml"

MORE = """
type: secret
meta: {project: shop, id: db}
spec: {type: env, data: {PASS: s3cret, USER: ann}}
---
type: service-route
meta: {project: shop, id: api}
spec: {routes: [{source: {port: 8080}, targets: [{type: version, version: v1, port: 8080, weight: 100}]}]}
---
type: service-role
meta: {project: shop, serviceId: api, roleId: reader}
spec: {type: Project, rules: [{apiGroups: [""], verbs: [get], resources: [pods]}]}
---
type: ingress-global
meta: {project: shop}
spec: {resHeaders: [{key: x-frame-options, value: DENY}]}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Plane]:
    """The example and one of each other kind, ready; tests that share it change nothing."""
    folder = tmp_path_factory.mktemp("plane")
    (folder / "more.yaml").write_text(MORE)
    with a_running_plane(folder) as plane:
        done = plane.cli("apply", "-f", str(SHOP), "-f", str(folder / "more.yaml"), "--wait")
        assert done.code == 0, done.err
        yield plane


@pytest.fixture
def plane(tmp_path: Path) -> Generator[Plane]:
    with a_running_plane(tmp_path) as running:
        yield running


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


# get


def test_services_are_listed_with_state_replicas_and_url(shop: Plane) -> None:
    listed = rows(shop.cli("get", "services").out)

    assert listed[0][:6] == ["SERVICE", "VERSION", "STATE", "REPLICAS", "PORTS", "URL"]
    assert ["api", "v1", "ready", "2/2", "8080/http", "-"] in listed
    assert ["web", "v1", "ready", "1/1", "8080/http", "http://localhost:4122/"] in listed


def test_wide_lists_say_more(shop: Plane) -> None:
    wide = shop.cli("get", "service", "api", "-o", "wide").out

    assert "api.shop.svc.cluster.local" in wide
    assert "space-cloud-example/api:1" in wide
    assert wide.splitlines()[0].split()[6] == "REVISION"
    assert wide.splitlines()[1].split()[6] == "1"
    assert len(wide.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (["svc", "shop/cache@v1"], "cache"),
        (["projects"], "shop"),
        (["project", "shop"], "shop"),
        (["replicas", "api"], "api--v1--1"),
        (["secrets"], "PASS, USER"),
        (["ingress-routes"], "web.shop.svc.cluster.local:8080"),
        (["ingress-route", "web"], "/ (prefix)"),
        (["ingress-global"], "x-frame-options"),
        (["events"], "EndpointsPublished"),
        (["events", "cache"], "shop/cache"),
        (["routes"], "v1 100%"),
        (["service-route", "api"], "v1 100%"),
        (["roles"], "reader"),
        (["service-role", "api", "reader"], "reader"),
    ],
)
def test_everything_is_listed_in_singular_plural_and_the_originals_spelling(
    shop: Plane, arguments: list[str], known: str
) -> None:
    done = shop.cli("get", *arguments)

    assert done.code == 0, done.err
    assert known in done.out


@pytest.mark.parametrize("thing", ["services", "replicas", "secrets", "events", "roles"])
def test_every_list_is_json_for_programs(shop: Plane, thing: str) -> None:
    listed: Any = json.loads(shop.cli("get", thing, "-o", "json").out)

    assert isinstance(listed, list)
    assert listed


def test_secret_values_are_never_shown(shop: Plane) -> None:
    for form in ("wide", "json", "yaml"):
        assert "s3cret" not in shop.cli("get", "secrets", "-o", form).out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["get", "services", "nope"], "there is no service shop/nope"),
        (["get", "services", "api", "v9"], "there is no service shop/api@v9"),
        (["get", "services", "api", "v9", "-o", "yaml"], "there is no service shop/api@v9"),
        (["get", "secrets", "nope"], "secret(nope) not present"),
        (["get", "projects", "nope"], "there is no project nope"),
        (["get", "services", "-p", "shpo"], "there is no project shpo: did you mean shop?"),
        (["get", "replicas", "-p", "typo"], "there is no project typo"),
        (["get", "secrets", "-p", "typo", "-o", "json"], "there is no project typo"),
        (["get", "services", "typo/api"], "there is no project typo"),
        (["events", "-p", "typo"], "there is no project typo"),
        (["events", "-f", "-p", "typo"], "there is no project typo"),
        (["delete", "svc", "nope"], "there is no service shop/nope"),
        (["delete", "SVC", "api@v9"], "there is no service shop/api@v9; there is v1"),
        (["delete", "ingress", "nope"], "has no ingress route nope"),
        (["delete", "role", "api", "nope"], "service shop/api has no role nope"),
        (["status", "shop/nope"], "there is no service shop/nope"),
        (["logs", "nope"], "there is no service and no replica shop/nope"),
        (["logs", "api", "--replica", "nope"], "there is no replica nope"),
        (["delete", "service", "nope"], "there is no service shop/nope"),
        (["delete", "service", "api", "v9"], "there is no service shop/api@v9; there is v1"),
        (["delete", "secret", "nope"], "secret(nope) not present"),
        (["delete", "ingress-route", "nope"], "has no ingress route nope"),
        (["delete", "service-role", "api", "nope"], "service shop/api has no role nope"),
    ],
)
def test_what_does_not_exist_is_an_error_of_its_own(
    shop: Plane, arguments: list[str], sentence: str
) -> None:
    done = shop.cli(*arguments)

    assert done.code == 3, done
    assert sentence in done.err
    assert done.err.startswith("error: ")


# status, events, logs


def test_the_status_says_replicas_addresses_policy_and_events(shop: Plane) -> None:
    out = shop.cli("status", "shop/api").out

    assert out.startswith("shop/api@v1  ready  2 of 2 replicas ready\n")
    (replica, _) = json.loads(shop.cli("status", "shop/api", "-o", "json").out)[0]["replicas"]
    for text in (
        f"revision   1 ({replica['revision']})",
        "domain     api.shop.svc.cluster.local, api-v1-internal.shop.svc.cluster.local",
        "called by  shop/web",
        "calls      shop/cache",
        "api--v1--0  ready",
        "EndpointsPublished",
    ):
        assert text in out


def test_the_status_tells_of_a_route_that_never_answers(shop: Plane) -> None:
    hidden = (
        "type: ingress-routes\nmeta: {project: shop, id: hidden}\nspec:\n"
        "  source: {hosts: ['*'], url: /}\n"
        "  targets: [{host: web.shop.svc.cluster.local, port: 8080}]\n"
    )
    applied = shop.cli("apply", "-f", "-", given=hidden)

    warning = "ingress route shop/hidden is never reached: "
    assert warning in applied.out
    assert warning in shop.cli("status", "shop/web").out
    assert warning not in shop.cli("status", "shop/api").out
    shop.cli("delete", "ingress-route", "hidden", "--yes")


def test_the_status_for_programs_is_the_apis(shop: Plane) -> None:
    (found,) = json.loads(shop.cli("status", "api", "-o", "json").out)

    with shop.client() as client:
        assert found == client.status("shop", "api")[0]


def test_what_happened_is_told_newest_last(shop: Plane) -> None:
    found = json.loads(shop.cli("events", "shop/api", "-o", "json").out)

    assert [e["at"] for e in found] == sorted(e["at"] for e in found)
    assert {e["service"] for e in found} == {"api"}


def test_times_have_their_dates(shop: Plane) -> None:
    stamp = re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b")
    listed = shop.cli("get", "events").out.splitlines()[1:]
    told = shop.cli("events").out.splitlines()[1:]
    status = shop.cli("status", "shop/api").out.partition("  events\n")[2].splitlines()[1:]

    for lines in (listed, told, status):
        assert lines
        assert all(stamp.search(line) for line in lines), lines


def test_events_that_are_followed_begin_now(shop: Plane) -> None:
    last = shop.cli("events").out.splitlines()[-1]
    following, with_the_last = (
        shop.start_cli("events", "-f"),
        shop.start_cli("events", "-f", "--limit", "1"),
    )
    try:
        before = first_line(with_the_last, lambda n: None)
        first = first_line(following, lambda n: apply_late(shop, n))
    finally:
        for process in (following, with_the_last):
            process.send_signal(2)
            process.communicate(timeout=10)
        shop.cli("delete", "svc", "shop/late@v1")

    assert before.split() == last.split()
    assert "shop/late" in first
    assert shop.cli("events", "-f", "-o", "json").code == 2


def apply_late(shop: Plane, number: int) -> None:
    task = {"id": "main", "docker": {"image": "late:1"}, "env": {"N": str(number)}}
    meta = {"project": "shop", "serviceId": "late", "version": "v1"}
    document = {"type": "service", "meta": meta, "spec": {"tasks": [task]}}
    assert shop.cli("apply", "-f", "-", given=json.dumps(document)).code == 0


def first_line(process: "subprocess.Popen[str]", meanwhile: Callable[[int], None]) -> str:
    """What happens before it has begun to follow is not shown: so something happens until then."""
    assert process.stdout is not None
    with ThreadPoolExecutor(1) as pool:
        line = pool.submit(process.stdout.readline)
        for number in range(30):
            meanwhile(number)
            if wait([line], timeout=1).done:
                return line.result(1)
        process.kill()
        raise AssertionError("nothing was shown")


@pytest.mark.parametrize("command", ["setup", "start", "stop", "down", "destroy", "doctor"])
def test_a_command_of_the_other_program_is_pointed_at(shop: Plane, command: str) -> None:
    done = shop.cli(command, "--expose-api")

    assert done.code == 2
    assert f"`space-cloud {command}`" in done.err


@pytest.mark.parametrize("command", ["apply", "get", "logs", "login"])
def test_and_the_other_way_round(command: str) -> None:
    done = CliRunner().invoke(server.cli, [command, "-f", "x.yaml"])

    assert done.exit_code == 2
    assert f"`space-cli {command}`" in done.output


@pytest.mark.parametrize("command", ["apply", "plan", "delete"])
def test_the_option_for_files_says_what_it_takes(shop: Plane, command: str) -> None:
    said = " ".join(shop.cli(command, "--help").out.split())

    assert "A file, a folder of them, a URL, or - for the input" in said


def test_the_logs_of_all_replicas_come_together_and_of_one_as_they_are(shop: Plane) -> None:
    both = shop.cli("logs", "shop/api").out.splitlines()
    one = shop.cli("logs", "shop/api", "--replica", "api--v1--1").out
    by_id = shop.cli("logs", "api--v1--1").out

    assert sorted(line.partition(" | ")[0] for line in both) == ["api--v1--0", "api--v1--1"]
    assert one == by_id
    assert one.startswith("api--v1--1 of revision")


def test_a_log_that_is_followed_ends_with_ctrl_c(shop: Plane) -> None:
    process = shop.start_cli("logs", "shop/api", "-f")
    first = next_line(process)

    process.send_signal(2)
    _, err = process.communicate(timeout=10)

    assert "runs in memory" in first
    assert process.returncode == 130
    assert "Traceback" not in err


# delete


def test_a_service_is_deleted_in_either_spelling(plane: Plane) -> None:
    plane.cli("apply", "-f", str(SHOP))

    by_words = plane.cli("delete", "service", "api", "v1", "-p", "shop")
    by_name = plane.cli("delete", "service", "shop/cache@v1")

    assert by_words.out == "service shop/api@v1 deleted\n"
    assert by_name.out == "service shop/cache@v1 deleted\n"
    left = plane.wait_for(plane.store.versions("shop", None))
    assert [v.ref.service for v in left] == ["web"]


def test_deleting_a_project_asks_first_and_takes_all_with_it(plane: Plane) -> None:
    plane.cli("apply", "-f", str(SHOP))

    unasked = plane.cli("delete", "project", "shop")
    acknowledged = plane.cli("delete", "project", "shop", "--yes")

    assert unasked.code == 2
    assert "project shop and all that is in it: say --yes" in unasked.err
    assert acknowledged.out == "project shop deleted\n"
    assert plane.wait_for(plane.store.versions("shop", None)) == []


def test_what_is_in_files_is_deleted_backwards_and_what_was_not_there_is_said(
    plane: Plane, tmp_path: Path
) -> None:
    plane.cli("apply", "-f", str(SHOP))
    (tmp_path / "no.yaml").write_text("type: service\nmeta: {project: shop, id: no, version: v1}\n")

    done = plane.cli("delete", "-f", str(SHOP), "-f", str(tmp_path / "no.yaml"), "--yes")

    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "ingress-routes shop/web deleted"
    assert lines[-1] == "project shop deleted"
    assert "service shop/no@v1 was not there" in lines


def test_of_several_versions_one_must_be_named(plane: Plane, tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / f"{version}.yaml").write_text(
            f"type: service\nmeta: {{project: shop, id: a, version: {version}}}\n"
            "spec: {tasks: [{id: a, docker: {image: a}}]}\n"
        )
    plane.cli("apply", "-f", str(tmp_path))

    done = plane.cli("delete", "service", "a")

    assert done.code == 2
    assert "which version of shop/a? It has v1, v2" in done.err


# which project


def test_the_project_is_given_or_the_only_one(plane: Plane, tmp_path: Path) -> None:
    plane.cli("apply", "-f", str(SHOP), "--wait")
    alone = plane.cli("get", "services")
    (tmp_path / "p.yaml").write_text("type: project\nmeta: {project: bank}\nspec: {}\n")
    plane.cli("apply", "-f", str(tmp_path / "p.yaml"))

    unnamed = plane.cli("get", "services")
    before = plane.cli("-p", "shop", "get", "services")
    after = plane.cli("get", "services", "--project", "shop")
    by_environment = plane.cli("get", "services", SPACE_CLOUD_PROJECT="shop")

    assert (alone.code, unnamed.code) == (0, 2)
    assert unnamed.err == "error: which project? Name one with -p: bank, shop\n"
    assert alone.out == before.out == after.out == by_environment.out
