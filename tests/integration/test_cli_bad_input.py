"""Bad input to ``space-cli``: a sentence with the place and the fix, an exit code, no harm done."""

from collections.abc import Generator
from pathlib import Path

import pytest

from running_plane import Plane, a_running_plane

SERVICE = """type: service
meta: {project: shop, serviceId: api, version: v1}
spec:
  tasks: [{id: main, docker: {image: "api:1"}, ports: [{port: 80}]}]
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Plane]:
    folder = tmp_path_factory.mktemp("plane")
    (folder / "good.yaml").write_text(SERVICE)
    with a_running_plane(folder) as plane:
        done = plane.cli("apply", "-f", str(folder / "good.yaml"), "--wait")
        assert done.code == 0, done.err
        yield plane


@pytest.fixture
def plane(running: Plane) -> Generator[Plane]:
    """What runs on it must go on as it is."""
    (before,) = running.wait_for(running.store.versions("shop", None))
    yield running
    assert running.wait_for(running.store.versions("shop", None)) == [before]


def service(spec: str, meta: str = "project: shop, serviceId: api, version: v1") -> str:
    return f"type: service\nmeta: {{{meta}}}\nspec: {spec}\n"


def task(fields: str) -> str:
    return service(f"{{tasks: [{{id: main, docker: {{image: a}}, {fields}}}]}}")


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

BAD = {
    "not YAML": ("a: [1\nb", ":2: this is not YAML"),
    "no text": ("a: \x00", "this is not YAML"),
    "10 MB": ("a: " + "x" * 10_000_000, "larger than 5 MiB"),
    "an alias bomb": (BOMB, "aliases repeat more than 20000 values"),
    "a bomb of text": (f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 9)}]", "aliases repeat"),
    "an endless alias": ("a: &a [*a]", "the anchor &a contains itself"),
    "a double key": ("type: service\ntype: project\n", ":2: the key type is given twice, first"),
    "a wrong type": (service("{tasks: 7}"), ":3: spec.tasks: a list (got 7)"),
    "an unknown kind": ("type: servcie\n", "did you mean service? (got 'servcie')"),
    "no type": ("meta: {}\n", "type: is missing"),
    "a missing id": (
        service("{}", "project: shop, serviceId: api"),
        ":2: meta.version: is missing",
    ),
    "an id of 64": (
        service("{}", f"project: shop, serviceId: {'a' * 64}, version: v1"),
        "this has 64 characters",
    ),
    "port 0": (task("ports: [{port: 0}]"), "a whole number from 1 to 65535 (got 0)"),
    "port 70000": (task("ports: [{port: 70000}]"), "from 1 to 65535 (got 70000)"),
    "one port in two tasks": (
        service(
            "{tasks: [{id: a, docker: {image: a}, ports: [{port: 80}]},"
            " {id: b, docker: {image: a}, ports: [{port: 80}]}]}"
        ),
        "port 80 is in task a and in task b",
    ),
    "negative memory": (task("resources: {memory: -1}"), "resources.memory: a whole number from 0"),
    "an unknown field": (task("prots: []"), "tasks[0].prots: there is no such field; did you mean"),
    "a volume": (task("volumes: []"), "volumes are not supported: services are stateless"),
    "udp": (task("ports: [{port: 53, protocol: udp}]"), "udp cannot be policed per caller"),
    "a missing secret": (task("secrets: [nope]"), "spec.tasks[0].secrets[0]"),
    "the platform's project": (
        "type: project\nmeta: {project: space-cloud}\nspec: {}\n",
        "space-cloud",
    ),
    "no document": ("# nothing\n", "there is no document in"),
}
CONFLICTS = {"the platform's project"}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_with_its_place_and_harms_nothing(
    plane: Plane, tmp_path: Path, name: str
) -> None:
    text, sentence = BAD[name]
    file = tmp_path / "bad.yaml"
    file.write_text(text)

    done = plane.cli("apply", "-f", str(file))

    assert done.code == (4 if name in CONFLICTS else 2), done
    assert sentence in done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert len(done.err) < 2000
    assert done.out == ""


def test_what_the_control_plane_finds_wrong_has_its_line_too(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / "late.yaml"
    file.write_text(
        "type: service\nmeta: {project: shop, serviceId: api, version: v1}\nspec:\n  tasks:\n"
        "    - id: main\n      docker: {image: a}\n      secrets:\n        - nope\n"
    )

    done = plane.cli("apply", "-f", str(file))

    assert done.code == 2
    assert done.err.startswith(f"error: {file}:8: spec.tasks[0].secrets[0]: ")
    assert done.err.rstrip().endswith("in service shop/api@v1")
    assert len(done.err.splitlines()) == 1


LATE = """\
type: service
meta: {project: shop, serviceId: api, version: v1}
spec:
  tasks:
    - id: main
      docker: {image: a}
      secrets: [nope]
