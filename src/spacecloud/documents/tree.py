"""
YAML as a tree that knows its lines.

Built from the parser's events, without recursion: nesting, the same key twice and aliases that
multiply are refused while reading, before they can cost anything. The parser is libyaml: one in
Python takes twenty times as long.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from yaml import CSafeLoader, parse
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from spacecloud.documents.file_mistakes import Fault, Faults
from spacecloud.documents.scalars import Scalar, meaning
from spacecloud.model.secret import decoded

DEEPEST = 60
MOST_VALUES = 100_000
"""As many as the API takes in one request."""

MOST_DIRECTIVES = 100
MOST_REPEATED = 20_000
"""Values that aliases of one file may add, all together."""

SIZE_OF_ONE = 256
"""Characters of a text that count as one value more."""

TEXT_TAG = "tag:yaml.org,2002:str"
BINARY_TAG = "tag:yaml.org,2002:binary"
MERGE = "<<"


class Binary(str):
    """Bytes, in base64 without blanks."""

    __slots__ = ()


@dataclass(slots=True)
class Tree:
    """A value, where it starts, and for a mapping where each key stands."""

    line: int
    value: "Scalar | list[Tree] | dict[str, Tree]" = None
    key_lines: dict[str, int] = field(default_factory=dict)
    size: int = 1
    """Values in it, itself included."""

    def plain(self) -> Any:
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def line_of(self, location: Sequence[int | str]) -> int:
        """Of the value there, or of the nearest one that exists on the way."""
        tree, line = self, self.line
        for part in location:
            if isinstance(tree.value, dict) and part in tree.value:
                line = tree.key_lines[str(part)]
                tree = tree.value[str(part)]
            elif isinstance(tree.value, list) and isinstance(part, int) and part < len(tree.value):
                tree = tree.value[part]
                line = tree.line
            else:
                break
        return line


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that has not ended yet."""

    tree: Tree
    anchor: str | None
    key: str | None = None
    merged: list[Tree] = field(default_factory=list)


def trees(text: str, faults: Faults) -> list[Tree]:
    """One per document; those that are empty are left out. What is wrong goes to ``faults``."""
    reader = _Reader(faults)
    # The parser compares each directive to all before it.
    if text.count("\n%") > MOST_DIRECTIVES:
        faults.add(f"this has more than {MOST_DIRECTIVES} lines that start with %")
        return []
    try:
        for event in parse(text, Loader=CSafeLoader):
            reader.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # What is missing at the end is told of the last line, and not of the one after it.
        last = 1 + text.rstrip().count("\n")
        faults.add(_in_words(error), min(mark.line + 1, last) if mark else None)
    except YAMLError as error:
        first = str(error).strip().partition("\n")[0]
        faults.add(f"this is not YAML: {first}")
    except Fault as fault:
        faults.add(fault.message, fault.line)
    return [tree for tree in reader.documents if tree.value is not None]


def _in_words(error: MarkedYAMLError) -> str:
    # The parser has a bound of its own, and reads ahead of the events that it gives.
    if "nesting depth" in (error.problem or ""):
        return f"this is nested deeper than {DEEPEST} levels"
    return "this is not YAML: " + " ".join(filter(None, (error.context, error.problem)))


