"""
What programs print, made safe to hold and to show. Pure.

Nobody promises that a line ends, or that it is text: a task may print gigabytes without a
newline, and sequences that a terminal obeys.
"""

import re
from collections.abc import Iterator

LONGEST_LINE = 65_536
"""In bytes. What a line has beyond it is dropped."""

CUT = " … [cut: a line has at most 64 KiB]"
LONGEST_MESSAGE = 2048
"""In characters: of what is kept and shown of a service."""

_SEQUENCE = (
    r"\x1b[\]PX^_k].*?(?:\x07|\x1b\\|\x9c|$)"  # titles, clipboard, device strings, to their end
    r"|[\x90\x98\x9d-\x9f].*?(?:\x07|\x1b\\|\x9c|$)"  # the same in one character
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # cursor, screen, colours
    r"|\x1b[ -/]*[0-~]?"  # character sets, reset
)
_SEQUENCES = re.compile(_SEQUENCE, re.DOTALL)
_ALL_BUT_COLOURS = re.compile(rf"(?P<colour>\x1b\[[0-9;:]*m)|{_SEQUENCE}", re.DOTALL)
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Controls without tab and escape, and what turns the direction of writing."""

RESET = "\x1b[0m"


class LineCutter:
    """Bytes as they come to lines, in linear time; holds no more than one line of ``longest``."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._held = bytearray()
        self._is_cut = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Lines that are over, each with a newline; one that is too long once it is known."""
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            yield from self._take(piece, start, end)
            if not self._is_cut:
                yield self._line()
            self._is_cut = False
            start = end + 1
        yield from self._take(piece, start, len(piece))

    def rest(self) -> Iterator[bytes]:
        """A last line that has no newline."""
        if self._held:
            yield self._line()

    def _take(self, piece: bytes, start: int, end: int) -> Iterator[bytes]:
        if self._is_cut:
            return
        room = self._longest - len(self._held)
        self._held += piece[start : min(end, start + room)]
        if end - start > room:
            self._is_cut = True
            self._held += CUT.encode()
            yield self._line()

    def _line(self) -> bytes:
        line = bytes(self._held) + b"\n"
        self._held.clear()
        return line


def message(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """One line that a terminal shows and does not obey, of at most ``longest`` characters."""
    # Cut before it is searched as well: what comes in may be long.
    shown = visible(text[: 4 * longest]).replace("\t", " ")
    if len(shown) <= longest and len(text) <= 4 * longest:
        return shown
    mark = f" … [cut, {len(text)} characters]"
    return shown[: longest - len(mark)] + mark


def visible(text: str) -> str:
    """Without what a terminal obeys; controls that are left, and newlines, are a space."""
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub(" ", _SEQUENCES.sub("", text))


def coloured(text: str) -> str:
    """As ``visible``, but colours stay, and end with the line."""
    if text.isascii() and text.isprintable():
        return text
    kept = _ALL_BUT_COLOURS.sub(lambda found: found["colour"] or "", text)
    shown = _INVISIBLE.sub(" ", kept)
    return shown + RESET if "\x1b" in shown else shown
