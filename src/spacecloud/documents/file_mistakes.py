"""Mistakes with their place in a file, collected so that all of them are told at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from spacecloud.errors import MOST_MISTAKES, InvalidSpec, Mistake


class Fault(Exception):
    """Ends the reading of one file; caught where the file is read."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class FileMistake(Mistake):
    source: str = ""
    """File name."""

    document_name: str = ""
    """Which document of the file it is in, as in ``service shop/api@v1``; empty for the file."""

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        path = f"{self.path}: " if self.path else ""
        given = f" (got {self.value!r})" if self.value is not None else ""
        named = f" in {self.document_name}" if self.document_name else ""
        return f"{where}: {path}{self.message}{given}{named}"


def in_file(mistake: Mistake, line: int, source: str, document_name: str = "") -> FileMistake:
    return FileMistake(
        mistake.path,
        mistake.message,
        mistake.value,
        line,
        mistake.location,
        source=source,
        document_name=document_name,
    )


class Faults:
    """Of one file: the first ``MOST_MISTAKES``, and how many there are."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[FileMistake] = []
        self.more = 0

    @property
    def count(self) -> int:
        return len(self.found) + self.more

    @property
    def room(self) -> int:
        """For so many more; those beyond are counted only."""
        return MOST_MISTAKES - len(self.found)

    def add(self, message: str, line: int | None = None, path: str = "") -> None:
        if self.room:
            self.found.append(FileMistake(path, message, None, line, source=self.source))
        else:
            self.more += 1

    def take(self, mistake: Mistake, line: int, document: str = "") -> None:
        if self.room:
            self.found.append(in_file(mistake, line, self.source, document))
        else:
            self.more += 1


def refuse(found: Iterable[FileMistake], more: int = 0) -> None:
    """Raises ``InvalidSpec`` when there is any mistake; ``more`` are not among those found."""
    unique = dict.fromkeys(found)
    mistakes = tuple(sorted(unique, key=lambda each: (each.source, each.line or 0)))
    total = len(mistakes) + more
    if total == 1:
        raise InvalidSpec(str(mistakes[0]), mistakes)
    if mistakes:
        raise InvalidSpec(f"{total} mistakes, and nothing was changed", mistakes, more)