class _Reader:
    def __init__(self, faults: Faults) -> None:
        self.documents: list[Tree] = []
        self._faults = faults
        self._open: list[_Open] = []
        self._anchors: dict[str, Tree] = {}
        self._repeated = 0
        self._count = 0

    def take(self, event: Any) -> None:
        match event:
            case DocumentStartEvent():
                self._anchors = {}
            case ScalarEvent():
                self._scalar(event)
            case AliasEvent():
                self._alias(event)
            case MappingStartEvent() | SequenceStartEvent():
                self._begin(event)
            case MappingEndEvent() | SequenceEndEvent():
                self._end()
            case _:
                pass

    def _scalar(self, event: ScalarEvent) -> None:
        line = _line(event)
        tag = str(event.tag) if event.tag else ""
        is_plain = event.implicit[0] and not event.style and not tag
        if tag == BINARY_TAG:
            self._binary(event, line)
            return
        if (tag.startswith("!") and tag != "!") or tag not in ("", "!", TEXT_TAG):
            raise Fault(f"the tag {tag} is not supported: leave it out", line)
        self._one_more(line)
        tree = Tree(line, event.value, size=1 + len(event.value) // SIZE_OF_ONE)
        if is_plain and not self._awaits_key():
            try:
                tree.value = meaning(event.value)
            except ValueError as error:
                self._faults.add(str(error), line)
        self._remember(event.anchor, tree)
        self._place(tree, is_merge=is_plain and event.value == MERGE)

    def _binary(self, event: ScalarEvent, line: int) -> None:
        self._one_more(line)
        if decoded(event.value) is None:
            raise Fault("what follows !!binary is no base64", line)
        text = Binary("".join(event.value.split()))
        tree = Tree(line, text, size=1 + len(text) // SIZE_OF_ONE)
        self._remember(event.anchor, tree)
        self._place(tree)

    def _one_more(self, line: int) -> None:
        if not self._awaits_key():
            self._count += 1
        if self._count > MOST_VALUES:
            raise Fault(f"the file holds more than {MOST_VALUES} values: divide it", line)

    def _alias(self, event: AliasEvent) -> None:
        line = _line(event)
        tree = self._anchors.get(event.anchor or "")
        if tree is None:
            is_open = any(each.anchor == event.anchor for each in self._open)
            problem = "contains itself" if is_open else "is used before it is set"
            raise Fault(f"the anchor &{event.anchor} {problem}", line)
        self._repeated += tree.size
        if self._repeated > MOST_REPEATED:
            raise Fault(
                f"aliases repeat more than {MOST_REPEATED} values: write out what is meant", line
            )
        self._place(tree)

    def _begin(self, event: Any) -> None:
        line = _line(event)
        if len(self._open) >= DEEPEST:
            raise Fault(f"this is nested deeper than {DEEPEST} levels", line)
        if self._awaits_key():
            raise Fault("a key must be a text, not a list or a mapping", line)
        if event.tag:
            raise Fault(f"the tag {event.tag} is not supported: leave it out", line)
        self._one_more(line)
        empty: Any = {} if isinstance(event, MappingStartEvent) else []
        self._open.append(_Open(Tree(line, empty), event.anchor))

    def _end(self) -> None:
        ended = self._open.pop()
        tree = ended.tree
        for merged in ended.merged:
            self._merge(tree, merged)
        below = tree.value.values() if isinstance(tree.value, dict) else _items(tree)
        tree.size = 1 + sum(item.size for item in below)
        self._remember(ended.anchor, tree)
        self._place(tree)

    def _remember(self, anchor: str | None, tree: Tree) -> None:
        if anchor:
            self._anchors[anchor] = tree

    def _awaits_key(self) -> bool:
        top = self._open[-1] if self._open else None
        return top is not None and isinstance(top.tree.value, dict) and top.key is None

    def _place(self, tree: Tree, *, is_merge: bool = False) -> None:
        if not self._open:
            self.documents.append(tree)
            return
        top = self._open[-1]
        if isinstance(top.tree.value, list):
            top.tree.value.append(tree)
        elif top.key is None:
            self._key(top, tree, is_merge=is_merge)
        else:
            self._value(top, tree)

    def _key(self, top: _Open, tree: Tree, *, is_merge: bool) -> None:
        if not isinstance(tree.value, str):
            raise Fault("a key must be a text", tree.line)
        top.key = tree.value
        if is_merge:
            return
        first = top.tree.key_lines.setdefault(tree.value, tree.line)
        if isinstance(top.tree.value, dict) and tree.value in top.tree.value:
            self._faults.add(
                f"the key {tree.value} is given twice, first in line {first}", tree.line
            )

    def _value(self, top: _Open, tree: Tree) -> None:
        assert isinstance(top.tree.value, dict)
        assert top.key is not None
        key, top.key = top.key, None
        if key == MERGE and key not in top.tree.key_lines:
            top.merged += _items(tree) if isinstance(tree.value, list) else [tree]
        else:
            top.tree.value.setdefault(key, tree)

    def _merge(self, into: Tree, merged: Tree) -> None:
        """``<<: *base``: what is written beside it wins."""
        assert isinstance(into.value, dict)
        if not isinstance(merged.value, dict):
            raise Fault("<< must be followed by a mapping, as in <<: *base", merged.line)
        for key, item in merged.value.items():
            if key not in into.value:
                into.value[key] = item
                into.key_lines[key] = merged.key_lines[key]


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _items(tree: Tree) -> Iterable[Tree]:
    return tree.value if isinstance(tree.value, list) else ()


def strings(tree: Tree) -> Iterator[Tree]:
    """Every value below that is a text; keys are none. One that is repeated comes once."""
    seen: set[int] = set()
    rest = [tree]
    while rest:
        each = rest.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each.value, str):
            yield each
        elif isinstance(each.value, dict):
            rest += each.value.values()
        else:
            rest += _items(each)
