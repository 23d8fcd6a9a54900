"""What a document's author is told of what will not be as it looks."""

import pytest

from builders import a_service
from spacecloud.model.service import declared_replicas
from spacecloud.reasons.notices import MaximumBelowMinimum
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
