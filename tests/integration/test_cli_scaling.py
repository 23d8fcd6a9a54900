"""``space-cli scale``, ``sleep`` and ``wake``, against the API with a scaler that obeys at once."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api_server import ApiServer, an_api_server
from builders import a_situation, a_version, settled
from eventually import wait_until
from running_plane import Plane, a_running_plane
from spacecloud.autoscale.decision import Decision, Limit, Next, Want
from spacecloud.cli.main import run
from spacecloud.errors import Terminal
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling import Scaling
from spacecloud.model.service import Service
from spacecloud.reasons.scaling import InFlight, LoadChanged
from spacecloud.reasons.tasks import Exited
from spacecloud.report.scaling import Decided
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.decide import decide

REF = ServiceRef("shop", "web", "v1")
SPEC = {
    "tasks": [{"id": "main", "docker": {"image": "app:1"}, "ports": [{"port": 8080}]}],
    "autoScale": {
        "minReplicas": 0,
        "maxReplicas": 9,
        "triggers": [{"type": "requests-per-second", "metadata": {"target": "50"}}],
    },
}
GROWING = Decision(
    replicas=5,
    cause=LoadChanged("requests-per-second", 240, 50),
    mode="panic",
    wants=(Want("requests-per-second", "requests-per-second", 50, 60, 240, 2, 7),),
    minimum=0,
    maximum=9,
    limits=(Limit("max-scale-up-rate", 7, 5),),
    busy=(InFlight(12),),
    next=(Next("panic-ends", 54), Next("freezes", 60)),
)


@dataclass
class Said:
    code: int
    out: str
    err: str


@dataclass
class Shop:
    server: ApiServer
    cli: Callable[..., Said]

    def has(self, spec: object, path: str = "web/v1") -> None:
        self.server.do(lambda api: api.post(f"/v1/runner/shop/services/{path}", spec))

    def decided(self, decision: Decision, scaling: Scaling, seconds_ago: float = 6) -> None:
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        scaler = self.server.api.backend.scaler
        scaler.kept[REF] = replace(scaling, since=at)
        scaler.decided[REF] = Decided(at, decision)


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shop]:
    """With one service of one version that may sleep."""
    with an_api_server(tmp_path) as server:
        monkeypatch.setenv("SPACE_CLOUD_URL", server.url)
        monkeypatch.setenv("SPACE_CLOUD_STATE", str(tmp_path.parent))
        monkeypatch.setenv("SPACE_CLOUD_INSTANCE", tmp_path.name)
        monkeypatch.setenv("HOME", str(tmp_path))

        def cli(*arguments: str) -> Said:
            capsys.readouterr()
            code = run(arguments)
            said = capsys.readouterr()
            return Said(code, said.out, said.err)

        found = Shop(server, cli)
        found.has(SPEC)
        yield found


@pytest.mark.parametrize(
    "words",
    [
        ["shop/web", "3"],
        ["web", "3"],
        ["-p", "shop", "web@v1", "3"],
        ["-o", "json", "web", "3"],
        ["web", "3", "-o", "json"],
    ],
)
def test_a_number_is_asked_for_in_every_spelling(shop: Shop, words: list[str]) -> None:
    said = shop.cli("scale", *words)

    assert said.code == 0, said.err
    assert shop.server.api.backend.scaler.kept[REF].replicas == 3


def test_how_long_a_number_holds_is_said(shop: Shop) -> None:
    said = shop.cli("scale", "shop/web", "12")

    assert said.out.splitlines() == [
        "shop/web@v1: 12 replicas wanted",
        "  note: 12 replicas until the next apply of it, whatever the load",
        "  note: 12 is outside of the 0 to 9 that are declared, and holds all the same",
    ]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["scale", "web", "many"], 2, "a number of replicas is expected (got 'many')"),
        (["scale", "web", "1001"], 2, "replicas"),
        (["scale", "nope", "1"], 3, "there is no service shop/nope"),
        (["scale", "web@v9", "1"], 3, "there is no service shop/web@v9; there is v1"),
        (["scale", "explain", "nope"], 3, "there is no service shop/nope"),
        (["sleep", "nope"], 3, "there is no service shop/nope"),
        (["wake", "nope"], 3, "there is no service shop/nope"),
        (["sleep", "fixed"], 4, "scale.minReplicas is 1; set scale.minReplicas to 0 and apply"),
        (["scale", "two", "2"], 2, "which version of shop/two? It has v1, v2"),
        (["sleep", "two"], 2, "which version of shop/two? It has v1, v2"),
        (["wake", "two"], 2, "which version of shop/two? It has v1, v2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_with_its_exit_code(
    shop: Shop, words: list[str], code: int, sentence: str
) -> None:
    shop.has({**SPEC, "autoScale": None, "scale": {"minReplicas": 1}}, "fixed/v1")
    shop.has(SPEC, "two/v1")
    shop.has(SPEC, "two/v2")

    said = shop.cli(*words)

    assert (said.code, said.out) == (code, "")
    assert sentence in said.err


def test_a_service_of_the_name_of_the_subcommand_is_named_with_its_project(shop: Shop) -> None:
    shop.has(SPEC, "explain/v1")

    assert shop.cli("scale", "shop/explain", "2").code == 0
    assert shop.cli("scale", "explain", "explain").out.startswith("shop/explain@v1")


def test_a_version_sleeps_and_wakes(shop: Shop) -> None:
    frozen = shop.cli("sleep", "shop/web")
    stopped = shop.cli("sleep", "shop/web", "--stop")
    woken = shop.cli("wake", "shop/web")
    again = shop.cli("wake", "shop/web")

    assert frozen.out == "shop/web@v1 is frozen: the next call wakes it\n"
    assert stopped.out == "shop/web@v1 is stopped: the next call wakes it\n"
    assert woken.out == (
        "shop/web@v1 takes calls after 12.3 ms: gate 0.3 ms, start 10.0 ms, ready 2.0 ms\n"
    )
    assert again.out == "shop/web@v1 is awake\n"


def test_programs_get_values(shop: Shop) -> None:
    slept = json.loads(shop.cli("sleep", "web", "-o", "json").out)
    woken = json.loads(shop.cli("wake", "web", "-o", "json").out)
    scaled = json.loads(shop.cli("scale", "web", "2", "-o", "json").out)
    (explained,) = json.loads(shop.cli("scale", "explain", "web", "-o", "json").out)

    assert (slept["state"], woken["milliseconds"], scaled["replicas"]) == ("frozen", 12.3, 2)
    assert explained["pinned"] == 2


def test_a_version_that_does_not_sleep_in_time_goes_on_to(shop: Shop) -> None:
    serving = settled(a_situation(a_version(spec=Service.model_validate(SPEC))))
    shop.server.api.backend.snapshots[REF.key] = Snapshot(serving, decide(serving))

    said = shop.cli("sleep", "web", "--timeout", "300ms")

    assert said.code == 8
    assert said.err == (
        "error: shop/web@v1 is not frozen after 0.3 s: something of it is in flight, or its "
        "revision is not confirmed yet; it sleeps as soon as it can\n"
    )


def test_a_wake_that_fails_is_told_with_its_cause(shop: Shop) -> None:
    shop.server.api.backend.scaler.why_no_wake = Terminal(Exited(1, "no database"))

    said = shop.cli("wake", "web")

    assert (said.code, said.out) == (1, "")
    assert "no database" in said.err


def test_a_wake_that_takes_long_is_told_as_going_on(shop: Shop) -> None:
    shop.server.api.backend.scaler.is_stuck = True

    said = shop.cli("wake", "web")

    assert (said.code, said.out) == (8, "")
    assert "takes no calls yet after 0.5 s; its wake goes on" in said.err


def test_why_so_many_run_is_explained(shop: Shop) -> None:
    shop.decided(GROWING, Scaling(5, datetime.now(UTC)))

    said = shop.cli("scale", "explain", "shop/web")

    assert said.out.startswith("shop/web@v1  awake  0 of 5 replicas ready")
    assert "requests-per-second is 240 in all, 50 per replica is the aim" in said.out
    assert "panic ends in " in said.out


def test_a_version_with_a_number_by_hand_is_explained(shop: Shop) -> None:
    shop.cli("scale", "shop/web", "3")

    said = shop.cli("scale", "explain", "shop/web")

    assert "3 replicas by hand, until the next apply" in said.out


def test_the_help_of_scale_names_both_ways(shop: Shop) -> None:
    said = shop.cli("scale", "--help")

    assert "SERVICE REPLICAS" in said.out
    assert "explain SERVICE" in said.out
    assert "--output" in said.out


# against a whole control plane


SLEEPER = """
type: service
meta: {project: shop, serviceId: web, version: v1}
spec:
  tasks: [{id: main, docker: {image: "app:1"}, ports: [{port: 8080}]}]
  autoScale: {minReplicas: 0}
  rollout: {confirmSeconds: 0}
