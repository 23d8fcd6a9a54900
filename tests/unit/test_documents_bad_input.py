"""Every mistake of a document at once, each with line, path, value and what is expected."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.read import parse, read
from spacecloud.errors import InvalidSpec

SERVICE = """\
type: service
meta: {project: shop, serviceId: api, version: v1}
spec:
  tasks:
"""
"""Four lines; a task follows in line 5."""


def mistakes(text: str, variables: dict[str, str] | None = None) -> list[str]:
    faults = Faults("shop.yaml")
    parse(text, faults, variables)
    return [str(mistake) for mistake in faults.found]


def mistake(text: str, variables: dict[str, str] | None = None) -> str:
    (only,) = mistakes(text, variables)
    return only


def task(fields: str) -> str:
    return f"{SERVICE}    - {{id: main, docker: {{image: app}}, {fields}}}\n"


# what is no document


def test_what_is_not_yaml_is_told_with_its_line() -> None:
    assert mistake("type: project\nmeta: {project: shop\nspec: x: y\n").startswith(
        "shop.yaml:3: this is not YAML: "
    )
    assert "this is not YAML" in mistake("a: b\n\tc: d\n")
    assert mistake("a: b\nc: [d\n\n").startswith("shop.yaml:2: this is not YAML: ")
    assert "this is not YAML" in mistake("a\0b")


def test_a_text_a_number_and_a_list_of_them_are_no_documents() -> None:
    for text in ("hello", "1", "[1]"):
        assert mistake(text) == "shop.yaml:1: a document is a mapping with type, meta and spec"


def test_a_file_of_ten_megabytes_is_refused_before_it_is_read_as_yaml(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_bytes(b"a: b\n" * 2 * 1024 * 1024)

    with pytest.raises(InvalidSpec, match=r"large.yaml: the file is larger than 5 MiB"):
        read([str(file)])


def test_aliases_that_multiply_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 30):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]")

    message = mistake("\n".join(lines))

    assert message == "shop.yaml:5: aliases repeat more than 20000 values: write out what is meant"


def test_aliases_that_do_not_multiply_are_welcome() -> None:
    text = """
type: service
meta: {project: shop, serviceId: api, version: v1}
spec:
  tasks:
    - {id: a, docker: &docker {image: app}, env: &env {A: x}}
    - {id: b, docker: *docker, env: {<<: *env, B: y}}
