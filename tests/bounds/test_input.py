"""Whatever a body holds, reading it costs a time and a memory linear to its size."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpu_and_memory_cost import assert_linear, peak_bytes, takes_less_than
from spacecloud.api.bodies import DEEPEST, MOST_VALUES, parse
from spacecloud.api.envelopes import envelope_of, envelopes_of
from spacecloud.api.parameters import moment
from spacecloud.api.problems import problem
from spacecloud.errors import MOST_MISTAKES, InvalidSpec, Mistake
from spacecloud.model.kinds import KINDS
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import validate

pytestmark = pytest.mark.attack

KB = 1024
LARGEST_ANSWER = 200 * KB
Shape = Callable[[int], bytes]
"""A body of about so many kB."""


def _object(pairs: list[bytes]) -> bytes:
    return b"{" + b",".join(pairs) + b"}"


def _list(item: bytes, count: int) -> bytes:
    return b"[" + b",".join([item] * count) + b"]"


def _in_a_task(field: bytes) -> bytes:
    return b'{"tasks":[{"id":"a","docker":{"image":"x"},' + field + b"}]}"


def the_last_key_twice(kb: int) -> bytes:
    keys = [b'"k%d":0' % n for n in range(kb * KB // 10)]
    return _object([*keys, keys[-1]])


def a_long_key_above_a_long_list(kb: int) -> bytes:
    return b'{"' + b"A" * (kb * KB // 2) + b'":' + _list(b"0", kb * KB // 4) + b"}"


def a_long_key_above_a_nul(kb: int) -> bytes:
    body = a_long_key_above_a_long_list(kb)
    return body.removesuffix(b"]}") + b',"\\u0000"]}'


def unknown_fields(kb: int) -> bytes:
    return _object([b'"k%d":0' % n for n in range(kb * KB // 10)])


def wrong_names(kb: int) -> bytes:
    names = _object([b'"k %d":0' % n for n in range(kb * KB // 11)])
    return _in_a_task(b'"env":' + names)


def wrong_ports(kb: int) -> bytes:
    return _in_a_task(b'"ports":' + _list(b"{}", kb * KB // 3))


def wrong_tasks(kb: int) -> bytes:
    return b'{"tasks":' + _list(b'{"volumes":1}', kb * KB // 14) + b"}"


def routes_without_targets(kb: int) -> bytes:
    return b'{"routes":' + _list(b'{"targets":[]}', kb * KB // 15) + b"}"


def escapes_without_end(kb: int) -> bytes:
    return b'{"a":"' + b'\\"' * (kb * KB // 2)


def commas_in_a_text_without_end(kb: int) -> bytes:
    return b'{"a":"' + b'\\",' * (kb * KB // 3)


def long_numbers(kb: int) -> bytes:
    return b'{"a":[0.' + b"9" * (kb * KB // 2) + b"," + _list(b"9" * 4000, kb // 8)[1:] + b"}"


def wrong_documents(kb: int) -> bytes:
    return (
        b'{"documents":' + _list(b'{"type":"project","meta":{"project":1}}', kb * KB // 41) + b"}"
    )


SHAPES: tuple[Shape, ...] = (
    the_last_key_twice,
    a_long_key_above_a_long_list,
    a_long_key_above_a_nul,
    unknown_fields,
    wrong_names,
    wrong_ports,
    wrong_tasks,
    routes_without_targets,
    escapes_without_end,
    commas_in_a_text_without_end,
    long_numbers,
    wrong_documents,
)


def answer(body: bytes) -> bytes:
    """As a route does it; the answer to a client, empty where all is well."""
    try:
        document = parse(body)
        if "documents" in document:
            envelopes_of(document["documents"], "documents")
        else:
            envelope_of("service-route" if "routes" in document else "service", {}, document)
    except InvalidSpec as error:
        return bytes(problem(error).body)
    return b""


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_a_body_takes_a_time_linear_to_its_size(shape: Shape) -> None:
    small, large = shape(16), shape(64)

    assert_linear(lambda: answer(small), lambda: answer(large), 4)


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_a_body_takes_a_bounded_memory_per_byte(shape: Shape) -> None:
    body = shape(16)
    answer(body)

    assert peak_bytes(lambda: answer(body)) < 1000 * len(body)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answer_is_small_however_much_is_wrong(shape: Shape) -> None:
    told = answer(shape(200))

    assert 0 < len(told) < LARGEST_ANSWER
    assert len(json.loads(told).get("mistakes", [])) <= MOST_MISTAKES


@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_body_takes_no_more_than_seconds(shape: Shape) -> None:
    body = shape(5 * KB)

    assert takes_less_than(5, lambda: answer(body))


def test_more_mistakes_than_are_told_are_counted() -> None:
    told = json.loads(answer(_object([b'"k%d":0' % n for n in range(1000)])))

    assert len(told["mistakes"]) == MOST_MISTAKES
    # Each unknown field, and that there are no tasks.
    assert told["more"] == 1001 - MOST_MISTAKES
    assert told["error"].startswith("1001 mistakes: spec.")


def test_mistakes_of_many_documents_are_counted_together() -> None:
    wrong = {"type": "service", "meta": {}, "spec": {}}

    with pytest.raises(InvalidSpec, match=r"^600 mistakes: document 1: meta") as caught:
        envelopes_of([wrong] * 200, "documents")

    assert len(caught.value.mistakes) == MOST_MISTAKES
    assert caught.value.more == 600 - MOST_MISTAKES


def test_as_many_mistakes_as_are_told_have_no_count() -> None:
    fields = _object([b'"k%d":0' % n for n in range(MOST_MISTAKES - 1)])

    told = json.loads(answer(fields))

    assert len(told["mistakes"]) == MOST_MISTAKES
    assert "more" not in told


def test_each_text_of_a_mistake_is_shortened() -> None:
    mistake = Mistake("p" * 10_000, "m" * 10_000, "v" * 10_000)

    assert len(mistake.path) == 300
    assert len(mistake.message) == 1000
    assert len(mistake.value) == 80
    assert mistake.path.endswith("…")


def test_the_values_of_a_body_are_counted_and_commas_in_texts_are_none() -> None:
    text = b"," * (MOST_VALUES * 2)

    assert parse(b'{"a":"' + text + b'"}')["a"] == text.decode()
    assert len(parse(_list(b"0", MOST_VALUES - 1))) == MOST_VALUES - 1
    with pytest.raises(InvalidSpec, match="more than 100000 values"):
        parse(_list(b"0", MOST_VALUES + 1))
    with pytest.raises(InvalidSpec, match="more than 100000 values"):
        parse(b'["' + text + b'",' + _list(b"{}", MOST_VALUES)[1:])


def test_the_place_of_a_fault_is_told_whatever_stands_around_it() -> None:
    with pytest.raises(InvalidSpec, match=r"^a\[1\]\['b\.c'\]\.d\[0\]: it holds a NUL"):
        parse(b'{"z": [1], "a": [{}, {"b.c": {"d": ["\\u0000"]}}]}')
    with pytest.raises(InvalidSpec, match=r"^a: it holds half of a surrogate pair"):
        parse(b'{"a": {"\\ud800": 1}}')


def test_nesting_is_bounded_and_so_is_a_number() -> None:
    for body in (
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * DEEPEST + b"[[]]" + b"}" * DEEPEST,
    ):
        with pytest.raises(InvalidSpec, match="nested deeper"):
            parse(body)
    with pytest.raises(InvalidSpec, match="too many digits"):
        parse(b'{"a": ' + b"9" * 100_000 + b"}")


def test_more_ports_than_there_are_numbers_are_mistakes_like_any_other() -> None:
    task = {"id": "a", "docker": {"image": "x"}, "ports": [{}] * 70_000}

    with pytest.raises(InvalidSpec, match=r"^70000 mistakes"):
        validate(Service, {"tasks": [task]}, "spec")


def test_a_span_of_time_that_never_ends_is_refused_at_once() -> None:
    def work() -> None:
        with pytest.raises(InvalidSpec, match="a time span such as"):
            moment("1s" * 30_000, "", None)  # type: ignore[arg-type]

    assert takes_less_than(0.02, work)


# any shape

scalars = st.none() | st.booleans() | st.integers(-5, 70_000) | st.text(max_size=8)
names = st.sampled_from(
    ["tasks", "ports", "port", "env", "docker", "image", "routes", "targets", "data", "type", "x"]
) | st.text(max_size=4)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def _many(value: Any, times: int) -> Any:
    """Every list below so many times as long, and every text."""
    if isinstance(value, list):
        return [_many(item, times if n == 0 else 1) for n, item in enumerate(value)] * times
    if isinstance(value, dict):
        return {name: _many(item, times) for name, item in value.items()}
    return value * times if isinstance(value, str) else value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(document=documents)
@settings(max_examples=15, deadline=None)
def test_any_shape_costs_what_its_size_allows(kind: Any, document: Any) -> None:
    body = json.dumps({"spec": _many(document, 40)}).encode()
    spec = b'{"documents":[{"type":"%s","meta":{},' % kind.name.encode() + body[1:-1] + b"}]}"

    def work() -> bytes:
        return answer(spec)

    kilobytes = 1 + len(spec) / KB
    assert takes_less_than(0.02 + 0.02 * kilobytes, work)
    assert peak_bytes(work) < 200_000 + 2000 * KB * kilobytes
    assert len(work()) < LARGEST_ANSWER