"""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """With one service that may sleep; each test leaves it awake."""
    folder = tmp_path_factory.mktemp("plane")
    (folder / "web.yaml").write_text(SLEEPER)
    with a_running_plane(folder) as running:
        done = running.cli("apply", "-f", str(folder / "web.yaml"), "--wait")
        assert done.code == 0, done.err
        yield running


def test_what_sleeps_is_well_and_is_told_with_how_deep_and_for_how_long(plane: Plane) -> None:
    slept = plane.cli("sleep", "shop/web")

    listed = plane.cli("get", "services", "-p", "shop").out.splitlines()[1]
    page = plane.cli("status", "shop/web").out
    why = plane.cli("why", "shop/web")
    same = plane.cli("apply", "-f", str(plane.home.parent / "web.yaml"), "--wait")
    woken = plane.cli("wake", "shop/web")

    assert (slept.code, slept.out) == (0, "shop/web@v1 is frozen: the next call wakes it\n")
    assert re.fullmatch(r"web +v1 +asleep +0 +8080/http +- +frozen [0-9]+ s", listed)
    assert re.match(r"shop/web@v1  asleep  frozen [0-9]+ s\n  scaling +frozen since ", page)
    assert why.code == 0
    assert "shop/web@v1: it is frozen, and waits for a call" in why.out
    assert (same.code, same.err) == (0, "")
    assert "shop/web@v1 asleep" in same.out
    assert woken.code == 0, woken.err


def test_a_number_by_hand_is_reached_and_ends_with_the_next_apply(
    plane: Plane, tmp_path: Path
) -> None:
    (tmp_path / "web.yaml").write_text(SLEEPER)

    def listed() -> str:
        return plane.cli("get", "services", "-p", "shop").out.splitlines()[1]

    plane.cli("scale", "shop/web", "3")
    wait_until(lambda: re.search(r"ready +3/3", listed()), within=20)
    plane.cli("apply", "-f", str(tmp_path / "web.yaml"), "--wait")
    wait_until(lambda: re.search(r"ready +1/1", listed()), within=20)

    explained = plane.cli("scale", "explain", "shop/web").out

    assert "by hand" not in explained.partition("wakes")[0]


def test_a_plan_without_a_trial_starts_nothing_of_what_sleeps(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(SLEEPER.replace("[{port: 8080}]", "[{port: 8080}], env: {a: b}"))

    awake = plane.cli("plan", "-f", str(file), "--no-verify")
    slept = plane.cli("sleep", "shop/web", "--stop")
    tried = plane.cli("plan", "-f", str(file))
    skipped = plane.cli("plan", "-f", str(file), "--no-verify")
    woken = plane.cli("wake", "shop/web")

    assert (awake.code, slept.code, tried.code, skipped.code, woken.code) == (0,) * 5
    said = "warning: service shop/web@v1: --no-verify changes nothing"
    assert [said in done.out for done in (awake, tried, skipped)] == [True, False, False]
    made = ["create replica" in done.out for done in (awake, tried, skipped)]
    assert made == [True, True, False]
    assert "resolve v1 to revision" in skipped.out


def test_no_verify_skips_the_trial_of_what_sleeps_and_says_where_it_changes_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    document = {
        "api": "/v1/runner/{project}/services/{id}/{version}",
        "type": "service",
        "meta": {"project": "shop", "serviceId": "web", "version": "v1"},
        "spec": SPEC,
    }
    file = tmp_path / "web.yaml"
    file.write_text(json.dumps(document))

    def is_skipped() -> bool:
        (version,) = shop.server.do(lambda api: api.store.versions("shop", "web"))
        return version.is_trial_skipped

    awake = shop.cli("apply", "-f", str(file), "--no-verify")
    was_skipped_awake = is_skipped()
    stopped = Scaling(1, datetime.now(UTC), "stopped")
    shop.server.do(lambda api: api.store.record_scaling(REF, stopped))
    asleep = shop.cli("apply", "-f", str(file), "--no-verify")

    assert (awake.code, asleep.code) == (0, 0), awake.err + asleep.err
    assert "note: --no-verify changes nothing: it does not sleep" in awake.out
    assert not was_skipped_awake
    assert "note" not in asleep.out
    assert is_skipped()
