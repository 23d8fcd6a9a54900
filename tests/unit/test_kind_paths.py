"""Documents of the original: the type and the ids that only their path has."""

import pytest

from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.read import parse
from spacecloud.model.envelope import Envelope
from spacecloud.model.kind_paths import ELSEWHERE, kind_at
from spacecloud.model.kinds import KINDS
from spacecloud.model.other_configuration import asks_for_nothing

TASKS = "spec: {tasks: [{id: main, docker: {image: a}}]}"


def read(text: str) -> tuple[list[Envelope], list[str]]:
    faults = Faults("a.yaml")
    found = parse(text, faults)
    return found, [str(each) for each in faults.found]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_is_found_by_its_own_path(kind: object) -> None:
    path = next(each.path for each in KINDS if each is kind)

    assert kind_at(path) is kind
    assert kind_at(path.replace("{", "a").replace("}", "b")) is kind


@pytest.mark.parametrize("api", [None, 7, "", "/", "/v1/runner/{project}/nothing/{id}"])
def test_a_path_of_nothing_leads_to_no_kind(api: object) -> None:
    assert kind_at(api) is None


def test_ids_in_the_path_stand_in_for_those_that_meta_lacks() -> None:
    (document,), faults = read(
        f"api: /v1/runner/lab/services/cart/{{version}}\ntype: service\nmeta: {{version: v1}}\n{TASKS}"
    )

    assert faults == []
    assert document.name == "service lab/cart@v1"


def test_meta_wins_over_the_path() -> None:
    (document,), _ = read(
        "api: /v1/runner/lab/services/cart/v1\ntype: service\n"
        f"meta: {{project: shop, id: api, version: v2}}\n{TASKS}"
    )

    assert document.name == "service shop/api@v2"


def test_an_unknown_type_is_what_the_path_says() -> None:
    (document,), faults = read(
        f"api: /v1/runner/lab/services/cart/v1\ntype: my-service\nmeta: {{}}\n{TASKS}"
    )

    assert (document.kind.name, faults) == ("service", [])


def test_an_unknown_type_without_a_path_is_told() -> None:
    _, (fault,) = read(f"type: servcie\nmeta: {{}}\n{TASKS}")

    assert "did you mean service?" in fault


def test_a_type_of_a_module_that_is_not_here_is_named_and_one_that_is_off_is_passed_over() -> None:
    given = "api: /x\ntype: {}\nmeta: {{project: lab}}\nspec: {}\n"

    for type, module in ELSEWHERE.items():
        nothing, faults = read(given.format(type, "{enabled: false, rules: {}}"))
        _, (fault,) = read(given.format(type, "{enabled: true}"))
        assert (nothing, faults) == ([], [])
        assert f"a type of the original's {module} module" in fault


@pytest.mark.parametrize(
    ("document", "asks_nothing"),
    [
        ({}, True),
        ({"id": "a", "name": "b"}, True),
        ({"enabled": False, "a": "", "b": 0, "c": None, "d": [], "e": {"f": [""]}}, True),
        ({"enabled": True}, False),
        ({"enabled": False, "conn": "mongodb://db"}, False),
        ({"rules": {"default": {"rule": "deny"}}}, False),
    ],
)
def test_what_asks_for_nothing_has_nothing_in_it(
    document: dict[str, object], asks_nothing: bool
) -> None:
    assert asks_for_nothing(document) is asks_nothing
