"""What Go read of a document, read here: in one place, before a model's own rules."""

from typing import Any

import pytest

from builders import a_task
from spacecloud.model.routing import IngressRoute, Routes
from spacecloud.model.service import Service
from spacecloud.model.task import Port


@pytest.mark.parametrize(
    ("given", "protocol"),
    [
        ({"Name": "tcp-1", "Port": 80}, "tcp"),
        ({"Protocol": "TCP", "port": 80}, "tcp"),
        ({"PORT": 80, "protocol": ""}, "http"),
    ],
)
def test_a_models_own_rules_see_a_field_whatever_its_case(
    given: dict[str, Any], protocol: str
) -> None:
    assert Port.model_validate(given).protocol == protocol


def test_an_upstream_is_shortened_whatever_the_case_of_its_fields() -> None:
    upstream = {"ProjectID": "lab", "Service": "cart.lab.svc.cluster.local"}

    service = Service.model_validate({"tasks": [a_task()], "upstreams": [upstream]})

    assert service.as_given()["upstreams"] == [{"projectId": "lab", "service": "cart"}]


@pytest.mark.parametrize(
    "service", ["cart.other.svc.cluster.local", "cart.lab", ".lab.svc.cluster.local"]
)
def test_a_domain_of_another_project_is_no_service(service: str) -> None:
    upstream = {"projectId": "lab", "service": service}

    with pytest.raises(ValueError, match="service"):
        Service.model_validate({"tasks": [a_task()], "upstreams": [upstream]})


def test_names_that_users_choose_keep_their_case() -> None:
    service = Service.model_validate({"tasks": [a_task(env={"Id": "1", "ID": "2"})]})

    assert service.tasks[0].env == {"Id": "1", "ID": "2"}


def test_a_whole_route_is_as_given_with_its_source() -> None:
    target = {"host": "cart.lab.svc.cluster.local", "port": 80}

    route = IngressRoute.model_validate({"source": {"hosts": []}, "targets": [target]})

    source = {"hosts": [], "methods": ["*"], "url": "/", "type": "prefix"}
    assert route.as_given() == {"source": source, "targets": [target]}


def test_the_id_of_a_listed_route_is_its_services() -> None:
    target = {"type": "external", "host": "a", "port": 80, "weight": 100}
    route = {"source": {"port": 80}, "targets": [target]}

    routes = Routes.model_validate({"routes": [{**route, "id": "cart"}]})

    assert routes.as_given() == {"routes": [route]}
