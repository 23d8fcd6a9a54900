"""Every mistake at once, at the place and in the spelling of the one who made it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecloud.errors import InvalidSpec
from spacecloud.model.envelope import MODELS
from spacecloud.model.kinds import KINDS, Kind
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressRoute, Role, Routes
from spacecloud.model.secret import Secret
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import nearest, validate

TASK = {"id": "main", "docker": {"image": "app:1"}}


def mistakes(model: type[Resource], given: Any) -> dict[str, str]:
    """Path to sentence."""
    with pytest.raises(InvalidSpec) as caught:
        validate(model, given, "spec")
    return {m.path: m.message for m in caught.value.mistakes}


def test_every_mistake_of_a_document_is_told_at_once() -> None:
    found = mistakes(
        Service,
        {
            "tasks": [
                {
                    "id": "A B",
                    "docker": {},
                    "ports": [{"port": 70000}, {"port": 0}, {"port": 1, "protocol": "udp"}],
                    "resources": {"memory": -1, "cpuLimit": "many"},
                    "env": {"N": 1},
                }
            ],
            "whitelists": "all",
            "scael": {},
        },
    )

    assert found == {
        "spec.tasks[0].id": "lower-case letters, digits and -, at most 63, as in my-shop",
        "spec.tasks[0].docker.image": "is missing: image reference, with tag or digest",
        "spec.tasks[0].ports[0].port": "a whole number from 1 to 65535",
        "spec.tasks[0].ports[1].port": "a whole number from 1 to 65535",
        "spec.tasks[0].ports[2].protocol": "udp cannot be policed per caller, so it is not "
        "offered; use tcp or http",
        "spec.tasks[0].resources.memory": "a whole number from 0 to 16777216",
        "spec.tasks[0].resources.cpuLimit": "a whole number from 0 to 1024000",
        "spec.tasks[0].env.N": "a text; put it in quotes",
        "spec.whitelists": "a list",
        "spec.scael": "there is no such field; did you mean scale?",
    }


def test_a_refused_field_hides_no_other_mistake() -> None:
    task = {**TASK, "volumes": [], "prots": []}

    found = mistakes(Service, {"tasks": [task], "volumes": [], "labels": 7})

    assert "stateless for now" in found["spec.volumes"]
    assert "stateless for now" in found["spec.tasks[0].volumes"]
    assert found["spec.tasks[0].prots"] == "there is no such field; did you mean ports?"
    assert found["spec.labels"] == "an object of names and values"


def test_a_port_of_two_tasks_is_told_beside_other_mistakes() -> None:
    tasks = [
        {**TASK, "ports": [{"port": 80}]},
        {"id": "side", "docker": {"image": "a b"}, "ports": [{"port": 0}, {"port": 80}]},
    ]

    found = mistakes(Service, {"tasks": tasks})
    alone = mistakes(Service, {"tasks": [tasks[0], {**tasks[0], "id": "side"}]})

    assert "port 80 is in task main and in task side" in found["spec.tasks[1].ports[1].port"]
    assert found["spec.tasks[1].docker.image"] == "an image reference holds no blanks"
    assert alone.keys() == {"spec.tasks[1].ports[0].port"}


def test_an_unknown_field_far_from_all_names_the_known_ones() -> None:
    found = mistakes(Role, {"type": "project", "qqq": 1})

    assert found["spec.qqq"] == (
        "there is no such field; known are id, project, service, type, rules"
    )


def test_a_wrong_word_is_answered_with_the_ones_that_are_known() -> None:
    docker = {"image": "a", "imagePullPolicy": "allways"}

    found = mistakes(Service, {"tasks": [{**TASK, "docker": docker}]})

    assert found["spec.tasks[0].docker.imagePullPolicy"] == (
        "one of always, pull-if-not-exists; did you mean always?"
    )


def test_the_spelling_of_the_generator_is_the_one_that_is_told() -> None:
    source = {"method": 7, "rewriteURL": "x"}

    found = mistakes(IngressRoute, {"source": source, "targets": [{"host": "a", "port": 80}]})

    assert set(found) == {"spec.source.method", "spec.source.rewriteURL"}


def test_names_that_are_no_plain_words_are_quoted_in_paths() -> None:
    found = mistakes(Service, {"tasks": [{**TASK, "env": {"a b": "1", "c.d": 1}}]})

    assert found["spec.tasks[0].env['a b']"].startswith("as a name: letters, digits")
    assert found["spec.tasks[0].env['c.d']"] == "a text; put it in quotes"


def test_a_list_that_is_really_empty_is_told() -> None:
    assert mistakes(Service, {"tasks": []}) == {"spec.tasks": "at least one entry"}
    assert mistakes(Routes, {"routes": [{"source": {"port": 1}, "targets": []}]}) == {
        "spec.routes[0].targets": "at least one entry"
    }


def test_values_are_shown_shortened_and_containers_not_at_all() -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate(Service, {"tasks": {"a": "x"}, "scale": {"mode": "y" * 500}}, "spec")

    values = {m.path: m.value for m in caught.value.mistakes}
    assert values["spec.tasks"] is None
    assert len(values["spec.scale.mode"]) == 60


secrets = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["env", "file", "docker", "evn", 7]),
        "rootPath": st.sampled_from(["/a", "a", 7]),
        "data": st.one_of(
            st.just("hunter2"),
            st.just(["hunter2"]),
            st.dictionaries(
                st.sampled_from(["A", "a/b", "", "password"]),
                st.sampled_from(["hunter2", ["hunter2"], {"x": "hunter2"}]),
            ),
        ),
        "dtaa": st.just({"A": "hunter2"}),
        "value": st.just("hunter2"),
    },
)


@given(secrets)
def test_no_mistake_of_a_secret_shows_a_value(document: Any) -> None:
    try:
        validate(Secret, document, "spec")
    except InvalidSpec as error:
        assert "hunter2" not in f"{error} {error.mistakes!r}"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "tasks",
                    "id",
                    "docker",
                    "image",
                    "ports",
                    "port",
                    "source",
                    "targets",
                    "type",
                    "data",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(kind=st.sampled_from(KINDS), document=anything)
@settings(max_examples=300)
def test_whatever_is_given_is_accepted_or_answered_with_mistakes(kind: Kind, document: Any) -> None:
    try:
        validate(MODELS[kind.name], document, "spec")
    except InvalidSpec as error:
        assert error.mistakes
        assert str(error)
        for mistake in error.mistakes:
            assert mistake.message
            assert mistake.path.startswith("spec")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("tsaks", "tasks"),
        ("min_replicas", "minReplicas"),
        ("MinReplicas", "minReplicas"),
        ("zzz", None),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case(word: str, meant: str | None) -> None:
    assert nearest(word, ["tasks", "minReplicas", "labels"]) == meant
