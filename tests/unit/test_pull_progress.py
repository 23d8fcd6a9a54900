"""What the engine says of layers, as one sentence that people can follow."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecloud.drivers.docker.images.pull_progress import LONGEST_ID, MOST_LAYERS, PullProgress


def progress_of(*messages: tuple[str, str] | tuple[str, str, int, int]) -> PullProgress:
    progress = PullProgress("app:1")
    for id, status, *counts in messages:
        detail = dict(zip(("current", "total"), counts, strict=False))
        progress.note({"id": id, "status": status, "progressDetail": detail})
    return progress


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        (progress_of(), "pulling app:1"),
        (progress_of(("1", "Pulling from library/app")), "pulling app:1"),
        (progress_of(("a", "Pulling fs layer"), ("b", "Waiting")), "pulling app:1: 0 of 2 layers"),
        (
            progress_of(("a", "Already exists"), ("b", "Downloading", 2_000_000, 9_000_000)),
            "pulling app:1: 1 of 2 layers, 2 of 9 MB",
        ),
        (
            progress_of(("b", "Downloading", 2_000_000, 9_000_000), ("b", "Download complete")),
            "pulling app:1: 0 of 1 layer, 9 of 9 MB",
        ),
        (
            progress_of(("b", "Downloading", 1, 9_000_000), ("b", "Extracting", 5, 9_000_000)),
            "pulling app:1: 0 of 1 layer, 9 of 9 MB",
        ),
        (progress_of(("b", "Downloading", 5_000_000, -1)), "pulling app:1: 0 of 1 layer"),
        (
            progress_of(
                ("b", "Extracting", 1, 2), ("b", "Pull complete"), ("", "Digest: sha256:1")
            ),
            "pulling app:1: 1 of 1 layer",
        ),
        (
            progress_of(("b", "Download complete"), ("b", "Pulling fs layer")),
            "pulling app:1: 0 of 1 layer",
        ),
    ],
)
def test_a_pull_is_told_by_its_layers(progress: PullProgress, sentence: str) -> None:
    assert str(progress.view()) == sentence


@pytest.mark.parametrize("message", [{}, {"id": None}, {"id": 3, "status": 4}, {"status": "x"}])
def test_what_speaks_of_no_layer_changes_nothing(message: dict[str, Any]) -> None:
    progress = progress_of(("a", "Already exists"))

    progress.note(message)

    assert (progress.view().layers, progress.view().layers_done) == (1, 1)


def test_the_layers_that_are_not_here_are_the_ones_that_can_have_failed() -> None:
    progress = progress_of(
        ("a", "Already exists"), ("b", "Download complete"), ("c", "Waiting"), ("d", "Downloading")
    )

    assert progress.missing() == ("c", "d")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
STATUSES = st.sampled_from(["Downloading", "Pull complete", "Waiting", "Extracting"]) | ANY_JSON


@pytest.mark.attack
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "id": ANY_JSON,
                "status": STATUSES,
                "progressDetail": ANY_JSON
                | st.fixed_dictionaries({"current": ANY_JSON, "total": ANY_JSON}),
            },
        ),
        max_size=5,
    )
)
def test_whatever_a_registry_says_is_counted_or_left_out(messages: list[dict[str, Any]]) -> None:
    progress = PullProgress("x")

    for message in messages:
        progress.note(message)

    view = progress.view()
    assert 0 <= view.bytes_done <= view.bytes
    assert view.layers_done <= view.layers <= len(messages)


@pytest.mark.attack
def test_a_registry_with_a_million_layers_is_not_remembered_whole() -> None:
    progress = PullProgress("x")

    for number in range(5000):
        progress.note({"id": f"{number}" * 1000, "status": "Waiting"})

    assert len(progress.layers) <= MOST_LAYERS
    assert all(len(id) <= LONGEST_ID for id in progress.layers)
