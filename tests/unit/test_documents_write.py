"""What is written means the same when it is read: for every value and every service."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.read import parse
from spacecloud.documents.tree import trees
from spacecloud.documents.write import write
from strategies import Document, labels, services, versions

# YAML cannot hold the control characters that it forbids.
written = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn"), include_characters="\n\t\x85")
)
words = st.sampled_from(
    [
        *("yes", "no", "on", "~", "null", "1", "1.0", "0x1f", "1e3", ".inf", "2030-01-01", "1:30"),
        *("<<", "=", "- a", "a: b", "# a", "*a", "&a", "!a", "%a", "@a", "`a", "a #b", "'", "---"),
    ]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | written | words,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries((written | words), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(written | words, values, min_size=1, max_size=3), max_size=3))
@settings(max_examples=60, deadline=None)
@example([{"a": "x\n\n  y\n"}, {"a": "\n"}, {"a": " x\n y"}])
@example([{"a\u2028b\x85c": "\ufeff", "d": "e\u2029\n"}])
@example([{"a": "x\t\ny"}, {"<<": {"a": "b"}}])
def test_any_value_survives(given_values: list[Document]) -> None:
    faults = Faults("x.yaml")

    read = [tree.plain() for tree in trees(write(given_values), faults)]

    assert not faults.found
    assert read == given_values


@given(services, labels, labels, versions)
@settings(max_examples=25, deadline=None)
def test_a_document_survives_reading_and_writing(
    spec: Document, project: str, service: str, version: str
) -> None:
    given_document = {
        "api": "/v1/runner/{project}/services/{serviceId}/{version}",
        "type": "service",
        "meta": {"project": project, "serviceId": service, "version": version},
        "spec": spec,
    }

    (first,) = read(write([given_document]))
    (again,) = read(write([{**given_document, "spec": first.document}]))

    assert first.document == spec
    assert (first.ids, first.spec, first.document) == (again.ids, again.spec, again.document)


def test_a_text_that_looks_like_something_else_is_quoted() -> None:
    assert write([{"a": "8080", "b": "yes", "c": "v1", "d": ""}]) == (
        'a: "8080"\nb: \'yes\'\nc: v1\nd: ""\n'
    )


def test_a_value_that_is_used_twice_is_written_twice() -> None:
    ports = [{"port": 80}]

    assert "&" not in write([{"a": ports, "b": ports}])


def read(text: str) -> list[Any]:
    faults = Faults("shop.yaml")
    found = parse(text, faults)
    assert not faults.found, faults.found
    return found
