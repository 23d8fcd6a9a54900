"""What a document's author is told of what will not be as it looks."""

from typing import Any

import pytest

from builders import a_service
from spacecloud.model.service import declared_replicas
from spacecloud.reasons.notices import MaximumBelowMinimum, SleepNotSupported
from spacecloud.report.notices import notices_of


def test_a_maximum_below_the_minimum_is_said_with_what_runs() -> None:
    service = a_service(scale={"replicas": 1, "minReplicas": 5, "maxReplicas": 2})

    assert notices_of(service) == (MaximumBelowMinimum(maximum=2, replicas=5),)
    assert declared_replicas(service) == 5


@pytest.mark.parametrize(
    "scale",
    [
        {"replicas": 5, "minReplicas": 5, "maxReplicas": 0},
        {"replicas": 5, "minReplicas": 5, "maxReplicas": 5},
    ],
)
def test_a_maximum_that_is_not_given_or_is_the_minimum_is_no_surprise(
    scale: dict[str, int],
) -> None:
    assert notices_of(a_service(scale=scale)) == ()


def test_a_scale_that_automatic_scaling_overrules_is_not_judged() -> None:
    service = a_service(scale={"replicas": 1, "minReplicas": 5, "maxReplicas": 2}, autoScale={})

    assert not [n for n in notices_of(service) if isinstance(n, MaximumBelowMinimum)]


@pytest.mark.parametrize(
    "given",
    [
        {"autoScale": {"minReplicas": 0, "maxReplicas": 10}},
        {"scale": {"minReplicas": 0, "replicas": 0, "maxReplicas": 10}},
        {"scale": {}},
    ],
)
def test_a_service_that_would_sleep_runs_one_replica_and_says_so(given: dict[str, Any]) -> None:
    service = a_service(**given)

    assert declared_replicas(service) == 1
    assert notices_of(service)[0] == SleepNotSupported()
    assert service.as_given() == {**a_service().as_given(), **given}


def test_none_run_only_where_the_scale_allows_none() -> None:
    none = a_service(scale={"maxReplicas": 0})

    assert declared_replicas(none) == 0
    assert notices_of(none) == ()
    assert declared_replicas(a_service(scale={"replicas": 1})) == 1
    assert SleepNotSupported() not in notices_of(a_service(scale={"replicas": 1}))
