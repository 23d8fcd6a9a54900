"""A document's mistakes: all of them, in the writer's spelling, with what is expected."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_task
from spacecloud.errors import InvalidSpec, Mistake
from spacecloud.model.envelope import MODELS
from spacecloud.model.kinds import KINDS
from spacecloud.model.project import Project
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import nearest, path_of, shown, validate
from strategies import Document, services


def mistakes(model: type[Resource], given: Any) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        validate(model, given, "spec")
    return [str(mistake) for mistake in caught.value.mistakes]


def test_every_mistake_is_told_in_the_order_of_the_document() -> None:
    task = a_task(ports=[{"port": 0}, {"port": 80, "prot": "tcp"}], env={"A": 1})

    assert mistakes(Service, {"tasks": [task], "autoScale": {"minReplicas": -1}}) == [
        "spec.autoScale.minReplicas: a whole number from 0 to 1000 (got -1)",
        "spec.tasks[0].ports[0].port: a whole number from 1 to 65535 (got 0)",
        "spec.tasks[0].ports[1].prot: there is no such field; did you mean port?",
        "spec.tasks[0].env.A: a text; put it in quotes",
    ]


def test_one_mistake_is_the_whole_sentence_and_several_are_counted() -> None:
    with pytest.raises(InvalidSpec, match=r"^spec\.tasks: is missing"):
        validate(Service, {}, "spec")
    with pytest.raises(InvalidSpec, match=r"^2 mistakes: spec\."):
        validate(Service, {"tasks": [], "nope": 1}, "spec")


def test_a_field_in_the_generators_spelling_is_told_in_that_spelling() -> None:
    target = {"host": "api.shop.svc.cluster.local", "port": 80}
    route = {"source": {"rewriteURL": 5, "method": 7}, "targets": [{**target, "schema": "ftp"}]}

    assert [told.partition(": ")[0] for told in mistakes(IngressRoute, route)] == [
        "spec.source.method",
        "spec.source.rewriteURL",
        "spec.targets[0].schema",
    ]


def test_a_snake_case_field_is_led_to_its_camel_case_name() -> None:
    assert mistakes(Service, {"tasks": [a_task()], "auto_scale": {}}) == [
        "spec.auto_scale: there is no such field; did you mean autoScale?"
    ]


def test_a_field_that_resembles_nothing_is_told_what_there_is() -> None:
    (told,) = mistakes(Project, {"egress": [{"xyz": 1, "port": 80}]})

    assert told == "spec.egress[0].xyz: there is no such field; known are port"


def test_no_value_below_a_secrets_data_or_an_environment_is_shown() -> None:
    told = [
        *mistakes(Secret, {"type": "env", "data": {"A": 271828, "B": ["hunter2"]}}),
        *mistakes(Service, {"tasks": [a_task(env={"A": 271828, "B": ["hunter2"]})]}),
        *mistakes(Secret, {"type": "nope", "data": "hunter2"}),
        *mistakes(Project, {"aesKey": 271828, "secrets": "hunter2"}),
        *mistakes(Project, {"secrets": [{"secret": 271828, "privatKey": "hunter2"}]}),
    ]

    assert len(told) == 10
    assert not any("271828" in each or "hunter2" in each for each in told)


@pytest.mark.parametrize(
    ("model", "given", "told"),
    [
        (
            Secret,
            {"type": "evn"},
            "spec.type: one of env, file, docker; did you mean env? (got 'evn')",
        ),
        (Secret, {"type": "file"}, "spec: a file secret needs rootPath"),
        (Role, {"type": "namespace"}, "spec.type: one of project, cluster (got 'namespace')"),
        (Role, {}, "spec.type: is missing"),
        (Routes, {"routes": [{"targets": []}]}, "spec.routes[0].source: is missing"),
        (IngressRoute, {}, "spec.targets: is missing"),
        (Service, {"tasks": "x"}, "spec.tasks: a list (got 'x')"),
        (Service, {"tasks": []}, "spec.tasks: at least one entry"),
        (Service, {"rules": []}, "this is a service-role, not a service"),
    ],
)
def test_what_is_expected_is_said_in_plain_words(
    model: type[Resource], given: Document, told: str
) -> None:
    assert told in mistakes(model, given)[0]


def test_paths_can_be_pasted_and_odd_names_are_quoted() -> None:
    assert path_of(("spec", "tasks", 0, "env", "a.b")) == "spec.tasks[0].env['a.b']"
    assert path_of(("tasks", 1)) == "tasks[1]"


def test_a_long_value_is_shortened_and_a_container_is_not_shown() -> None:
    assert len(shown("x" * 1000)) == 60
    assert shown({"password": "x"}) is None
    assert shown(["x"]) is None
    assert shown(10**5000) == "a number of many digits"


def test_the_nearest_name_is_found_in_any_spelling() -> None:
    assert nearest("cooldown_interval", ["coolDownInterval", "pollingInterval"]) == (
        "coolDownInterval"
    )
    assert nearest("xyz", ["coolDownInterval"]) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(services, st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_is_wrong_is_a_mistake_inside_the_document(spec: Document, data: Any) -> None:
    """One value anywhere in a good service is replaced by any other."""
    *way, last = data.draw(st.sampled_from(list(places(spec))))
    inner: Any = spec
    for part in way:
        inner = inner[part]
    inner[last] = data.draw(json_values)

    try:
        validate(Service, spec, "spec")
    except InvalidSpec as error:
        assert error.mistakes
        for mistake in error.mistakes:
            assert isinstance(mistake, Mistake)
            assert mistake.path.startswith("spec")
            assert mistake.message
            assert "pydantic" not in str(mistake).lower()


def places(value: Any, way: tuple[int | str, ...] = ()) -> Any:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for name, item in inner:
        yield (*way, name)
        yield from places(item, (*way, name))


def test_a_field_that_is_called_as_keys_are_marked_is_an_unknown_field() -> None:
    with pytest.raises(InvalidSpec, match="there is no such field") as refused:
        validate(Project, {"[key]": False}, "spec")

    assert [m.location for m in refused.value.mistakes] == [("spec", "[key]")]


@given(json_values)
@settings(max_examples=50, deadline=None)
def test_no_value_is_more_than_a_mistake_for_any_kind(given_value: Any) -> None:
    for kind in KINDS:
        try:
            validate(MODELS[kind.name], given_value, "spec")
        except InvalidSpec as error:
            assert error.mistakes


@pytest.mark.attack
@pytest.mark.parametrize("port", [True, False, 8080.0, 8.08e3])
def test_what_python_takes_for_a_whole_number_is_none(port: Any) -> None:
    (told,) = mistakes(Service, {"tasks": [a_task(ports=[{"port": port}])]})

    assert told == (f"spec.tasks[0].ports[0].port: a whole number from 1 to 65535 (got {port})")


@pytest.mark.attack
def test_true_is_no_number_of_seconds() -> None:
    task = a_task(probe={"type": "tcp", "intervalSeconds": True})

    (told,) = mistakes(Service, {"tasks": [task]})

    assert told == "spec.tasks[0].probe.intervalSeconds: a number from 0.1 to 86400 (got True)"


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (
            {"restart": "on_failure"},
            "restart: one of always, on-failure, never; did you mean on-failure? "
            "(got 'on_failure')",
        ),
        ({"docker": {"image": "x", "init": "no"}}, "docker.init: true or false (got 'no')"),
        (
            {"probe": {"type": "http", "host": "http://shop.example.com/"}},
            "probe.host: a name or an address, with or without a port, as in shop.example.com "
            "(got 'http://shop.example.com/')",
        ),
        (
            {"probe": {"host": "shop.example.com"}},
            "probe.host: only a probe of type http sends a Host: write type: http",
        ),
    ],
)
def test_a_field_of_a_task_is_told_in_plain_words(task: Document, told: str) -> None:
    assert mistakes(Service, {"tasks": [a_task(**task)]}) == [f"spec.tasks[0].{told}"]


def test_a_grace_period_is_a_whole_number_of_seconds() -> None:
    (told,) = mistakes(Service, {"tasks": [a_task()], "terminationGracePeriodSeconds": "1m"})

    assert told == ("spec.terminationGracePeriodSeconds: a whole number from 0 to 86400 (got '1m')")


@pytest.mark.parametrize("host", ["shop", "shop.example.com:8080", "10.0.0.1", "[::1]:80", ""])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    validate(Service, {"tasks": [a_task(probe={"type": "http", "host": host})]}, "spec")


@pytest.mark.parametrize("host", ["a b", "a\r\nX: y", "a/b", "::1", "a:b", "ä"])
def test_what_is_no_host_is_refused(host: str) -> None:
    (told,) = mistakes(Service, {"tasks": [a_task(probe={"type": "http", "host": host})]})

    assert "a name or an address" in told


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ({"rootPath": "/proc/1"}, "spec.rootPath: no file below /proc is seen by the task"),
        ({"rootPath": "//sys"}, "spec.rootPath: no file below /sys is seen by the task"),
        ({"rootPath": "/dev/shm/x"}, "spec.rootPath: no file below /dev is seen by the task"),
        ({"rootPath": "/etc/../proc"}, "spec.rootPath: an absolute folder without . and .."),
        (
            {"rootPath": "/etc/", "data": {"resolv.conf": "x"}},
            "spec.rootPath: the engine puts a file of its own at /etc/resolv.conf",
        ),
        ({"binaryData": {"a": "hunter2!"}}, "spec.binaryData.a: is no base64"),
        (
            {"data": {"a": "x"}, "binaryData": {"a": "AAA="}},
            "spec.binaryData.a: this key is in data too",
        ),
        (
            {"type": "env", "binaryData": {"a": "AAA="}},
            "spec.binaryData: only a secret of type file has binary values",
        ),
        ({"binaryData": {"a/b": "AAA="}}, "spec: 'a/b' cannot be a key"),
    ],
)
def test_a_file_secret_that_no_task_would_see_as_it_is_written_is_refused(
    secret: Document, told: str
) -> None:
    (said,) = mistakes(Secret, {"type": "file", "rootPath": "/etc/app", **secret})

    assert said.startswith(told)
    assert "hunter2" not in said


def test_a_folder_that_only_begins_like_the_kernels_is_any_other() -> None:
    validate(Secret, {"type": "file", "rootPath": "/processes/dev", "data": {"a": "x"}}, "spec")
