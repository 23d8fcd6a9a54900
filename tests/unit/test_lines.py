"""What programs print: lines in linear time and bounded memory, and nothing that is obeyed."""

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecloud.model.lines import (
    CUT,
    LONGEST_LINE,
    LONGEST_MESSAGE,
    RESET,
    LineCutter,
    coloured,
    message,
    visible,
)

pytestmark = pytest.mark.attack

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]52;c;ZXZpbA==\x1b\\",
    "\x9d52;c;ZXZpbA==\x9c",
    "\x1bPq#0\x1b\\",
    "\x1b[2J\x1b[H",
    "\x9b2J",
    "\x1b[?1049h",
    "\x1bc",
    "\x1b(0",
    "\x1b",
    "\x1b[",
    "\x07\x08\x7f\r\n",
    "\u202e\u2066",
]


def cut(pieces: list[bytes], longest: int = LONGEST_LINE) -> list[bytes]:
    cutter = LineCutter(longest)
    lines = [line for piece in pieces for line in cutter.feed(piece)]
    return [*lines, *cutter.rest()]


@given(st.lists(st.binary(max_size=30)))
def test_lines_do_not_depend_on_the_pieces(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    expected = [line + b"\n" for line in whole.split(b"\n")]

    assert cut(pieces, 1000) == (expected[:-1] if expected[-1] == b"\n" else expected)
    assert cut(pieces, 4) == cut([whole], 4)
    assert all(len(line) <= 4 + len(CUT.encode()) + 1 for line in cut(pieces, 4))


def test_a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() -> None:
    assert cut([b"12", b"345", b"6\nnext\n"], 4) == [b"1234" + CUT.encode() + b"\n", b"next\n"]
    assert cut([b"1234\n"], 4) == [b"1234\n"]


def test_a_hundred_megabytes_without_a_newline_cost_linear_time_and_little_memory() -> None:
    cutter, piece = LineCutter(), b"x" * 16_384
    tracemalloc.start()
    began = time.perf_counter()

    lines = [line for _ in range(6400) for line in cutter.feed(piece)]

    assert time.perf_counter() - began < 2
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert lines == [b"x" * LONGEST_LINE + CUT.encode() + b"\n"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_terminal_obeys_nothing_of_it(hostile: str) -> None:
    for shown in (visible(f"a{hostile}"), message(f"a{hostile}"), coloured(f"a{hostile}")):
        assert shown.replace(RESET, "").strip() == "a"


@given(st.text(alphabet=st.characters() | st.sampled_from("\x1b\x9b\x9d]P[m;0\\\x07"), max_size=60))
def test_no_control_is_left_whatever_comes(text: str) -> None:
    shown = visible(text)

    assert not [c for c in shown if c != "\t" and (c < " " or "\x7f" <= c <= "\x9f")]
    rest = coloured(text)
    while "\x1b" in rest:
        before, _, rest = rest.partition("\x1b")
        assert not [c for c in before if c != "\t" and c < " "]
        assert rest.startswith("[") and rest[1:].lstrip("0123456789;:").startswith("m")


def test_colours_stay_and_end_with_the_line() -> None:
    assert coloured("\x1b[31;1mred\x1b[2K") == "\x1b[31;1mred" + RESET
    assert visible("\x1b[31mred\x1b[0m") == "red"


def test_a_message_is_short_and_says_what_it_lost() -> None:
    assert message("a\nb\tc") == "a b c"
    assert message("x" * LONGEST_MESSAGE) == "x" * LONGEST_MESSAGE
    long = message("x" * 80_000)
    assert len(long) == LONGEST_MESSAGE
    assert long.endswith(" … [cut, 80000 characters]")
