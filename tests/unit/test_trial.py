"""Whose new revision is left untried where that is asked for."""

from dataclasses import replace
from typing import Any

import pytest

from builders import NOON, WEB, a_task, a_version, declared_service
from spacecloud.api.envelopes import envelopes_of
from spacecloud.model.declared import Declarations
from spacecloud.model.scaling import Depth, Scaling
from spacecloud.model.trial import Trials, skipping

NAME = "service shop/web@v1"
MAY_SLEEP: dict[str, Any] = {"autoScale": {"minReplicas": 0}}
MAY_NOT: dict[str, Any] = {"autoScale": {"minReplicas": 1}}


@pytest.mark.parametrize(
    ("asleep", "written", "is_skipped"),
    [
        ("frozen", MAY_SLEEP, True),
        ("stopped", MAY_SLEEP, True),
        (None, MAY_SLEEP, False),
        ("stopped", MAY_NOT, False),
    ],
)
def test_what_sleeps_and_still_may_is_left_untried(
    asleep: Depth | None, written: dict[str, Any], is_skipped: bool
) -> None:
    version = replace(a_version(), scaling=Scaling(1, NOON, asleep))
    declared = Declarations({WEB: declared_service(version)})

    trials = skipping(declared, envelopes(written))

    assert (NAME in trials.skipped, NAME in trials.kept) == (is_skipped, not is_skipped)


def test_what_is_declared_for_the_first_time_is_tried_and_other_kinds_are_not_told_of() -> None:
    project = {"type": "project", "meta": {"id": "shop"}, "spec": {"name": "Shop"}}

    trials = skipping(Declarations({}), envelopes(MAY_SLEEP, project))

    assert trials == Trials(kept=frozenset({NAME}))


def envelopes(spec: dict[str, Any], *others: dict[str, Any]) -> Any:
    meta = {"project": "shop", "serviceId": "web", "version": "v1"}
    document = {"type": "service", "meta": meta, "spec": {"tasks": [a_task()], **spec}}
    return envelopes_of([document, *others], "documents")
