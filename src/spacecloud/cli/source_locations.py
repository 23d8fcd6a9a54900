"""What the control plane finds wrong with documents, told with its place in their files."""

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
            _locate(error, envelopes)
            raise
        from spacecloud.documents.file_mistakes import refuse

        refuse((_in_file(mistake, envelopes) for mistake in error.mistakes), error.more)
        raise
    except SpaceCloudError as error:
        _locate(error, envelopes)
        raise


def _in_file(mistake: Mistake, envelopes: "Sequence[Envelope]") -> "FileMistake":
    from spacecloud.documents.envelopes import Given
    from spacecloud.documents.file_mistakes import in_file

    envelope = _numbered(mistake.document or 0, envelopes)
    given, location = envelope.document, mistake.location
    line = given.line_of(location) if isinstance(given, Given) and location else envelope.line
    return in_file(mistake, line, envelope.source, envelope.name)


def _locate(error: SpaceCloudError, envelopes: "Sequence[Envelope]") -> None:
    """A clash with what is there has no field: it is told of the document."""
    if error.document is not None:
        about = _numbered(error.document, envelopes)
        error.args = (f"{about.source}:{about.line}: {error}",)
    elif len(envelopes) == 1:
        about = envelopes[0]
        error.args = (f"{about.source}:{about.line}: {about.name}: {error}",)


def _numbered(number: int, envelopes: "Sequence[Envelope]") -> "Envelope":
    """The number is another program's: one that is too large is taken for the last."""
    return envelopes[min(number, len(envelopes) - 1)]
