"""Documents as YAML text that means the same when it is read again."""

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from spacecloud.documents.scalars import meaning


def write(documents: Iterable[Mapping[str, Any]]) -> str:
    """Envelopes, or anything else that JSON can hold, each ended by ``---`` but the last."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 2**20
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = StringIO()
    for number, document in enumerate(documents):
        stream.write("---\n" * bool(number))
        yaml.dump(document, stream)
    return stream.getvalue()


class _Representer(SafeRepresenter):
    """No anchors, and quotes around every text that would be read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=_style(data))


_Representer.add_representer(str, _Representer.represent_str)
_Representer.add_multi_representer(dict, SafeRepresenter.represent_dict)


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
