"""Documents as YAML text that means the same when it is read again."""

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from yaml import SafeDumper, dump_all

from spacecloud.documents.scalars import meaning


def write(documents: Iterable[Mapping[str, Any]]) -> str:
    """Envelopes, or anything else that JSON can hold, each ended by ``---`` but the last."""
    stream = StringIO()
    for number, document in enumerate(documents):
        stream.write("---\n" * bool(number))
        dump_all(
            [document],
            stream,
            Dumper=_Dumper,
            default_flow_style=False,
            allow_unicode=True,
            width=2**20,
            sort_keys=False,
        )
    return stream.getvalue()


class _Dumper(SafeDumper):
    """No anchors, and quotes around every text that would be read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=_style(data))


_Dumper.add_representer(str, _Dumper.represent_str)
_Dumper.add_multi_representer(dict, SafeDumper.represent_dict)


def _style(text: str) -> str | None:
    if "\n" in text and _is_block(text):
        return "|"
    if not text.isprintable():
        # Only these quotes have escapes: in others a line separator would come back as a blank.
        return '"'
    try:
        return None if meaning(text) == text else '"'
    except ValueError:
        return '"'


def _is_block(text: str) -> bool:
    """Whether a literal block keeps it: no blanks that a reader would lose or an editor would."""
    lines = text.split("\n")
    return (
        (text.isprintable() or all(line.isprintable() for line in lines))
        and not any(line != line.rstrip() for line in lines)
        and not text.startswith((" ", "\n"))
    )
