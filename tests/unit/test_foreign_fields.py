"""What was probably meant: files and fields of other formats."""

from typing import Any

import pytest

from builders import a_task
from spacecloud.cli.generate import SKELETONS
from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.read import parse
from spacecloud.errors import InvalidSpec
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressRoute
from spacecloud.model.service import Service
from spacecloud.model.validation.foreign_fields import FOREIGN_FIELDS
from spacecloud.model.validation.mistakes import validate

COMPOSE = """
version: "3"
services:
  cart:
    image: redis:7
    ports: ["8080:80"]
volumes: {data: {}}
"""
KUBERNETES = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart}
spec: {replicas: 2}
"""
ORIGINAL = """
projects:
  - id: shop
    modules: {crud: {}}
ssl: {enabled: false}
admin: {users: []}
"""


def told(text: str) -> list[str]:
    faults = Faults("a.yaml")
    parse(text, faults)
    return [str(each) for each in faults.found]


def mistakes(model: type[Resource], given: Any) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        validate(model, given, "spec")
    return [str(each) for each in caught.value.mistakes]


def test_a_compose_file_is_one_mistake_with_its_service_as_it_is_declared_here() -> None:
    (sentence,) = told(COMPOSE)

    assert sentence.startswith("a.yaml:2: this is a Compose file: ")
    assert "serviceId: cart" in sentence
    example = sentence.partition(" as in ")[2]
    assert told(example) == []


def test_a_kubernetes_manifest_is_one_mistake() -> None:
    (sentence,) = told(KUBERNETES)

    assert "this is a Kubernetes manifest (Deployment): " in sentence
    assert told(sentence.partition(" as in ")[2]) == []


def test_a_configuration_file_of_the_original_is_one_mistake() -> None:
    (sentence,) = told(ORIGINAL)

    assert "a configuration file of the original's gateway" in sentence


@pytest.mark.parametrize("text", ["services: [a]", "tpye: service\nmeta: {}\nspec: {services: {}}"])
def test_what_only_resembles_them_is_told_field_by_field(text: str) -> None:
    assert not any("this is a" in sentence for sentence in told(text))


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        ({"image": "nginx"}, "spec.tasks[0].image: there is no such field; write docker: {image:"),
        ({"environment": {}}, "spec.tasks[0].environment: there is no such field; write env:"),
        ({"command": ["x"]}, "spec.tasks[0].command: there is no such field; write docker: {cmd:"),
        (
            {"ports": [8080]},
            "spec.tasks[0].ports[0]: an object with fields, as in {port: 8080} (got 8080)",
        ),
        (
            {"ports": ["8080:80"]},
            "spec.tasks[0].ports[0]: an object with fields, as in {port: 80}, and an ingress route",
        ),
        (
            {"docker": "nginx:1.27"},
            "spec.tasks[0].docker: an object with fields, as in {image: nginx:1.27}",
        ),
    ],
)
def test_a_field_of_another_format_is_led_to_ours(task: dict[str, Any], hint: str) -> None:
    (sentence,) = mistakes(Service, {"tasks": [a_task(**task)]})

    assert sentence.startswith(hint)


def test_what_is_meant_for_a_task_is_led_there() -> None:
    (sentence,) = mistakes(Service, {"tasks": [a_task()], "image": "nginx"})

    assert sentence.startswith("spec.image: there is no such field; it is a field of a task")


def test_what_is_led_elsewhere_is_no_field_of_ours() -> None:
    models = {model.__name__: model for model in _all(Resource)}

    for name, hints in FOREIGN_FIELDS.items():
        fields = {f.alias or n for n, f in models[name].model_fields.items()}
        assert not fields & hints.keys(), name


def _all(model: type[Resource]) -> list[type[Resource]]:
    below = [each for child in model.__subclasses__() for each in _all(child)]
    return [model, *below]


def test_a_route_that_names_a_host_is_led_to_its_source() -> None:
    target = {"host": "api.shop.svc.cluster.local", "port": 80}

    (sentence,) = mistakes(IngressRoute, {"host": "a", "targets": [target]})

    assert "write source: {hosts: " in sentence


@pytest.mark.parametrize("kind", SKELETONS)
def test_what_is_generated_can_be_applied(kind: str) -> None:
    faults = Faults("a.yaml")

    (document,) = parse(SKELETONS[kind], faults)

    assert document.kind.name == kind
    assert faults.found == []