"""
    faults = Faults("shop.yaml")

    (service,) = parse(text, faults)

    assert service.document["tasks"][1]["env"] == {"A": "x", "B": "y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a\n  b: *a\n", "shop.yaml:2: the anchor &a contains itself"),
        ("[" * 5000, "shop.yaml:1: this is nested deeper than 60 levels"),
        ("? [a, b]\n: c\n", "shop.yaml:1: a key must be a text, not a list or a mapping"),
        ("a: !!python/object:os.system x\n", "is not supported: leave it out"),
        ("a: !secret x\n", "is not supported: leave it out"),
        ("a: " + "9" * 5000, "5000 digits; for a text put it in quotes"),
        ("a: .inf", "not a number that can be used"),
    ],
)
def test_what_yaml_offers_and_nobody_needs_is_refused(text: str, message: str) -> None:
    assert message in mistakes(text)[0]


def test_a_key_that_is_given_twice_names_both_lines() -> None:
    text = "type: project\nmeta:\n  project: shop\n  project: store\nspec: {}\n"

    assert mistake(text) == "shop.yaml:4: the key project is given twice, first in line 3"


# the envelope


def test_an_unknown_kind_is_told_with_the_nearest() -> None:
    message = mistake("type: servcie\nmeta: {}\nspec: {}\n")

    assert message.startswith("shop.yaml:1: type: one of project, secret, service, ")
    assert message.endswith("did you mean service? (got 'servcie')")


def test_missing_parts_and_ids_are_all_told() -> None:
    assert mistakes("type: service\nmeta: {project: shop}\n") == [
        "shop.yaml:2: meta.serviceId: is missing",
        "shop.yaml:2: meta.version: is missing",
        "shop.yaml:1: spec: is missing",
    ]


@pytest.mark.parametrize("kind", ["project", "serviceId", "version"])
def test_an_id_of_64_characters_is_refused_with_its_length(kind: str) -> None:
    meta = {"project": "shop", "serviceId": "api", "version": "v1", kind: "a" * 64}
    message = mistake(
        f"type: service\nmeta: {meta}\nspec: {{tasks: [{{id: a, docker: {{image: x}}}}]}}"
    )

    assert message.startswith(f"shop.yaml:2: meta.{kind}: lower-case letters, digits")
    assert "this has 64 characters" in message


def test_a_version_that_yaml_reads_as_a_number_asks_for_quotes() -> None:
    text = "type: service\nmeta: {project: a, id: b, version: 1.10}\nspec: {tasks: []}\n"

    assert mistakes(text)[0] == ("shop.yaml:2: meta.version: a text; put it in quotes (got 1.1)")


def test_an_unknown_part_of_the_envelope_is_told_with_the_nearest() -> None:
    assert mistake("type: project\nmetadata: {}\nmeta: {project: shop}\nspec: {}\n") == (
        "shop.yaml:2: metadata: there is no such field; did you mean meta?"
    )


# the spec


@pytest.mark.parametrize(
    ("fields", "path", "expected"),
    [
        ("ports: [{port: 0}]", "ports[0].port", "a whole number from 1 to 65535 (got 0)"),
        ("ports: [{port: 70000}]", "ports[0].port", "a whole number from 1 to 65535 (got 70000)"),
        ("ports: [{port: web}]", "ports[0].port", "a whole number from 1 to 65535 (got 'web')"),
        ("ports: 80", "ports", "a list (got 80)"),
        ("ports: [80]", "ports[0]", "an object with fields, as in {port: 80} (got 80)"),
        (
            "resources: {memory: -1}",
            "resources.memory",
            "a whole number from 0 to 16777216 (got -1)",
        ),
        ("env: [A]", "env", "an object of names and values"),
        ("env: {PORT: 8080}", "env.PORT", "a text; put it in quotes"),
        ("runtme: image", "runtme", "there is no such field; did you mean runtime?"),
        ("probe: {type: htpp}", "probe.type", "one of http, tcp, exec; did you mean http?"),
    ],
)
def test_a_wrong_value_is_told_with_line_path_and_what_is_expected(
    fields: str, path: str, expected: str
) -> None:
    message = mistake(task(fields))

    assert message.startswith(f"shop.yaml:5: spec.tasks[0].{path}: {expected}")


def test_one_port_in_two_tasks_names_both() -> None:
    message = mistake(
        SERVICE
        + "    - {id: a, docker: {image: x}, ports: [{port: 80}]}\n"
        + "    - {id: b, docker: {image: x}, ports: [{port: 80}]}\n"
    )

    assert "port 80 is in task a and in task b" in message


def test_udp_and_volumes_are_refused_with_the_reason() -> None:
    assert "udp cannot be policed per caller" in mistake(task("ports: [{port: 1, protocol: udp}]"))
    assert "services are stateless for now" in mistake(task("volumes: [{name: data}]"))


def test_the_mistakes_of_all_documents_and_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(task("ports: [{port: 0}, {port: 70000}]") + "---\nx: y\n")
    (tmp_path / "b.yml").write_text("type: project\nmeta: {project: UPPER}\nspec: {}\n")
    (tmp_path / "c.txt").write_text("not asked for")

    with pytest.raises(InvalidSpec) as caught:
        read([str(tmp_path)])

    lines = [str(m).removeprefix(f"{tmp_path}/") for m in caught.value.mistakes]
    assert str(caught.value) == f"{len(lines)} mistakes, and nothing was changed"
    assert [line.partition(": ")[0] for line in lines[:2]] == ["a.yaml:5", "a.yaml:5"]
    assert any(line.startswith("a.yaml:7: x: there is no such field") for line in lines)
    assert any(line.startswith("b.yml:2: meta.project: ") for line in lines)


def test_a_secret_value_is_never_repeated() -> None:
    messages = mistakes(
        "type: secret\nmeta: {project: shop, id: db}\n"
        "spec:\n  type: env\n  data:\n    PIN: 271828\n    LIST: [hunter2]\n"
    )

    assert [t.partition(": spec.")[0] for t in messages] == ["shop.yaml:6", "shop.yaml:7"]
    assert not any("271828" in t or "hunter2" in t for t in messages)


def test_a_document_that_is_declared_twice_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("type: project\nmeta: {project: shop}\nspec: {}\n")
    (tmp_path / "b.yaml").write_text("\ntype: project\nmeta: {id: shop}\nspec: {}\n")

    with pytest.raises(InvalidSpec, match=r"b\.yaml:2: project shop is declared twice, first in "):
        read([str(tmp_path)])


# where from


def test_files_that_are_not_there_or_hold_nothing_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n---\n---\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"a: b\nc: \xff\n")

    for name, message in (
        ("gone.yaml", "No such file"),
        ("empty.yaml", "there is no document"),
        ("folder", "holds no"),
        ("latin.yaml", "latin.yaml:2: this is not UTF-8"),
    ):
        with pytest.raises(InvalidSpec, match=message):
            read([str(tmp_path / name)])


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """Whoever reads it is not root, to whom permissions mean nothing."""
    me = os.geteuid()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "mine")
        folder.mkdir()
        Path(parent).chmod(0o755)
        folder.chmod(0)
        if me == 0:
            os.seteuid(65534)
        yield folder
        os.seteuid(me)
        folder.chmod(0o700)


@pytest.mark.parametrize("inside", ["", "shop.yaml"])
def test_a_folder_that_may_not_be_read_is_named(closed_folder: Path, inside: str) -> None:
    path = closed_folder / inside

    with pytest.raises(InvalidSpec, match=f"cannot read {path}: Permission denied"):
        read([str(path)])


def test_standard_input_is_a_file_called_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"type: project\nmeta: {project: shop}\nspec: {}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))

    (found,) = read(["-"])

    assert (found.name, found.source, found.line) == ("project shop", "-", 1)


# variables


def test_a_variable_without_a_value_is_told_with_its_line() -> None:
    messages = mistakes(task("env: {A: 'x${TOKEN}'}"), {})

    assert messages == [
        "shop.yaml:5: ${TOKEN} has no value: give it with --env TOKEN=… or --env-file"
    ]


def test_what_is_no_variable_is_told() -> None:
    assert "is not a variable" in mistakes(task("env: {A: '${1}'}"), {})[0]
    assert "is not a variable" in mistakes(task("env: {A: '${OPEN'}"), {})[0]


def test_without_variables_a_text_stays_as_it_is() -> None:
    faults = Faults("shop.yaml")

    (service,) = parse(task("env: {A: '${HOME} $$ $x'}"), faults)

    assert service.document["tasks"][0]["env"] == {"A": "${HOME} $$ $x"}


def test_a_value_cannot_add_structure() -> None:
    faults = Faults("shop.yaml")
    values = {"V": "x\nname: evil", "N": "80", "L": "[a, b]"}

    (service,) = parse(task("env: {A: '${V}', B: '$${N}', C: '${N}', D: '${L}'}"), faults, values)

    assert not faults.found
    assert service.document["tasks"][0]["env"] == {
        "A": "x\nname: evil",
        "B": "${N}",
        "C": "80",
        "D": "[a, b]",
    }


# bytes

FILE_SECRET = """\
type: secret
meta: {project: shop, id: keys}
spec:
  type: file
  rootPath: /etc/app
  data:
    app.ini: text
    store.p12: !!binary |
      AAH+
      /w==
"""


def test_binary_values_of_a_file_secret_are_sent_as_binary_data() -> None:
    (secret,) = parse(FILE_SECRET, Faults("shop.yaml"), {})

    assert secret.document == {
        "type": "file",
        "rootPath": "/etc/app",
        "data": {"app.ini": "text"},
        "binaryData": {"store.p12": "AAH+/w=="},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            FILE_SECRET.replace("type: file", "type: env"),
            "shop.yaml:8: !!binary stands for a value in data of a secret of type file",
        ),
        (FILE_SECRET.replace("/w==", "/w="), "shop.yaml:8: what follows !!binary is no base64"),
        (
            FILE_SECRET + "  binaryData: {store.p12: AAA=}\n",
            "shop.yaml:8: !!binary stands for a value in data of a secret of type file",
        ),
        (
            task("env: {A: !!binary AAA=}"),
            "shop.yaml:5: !!binary stands for a value in data of a secret of type file",
        ),
    ],
)
def test_bytes_are_refused_where_there_can_be_none(text: str, told: str) -> None:
    assert told in mistakes(text)
