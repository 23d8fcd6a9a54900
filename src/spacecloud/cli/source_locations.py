"""What the control plane finds wrong with documents, told with its place in their files."""

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spacecloud.errors import InvalidSpec, Mistake, SpaceCloudError

if TYPE_CHECKING:
    from spacecloud.documents.file_mistakes import FileMistake
    from spacecloud.model.envelope import Envelope


@contextmanager
def with_source_locations(envelopes: "Sequence[Envelope]") -> Generator[None]:
    """Around a request that holds all of them, or the only one."""
    try:
        yield
    except InvalidSpec as error:
        if not error.mistakes:
            _name(error, envelopes)
            raise
        from spacecloud.documents.file_mistakes import refuse

        refuse((_in_file(mistake, envelopes) for mistake in error.mistakes), error.more)
        raise
    except SpaceCloudError as error:
        _name(error, envelopes)
        raise


def _in_file(mistake: Mistake, envelopes: "Sequence[Envelope]") -> "FileMistake":
    from spacecloud.documents.envelopes import Given
    from spacecloud.documents.file_mistakes import FileMistake

    envelope, path = envelopes[0], mistake.path
    if found := re.match(r"documents\[(\d+)\]\.?", path):
        envelope, path = envelopes[int(found[1])], path[found.end() :]
    given = envelope.document
    line = given.line_of(path) if isinstance(given, Given) and path else envelope.line
    return FileMistake(path, mistake.message, mistake.value, line, envelope.source, envelope.name)


def _name(error: SpaceCloudError, envelopes: "Sequence[Envelope]") -> None:
    """A clash with what is there has no field: it is told of the document."""
    about = [e for e in envelopes if str(error).startswith(f"{e.name}: ")]
    message = str(error)
    if about:
        message = message.removeprefix(f"{about[0].name}: ")
    elif len(envelopes) == 1:
        about = list(envelopes)
    if about:
        error.args = (f"{about[0].source}:{about[0].line}: {message} in {about[0].name}",)
