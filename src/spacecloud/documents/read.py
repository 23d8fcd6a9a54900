"""Files of documents: everything in them, or every mistake in them."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from spacecloud.documents.binary import move_binary
from spacecloud.documents.download import download, is_url
from spacecloud.documents.envelopes import envelope
from spacecloud.documents.file_mistakes import Faults, FileMistake, refuse
from spacecloud.documents.tree import Tree, trees
from spacecloud.documents.variables import fill
from spacecloud.errors import InvalidSpec, Mistake
from spacecloud.model.envelope import Envelope

STDIN = "-"
SUFFIXES = (".yaml", ".yml")
MOST_BYTES = 5 * 1024 * 1024
"""As much as the API takes in one request."""


def read(
    paths: Iterable[str],
    variables: Mapping[str, str] | None = None,
    *,
    for_deletion: bool = False,
) -> list[Envelope]:
    """
    The documents of files, of folders (their ``*.yaml`` and ``*.yml`` by name), at URLs and
    of ``-``.

    In the order in which they are applied. ``${NAME}`` is replaced only where variables are
    given. Raises ``InvalidSpec`` with the mistakes of all files.
    """
    envelopes: list[Envelope] = []
    mistakes: list[FileMistake] = []
    more = 0
    for path in paths:
        for source in _files(path):
            faults = Faults(source)
            text = _text(source, faults)
            envelopes += parse(text, faults, variables, for_deletion=for_deletion)
            mistakes += faults.found
            more += faults.more
    mistakes += _twice(envelopes)
    refuse(mistakes, more)
    if not envelopes:
        raise InvalidSpec(f"there is no document in {', '.join(paths)}")
    return sorted(envelopes, key=lambda each: each.kind.order)


def parse(
    text: str,
    faults: Faults,
    variables: Mapping[str, str] | None = None,
    *,
    for_deletion: bool = False,
) -> list[Envelope]:
    """The documents of one text; a list at its top holds documents."""
    envelopes: list[Envelope] = []
    for tree in _documents(trees(text, faults)):
        if variables is not None:
            fill(tree, variables, faults)
        move_binary(tree, faults)
        each = envelope(tree, faults, for_deletion=for_deletion)
        if each is not None:
            envelopes.append(each)
    return envelopes


def _documents(roots: Iterable[Tree]) -> Iterator[Tree]:
    for root in roots:
        if isinstance(root.value, list):
            yield from root.value
        else:
            yield root


def _files(path: str) -> Iterator[str]:
    if path == STDIN or is_url(path):
        yield path
        return
    try:
        folder = list(Path(path).iterdir()) if Path(path).is_dir() else None
    except OSError as error:
        raise _unreadable(path, error) from error
    if folder is None:
        yield path
        return
    files = sorted(str(each) for each in folder if each.suffix in SUFFIXES)
    if not files:
        raise InvalidSpec(f"the folder {path} holds no *.yaml and no *.yml")
    yield from files


def _text(source: str, faults: Faults) -> str:
    try:
        data = _bytes(source)
    except OSError as error:
        raise _unreadable(source, error) from error
    if len(data) > MOST_BYTES:
        faults.add(f"the file is larger than {MOST_BYTES >> 20} MiB")
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.add("this is not UTF-8 text, so it is not YAML", line)
        return ""


def _unreadable(path: str, error: OSError) -> InvalidSpec:
    message = f"cannot read {path}: {error.strerror}"
    return InvalidSpec(message, (Mistake("", message),))


def _bytes(source: str) -> bytes:
    if source == STDIN:
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    if is_url(source):
        return download(source, MOST_BYTES)
    with Path(source).open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def _twice(envelopes: Iterable[Envelope]) -> Iterator[FileMistake]:
    first: dict[str, Envelope] = {}
    for each in envelopes:
        other = first.setdefault(each.name, each)
        if other is not each:
            message = f"{each.name} is declared twice, first in {other.source}:{other.line}"
            yield FileMistake("", message, None, each.line, source=each.source)
