"""Whatever a file of documents holds, reading it costs a time and a memory linear to its size."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpu_and_memory_cost import assert_linear, peak_bytes, takes_less_than
from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.read import parse, read
from spacecloud.documents.tree import MOST_VALUES, trees
from spacecloud.errors import MOST_MISTAKES, InvalidSpec

pytestmark = pytest.mark.attack

KB = 1024
Shape = Callable[[int], str]
"""A file of about so many kB."""

SERVICE = """\
type: service
meta: {project: shop, serviceId: s%d, version: v1}
spec:
  tasks:
    - id: main
      docker: {image: "app:1"}
      ports: [{port: 8080, name: http}]
      env: {A: b}
"""


def _in_a_task(field: str) -> str:
    return f"{SERVICE.partition('  tasks')[0]}  tasks: [{{id: a, docker: {{image: x}}, {field}}}]\n"


def many_documents(kb: int) -> str:
    return "---\n".join(SERVICE % n for n in range(kb * KB // 180))


def many_projects_in_a_list(kb: int) -> str:
    return "- {type: project, meta: {project: x}, spec: {}}\n" * (kb * KB // 48)


def empty_documents(kb: int) -> str:
    return "---\n" * (kb * KB // 4)


def wrong_documents(kb: int) -> str:
    return "---\n{a: 1}\n" * (kb * KB // 11)


def unknown_parts(kb: int) -> str:
    return "".join(f"k{n}: 0\n" for n in range(kb * KB // 9))


def unknown_ids(kb: int) -> str:
    names = ", ".join(f"servic{n}: 0" for n in range(kb * KB // 14))
    return f"type: service\nmeta: {{{names}}}\nspec: {{}}\n"


def the_same_key_twice(kb: int) -> str:
    return "a: 0\n" * (kb * KB // 5)


def wrong_ports(kb: int) -> str:
    return _in_a_task(f"ports: [{', '.join(['{}'] * (kb * KB // 4))}]")


def a_long_text(kb: int) -> str:
    return "a: >\n" + "  x y\n" * (kb * KB // 6)


def a_long_plain_text(kb: int) -> str:
    return "a:\n" + "  x\n" * (kb * KB // 4)


def open_lists(kb: int) -> str:
    return "[" * (kb * KB)


def open_keys(kb: int) -> str:
    return "? " * (kb * KB // 2)


def indents(kb: int) -> str:
    return "".join(" " * n + "a:\n" for n in range(int((2 * kb * KB) ** 0.5)))


def directives(kb: int) -> str:
    return "".join(f"%TAG !a{n}! x\n" for n in range(kb * KB // 13)) + "--- a\n"


def anchors(kb: int) -> str:
    return "".join(f"- &a{n} x\n- *a{n}\n" for n in range(kb * KB // 20))


def merges(kb: int) -> str:
    return "a: &a {b: 0}\nc:\n" + "  - {<<: *a}\n" * (kb * KB // 13)


def variables(kb: int) -> str:
    return "a: '" + "${" * (kb * KB // 2) + "'\n"


def comments(kb: int) -> str:
    return "# x\n" * (kb * KB // 4) + "a: b\n"


SHAPES: tuple[Shape, ...] = (
    many_documents,
    many_projects_in_a_list,
    empty_documents,
    wrong_documents,
    unknown_parts,
    unknown_ids,
    the_same_key_twice,
    wrong_ports,
    a_long_text,
    a_long_plain_text,
    open_lists,
    open_keys,
    indents,
    directives,
    anchors,
    merges,
    variables,
    comments,
)


def faults_of(text: str) -> Faults:
    faults = Faults("x.yaml")
    parse(text, faults, {})
    return faults


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_a_file_takes_a_time_linear_to_its_size(shape: Shape) -> None:
    small, large = shape(8), shape(32)

    assert_linear(lambda: faults_of(small), lambda: faults_of(large), 4)


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_a_file_takes_a_bounded_memory_per_byte(shape: Shape) -> None:
    text = shape(16)
    faults_of(text)

    assert peak_bytes(lambda: faults_of(text)) < 1000 * len(text)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_printed_is_short_however_much_is_wrong(shape: Shape) -> None:
    found = faults_of(shape(100)).found

    assert len(found) <= MOST_MISTAKES
    assert sum(len(str(mistake)) for mistake in found) < 100 * KB


def test_three_thousand_documents_are_read_in_seconds() -> None:
    text = "---\n".join(SERVICE % n for n in range(3000))

    assert takes_less_than(5, lambda: faults_of(text))


def test_documents_are_read_in_a_bounded_memory_per_byte() -> None:
    """Measuring costs many times the reading, and the bound is one of each byte."""
    text = "---\n".join(SERVICE % n for n in range(300))

    assert peak_bytes(lambda: faults_of(text)) < 200 * len(text)


def test_more_mistakes_than_are_told_are_counted(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("---\n[]\n" + "---\n1\n" * 1000)

    with pytest.raises(InvalidSpec, match=r"^2000 mistakes, and nothing was changed$") as caught:
        read([str(tmp_path)])

    assert len(caught.value.mistakes) == MOST_MISTAKES
    assert caught.value.more == 2000 - MOST_MISTAKES


def test_the_values_of_a_file_are_counted() -> None:
    at_most = Faults("x.yaml")
    trees("[" + "0," * (MOST_VALUES - 1) + "]", at_most)

    assert not at_most.count
    assert "more than 100000 values" in str(faults_of("[" + "0," * MOST_VALUES + "]").found[0])


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
words = "a: |- |? |: |[|]|{|}|, |\n| |&a |*a|<<: |'|\"|!x |%TAG |---\n|...\n|# x|${|\t|>\n"
pieces = st.sampled_from([*words.split("|"), "type: service\n", "meta: {}\n", "spec: ", "|\n"])


@given(st.lists(pieces, min_size=1, max_size=12), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_any_shape_costs_what_its_size_allows(some: list[str], times: int) -> None:
    text = "".join(some) * times
    kilobytes = 1 + len(text) / KB

    assert takes_less_than(0.02 + 0.02 * kilobytes, lambda: faults_of(text))
    assert peak_bytes(lambda: faults_of(text)) < 200_000 + 2000 * KB * kilobytes
    assert len(faults_of(text).found) <= MOST_MISTAKES
