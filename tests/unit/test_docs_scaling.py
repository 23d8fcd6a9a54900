"""What the page on scaling shows is a document, and what it says are the defaults."""

from pathlib import Path

import yaml

from builders import a_service
from spacecloud.model.scale import (
    DEFAULT_CONCURRENCY,
    DEFAULT_MAXIMUM,
    FREEZE_AFTER_SECONDS,
    STOP_AFTER_SECONDS,
    Tuning,
    scale_policy,
)
from spacecloud.model.scale_spec import BUSY_CPU_MILLICORES

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()


def test_the_example_is_read_and_sleeps() -> None:
    (example,) = PAGE.split("```yaml\n")[1:]

    policy = scale_policy(a_service(**yaml.safe_load(example.partition("```")[0])))

    assert policy.sleep is not None
    assert (policy.minimum, policy.maximum, len(policy.triggers)) == (0, 10, 1)


def test_the_numbers_are_those_that_hold() -> None:
    tuning = Tuning()

    assert f"`concurrency` ({DEFAULT_CONCURRENCY})" in PAGE
    assert f"`maxReplicas` ({DEFAULT_MAXIMUM})" in PAGE
    assert f"{tuning.target_utilization:.0%}".replace("%", " %") in PAGE
    assert f"last {tuning.stable_window_seconds} s (stable)" in PAGE
    assert f"last {tuning.panic_window_seconds} s (panic)" in PAGE
    assert f"`freezeAfter`: {FREEZE_AFTER_SECONDS:.0f} s" in PAGE
    assert f"`stopAfter`: {STOP_AFTER_SECONDS / 60:.0f} min" in PAGE
    assert BUSY_CPU_MILLICORES == 1000 / 10, "a tenth of a core"