---
type: service
meta: {project: shop, serviceId: web, version: v1}
spec: {tasks: [{id: main, docker: {image: a}}]}
---
type: service-route
meta: {project: shop, id: web}
spec:
  routes:
    - source: {port: 80}
      targets:
        - {type: version, version: v7, port: 80, weight: 100}
"""


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_what_only_the_control_plane_finds_is_told_of_all_documents_at_once(
    plane: Plane, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "late.yaml"
    file.write_text(LATE)
    before = [kept.ref for kept in plane.wait_for(plane.store.versions())]

    done = plane.cli(command, "-f", str(file))

    assert done.code == 2
    assert "2 mistakes, and nothing was changed" in done.err
    assert f"{file}:7: spec.tasks[0].secrets[0]: " in done.err
    assert f"{file}:19: spec.routes[0].targets[0].version: " in done.err
    assert done.out == ""
    assert [kept.ref for kept in plane.wait_for(plane.store.versions())] == before


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_a_clash_with_what_is_there_is_told_with_the_place_of_its_document(
    plane: Plane, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "clash.yaml"
    file.write_text(
        task("ports: [{port: 80}]") + "---\ntype: project\nmeta: {project: space-cloud}\nspec: {}\n"
    )

    done = plane.cli(command, "-f", str(file))

    assert done.code == 4
    assert f"error: {file}:" in done.err
    assert done.err.rstrip().endswith("in project space-cloud")


def test_one_bad_document_keeps_the_good_ones_from_being_sent(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / "mixed.yaml"
    file.write_text("type: project\nmeta: {project: new}\nspec: {}\n---\n" + task("prots: []"))

    done = plane.cli("apply", "-f", str(file))

    ids = [kept.id for kept in plane.wait_for(plane.store.projects())]
    assert done.code == 2
    assert f"{file}:7: spec.tasks[0].prots" in done.err
    assert ids == ["shop"]


def test_every_mistake_is_a_line_with_file_and_place(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(task("ports: [{port: 0}, {port: 70000}], prots: []"))

    done = plane.cli("apply", "-f", str(file))

    first, *lines = done.err.splitlines()
    assert first == "error: 3 mistakes, and nothing was changed"
    assert all(line.startswith(f"  {file}:3: spec.tasks[0].") for line in lines)
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["apply"], "which file? Name one with -f"),
        (["apply", "-f", "/nowhere.yaml"], "cannot read /nowhere.yaml: No such file"),
        (["apply", "-f", "/proc/self/mem"], "cannot read /proc/self/mem"),
        (["apply", "-f", "-", "--env", "no-equals"], "a variable is given as NAME=value"),
        (["apply", "-f", "-", "--env-file", "/nowhere"], "cannot read /nowhere"),
        (["get", "sevices"], "did you mean services? Known are: services, "),
        (["get", "thing"], "there is no such thing as thing to get. Known are: services, "),
        (["get", "services", "a/b/c"], "a service is named like shop/api"),
        (["get"], "Missing argument 'THING'"),
        (["delete"], "what? Name one thing"),
        (["delete", "servce", "a"], "servce cannot be deleted; did you mean service?"),
        (["status", "shop/"], "a service is named like shop/api"),
        (["logs", "shop/api", "--since", "yesterday"], "a time span such as 30s"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["apply", "--timeout", "soon"], "'soon' is not a valid float"),
        (["get", "services", "--url", "ftp://x"], "the URL of the API is like"),
    ],
)
def test_wrong_words_are_a_sentence_and_exit_code_2(
    plane: Plane, arguments: list[str], sentence: str
) -> None:
    done = plane.cli(*arguments, given=SERVICE)

    assert done.code == 2, done
    assert sentence in done.err
    assert done.err.startswith("error: ")


def test_a_control_plane_that_is_away_is_named_with_what_starts_it(plane: Plane) -> None:
    done = plane.cli("get", "services", SPACE_CLOUD_URL="http://127.0.0.1:1")

    assert done.code == 6
    assert "http://127.0.0.1:1" in done.err
    assert "space-cloud start" in done.err


def test_an_account_that_is_not_there_is_not_found(plane: Plane) -> None:
    done = plane.cli("get", "services", "--account", "nobody")

    assert (done.code, done.err) == (3, "error: there is no account nobody: see `accounts view`\n")
